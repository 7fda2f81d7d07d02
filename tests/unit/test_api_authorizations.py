"""Authorizations over the API, and what else OAuth has, as far as it is here."""

import pytest
from api_fakes import running_api

from hostd.api.schema.registry import links
from hostd.api.scopes import permits


async def test_a_token_is_made_shown_once_used_renewed_and_revoked(tmp_path):
    async with running_api(tmp_path) as api:
        made = await api("POST", "/oauth/authorizations", {"description": "ci", "scope": ["read"], "expires_in": "600"})
        assert made.status == 201
        token = made.data["access_token"]["token"]
        assert made.data["user"] == {
            "email": "you@example.com", "full_name": "you", "id": api.users["you"].id
        }  # fmt: skip
        assert (made.data["description"], made.data["scope"], made.data["client"]) == ("ci", ["read"], None)
        assert 590 < made.data["access_token"]["expires_in"] <= 600
        assert (await api.with_token(token, "GET", "/apps")).status == 200

        own = f"/oauth/authorizations/{made.data['id']}"
        shown = (await api("GET", own)).data
        assert shown["access_token"]["token"] == f"HRKU-**********{token[-4:]}"
        assert shown["last_used_from"] == "127.0.0.1" and shown["last_used_at"]
        assert (await api("GET", "/oauth/authorizations")).data == [shown]
        assert token not in str((await api("PATCH", own, {"description": "CI"})).data)
        assert (await api("GET", own)).data["description"] == "CI"
        assert (await api("PATCH", own, {})).data["description"] == "CI"

        renewed = (await api("POST", f"{own}/actions/regenerate-tokens")).data
        assert renewed["id"] == made.data["id"] and renewed["scope"] == ["read"]
        assert (await api.with_token(token, "GET", "/apps")).status == 401
        assert api.revoking.tokens == [("you@example.com", made.data["id"])]
        assert (await api.with_token(renewed["access_token"]["token"], "GET", "/apps")).status == 200
        assert (await api("DELETE", own)).data["description"] == "CI"
        assert (await api.with_token(renewed["access_token"]["token"], "GET", "/apps")).status == 401
        assert api.revoking.tokens == [("you@example.com", made.data["id"])] * 2
        assert (await api("GET", own)).status == 404
        assert (await api("GET", "/oauth/authorizations")).data == []


async def test_without_words_it_is_as_herokus(tmp_path):
    async with running_api(tmp_path) as api:
        made = (await api("POST", "/oauth/authorizations", {})).data
        assert (made["description"], made["scope"]) == ("Long-lived user authorization", ["global"])
        assert made["access_token"]["expires_in"] is None


async def test_a_token_makes_another_only_if_it_is_good_for_everything(tmp_path):
    async with running_api(tmp_path) as api:
        own = await api.with_token(api.token("you"), "POST", "/oauth/authorizations", {"scope": ["global"]})
        assert own.status == 201
        small = api.token("you", "write-protected", "read-protected")
        for method in ("GET", "POST"):
            assert (await api.with_token(small, method, "/oauth/authorizations")).status == 403


async def test_a_login_with_a_token_as_the_password(tmp_path):
    """What `heroku login -i` does."""
    from base64 import b64encode

    async with running_api(tmp_path) as api:
        basic = f"Basic {b64encode(f'you@example.com:{api.token()}'.encode()).decode()}"
        body = {"description": "Heroku CLI login from laptop", "expires_in": 2592000, "scope": ["global"]}
        made = await api.with_token(None, "POST", "/oauth/authorizations", body, headers={"Authorization": basic})
        assert made.status == 201 and made.data["user"]["email"] == "you@example.com"
        # And what `heroku logout` does.
        token = made.data["access_token"]["token"]
        for path, resource in (("/oauth/sessions/~", "session"), ("/oauth/authorizations/~", "authorization")):
            gone = await api.with_token(token, "DELETE" if "sessions" in path else "GET", path)
            assert (gone.status, gone.data["id"], gone.data["resource"]) == (404, "not_found", resource)
        ended = await api.with_token(token, "DELETE", f"/oauth/authorizations/{made.data['id']}")
        assert ended.status == 200
        assert (await api.with_token(token, "GET", "/account")).status == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"scope": ["everything"]}, 422),
        ({"scope": "global"}, 422),
        ({"scope": []}, 422),
        ({"expires_in": "soon"}, 422),
        ({"expires_in": True}, 422),
        ({"expires_in": 0}, 422),
        ({"expires_in": "9" * 5000}, 422),
        ({"description": "x" * 300}, 422),
        ({"description": 1}, 422),
        ({"client": "3f0f7a"}, 404),
    ],
)
async def test_what_cannot_be(tmp_path, body, status):
    async with running_api(tmp_path) as api:
        refused = await api("POST", "/oauth/authorizations", body)
        assert refused.status == status and refused.data["message"]
        assert (await api("GET", "/oauth/authorizations")).data == []


async def test_nobody_sees_those_of_others_admins_neither(tmp_path):
    async with running_api(tmp_path) as api:
        made = (await api("POST", "/oauth/authorizations", {})).data
        own = f"/oauth/authorizations/{made['id']}"
        api.user = "kate@example.com"
        assert (await api("GET", "/oauth/authorizations")).data == []
        for method, path in (("GET", own), ("PATCH", own), ("DELETE", own),
                             ("POST", f"{own}/actions/regenerate-tokens")):  # fmt: skip
            assert (await api(method, path, {"description": "x"})).status == 404


async def test_sessions_and_clients_are_not_there_and_say_so(tmp_path):
    async with running_api(tmp_path) as api:
        assert (await api("GET", "/oauth/sessions")).data == []
        assert (await api("GET", "/oauth/clients")).data == []
        for method, path, status, words in (
            ("POST", "/oauth/clients", 422, "token of its own"),
            ("POST", "/oauth/tokens", 422, "Make a token"),
            ("GET", "/oauth/clients/x", 404, "Couldn't find"),
            ("DELETE", "/oauth/sessions/x", 404, "Couldn't find"),
        ):
            refused = await api(method, path, {"name": "x", "redirect_uri": "https://example.com"})
            assert refused.status == status and words in refused.data["message"]


async def test_ones_own_account(tmp_path):
    async with running_api(tmp_path) as api:
        assert (await api("PATCH", "/account", {"name": " Kate Ann "})).data["name"] == "Kate Ann"
        assert (await api("GET", "/users/~")).data["name"] == "Kate Ann"
        assert (await api("PATCH", "/account", {"allow_tracking": False})).data["name"] == "Kate Ann"
        for refused in ("allow_tracking", "beta"):
            answer = await api("PATCH", "/account", {refused: True, "name": "Somebody"})
            assert (answer.status, answer.data["id"]) == (422, "invalid_params")
            assert refused in answer.data["message"]
        assert (await api("GET", "/account")).data["name"] == "Kate Ann"
        for wrong in ({"name": "a\nb"}, {"name": "x" * 101}, {"email": "other@example.com"}):
            assert (await api("PATCH", "/account", wrong)).status == 422
        assert (await api("GET", "/account/rate-limits")).data == {"remaining": 4500}


APP, CONFIG, RUN = "/apps/{app}", "/apps/{app}/config-vars", "/apps/{app}/dynos"


@pytest.mark.parametrize(
    ("scope", "good_for", "not_for"),
    [
        ({"global"}, ["GET /oauth/authorizations", "DELETE /apps/{app}", "PATCH /apps/{app}/config-vars"], []),
        ({"identity"}, ["GET /account", "GET /users/~"], [f"GET {APP}", "PATCH /account", "GET /account/keys"]),
        ({"read"}, [f"GET {APP}", "HEAD /apps", f"GET {RUN}", "GET /account"], [f"GET {CONFIG}", f"PATCH {APP}"]),
        ({"write"}, [f"PATCH {APP}", f"GET {APP}"], [f"PATCH {CONFIG}", f"GET {CONFIG}", f"POST {RUN}"]),
        ({"read-protected"}, [f"GET {CONFIG}", f"GET {APP}"], [f"PATCH {CONFIG}", f"DELETE {APP}", f"POST {RUN}"]),
        ({"write-protected"}, [f"PATCH {CONFIG}", f"GET {CONFIG}", f"POST {RUN}"], ["POST /account/keys"]),
        ({"read"}, ["GET /users/{user}/apps", "POST /filters/apps", "POST /apps/{app}/log-sessions"],
         ["GET /hostd/users", "PATCH /users/{user}"]),
        ({"write"}, ["DELETE /apps/{app}/dynos", "POST /hostd/deploys", "GET /hostd/apps/{app}/jobs"],
         ["POST /hostd/users", "POST /hostd/users/{user}/keys", "PATCH /hostd/stacks/{stack}", "GET /hostd/audit",
          "POST /hostd/apps/{app}/jobs", "POST /apps/{app}/dynos/{dyno}"]),
        ({"read", "write"}, [f"GET {APP}", f"DELETE {APP}"], ["POST /oauth/authorizations", "GET /users"]),
    ],
)
def test_scopes(scope, good_for, not_for):
    assert [asked for asked in good_for if not permits(scope, *asked.split())] == []
    assert [asked for asked in not_for if permits(scope, *asked.split())] == []


def test_no_small_token_reaches_what_would_make_it_a_large_one():
    small = {"read-protected", "write-protected", "identity"}
    reached = {link.call for link in links() if link.public and permits(small, link.method, link.path)}
    outside = {call for call in reached if not call.split()[1].startswith(("/apps", "/hostd/apps"))}
    assert not [call for call in outside if any(word in call for word in ("/keys", "authorizations", "/hostd/users"))]
    assert "GET /apps/{app}/config-vars" in reached and "POST /users" not in reached
