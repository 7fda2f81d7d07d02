"""What hostd-git asks: whose token it is, and whether they may."""

import json

from api_fakes import running_api

from hostd.api.git_https import SAME_SECONDS, Recent
from hostd.ledger.access import Right

PLACE = "192.0.2.7"
PUSH, FETCH = "git-receive-pack", "git-upload-pack"


def question(token: str, app: str = "hello", service: str = FETCH, **changes: str) -> dict[str, str]:
    return {"token": token, "app": app, "service": service, "door": "router", "address": PLACE, **changes}


async def test_who_has_a_token_and_the_right_is_told_where_the_repository_is(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        token = api.token("you")
        api.user = None
        found = await api("POST", "/hostd/git/repositories", question(token, service=PUSH))
        assert found.data.pop("authorization") == api.ledger.authorizations.list(api.users["you"].id)[0].id
        assert found.data == {
            "path": f"/repos/{app.id}.git", "app_id": app.id, "app": "hello", "user": "you@example.com",
        }  # fmt: skip
        assert api.ledger.authorizations.list(api.users["you"].id)[0].used_from == PLACE
        for changes, status in (
            ({"token": "HRKU-wrong"}, 401),
            ({"app": "nope"}, 404),
            ({"service": "git-shell"}, 422),
            ({"door": "window"}, 422),
        ):
            assert (await api("POST", "/hostd/git/repositories", question(token) | changes)).status == status, changes


async def test_rights_and_scopes_decide(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.user = None

        async def status(token, service):
            return (await api("POST", "/hostd/git/repositories", question(token, service=service))).status

        anns = api.token("ann")
        assert (await status(anns, FETCH), await status(anns, PUSH)) == (404, 404)
        api.ledger.access.add(app.id, api.users["ann"].id, [Right.VIEW])
        assert (await status(anns, FETCH), await status(anns, PUSH)) == (200, 403)
        for scope, expected in (
            ("read", (200, 403)), ("write", (200, 200)), ("identity", (403, 403)), ("global", (200, 200)),
        ):  # fmt: skip
            token = api.token("you", scope)
            assert (await status(token, FETCH), await status(token, PUSH)) == expected, scope


async def test_a_wrong_token_counts_against_the_clients_address_here_as_at_the_api(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        right = api.token("you")
        api.user = None
        for number in range(11):
            refused = await api("POST", "/hostd/git/repositories", question(f"guess-{number}"))
        assert refused.status == 429
        assert (await api("POST", "/hostd/git/repositories", question(right))).status == 429
        elsewhere = question(right, address="192.0.2.8")
        assert (await api("POST", "/hostd/git/repositories", elsewhere)).status == 200


async def test_the_requests_of_one_clone_are_one_entry_and_refusals_are_all_entries(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        token = api.token("you")
        api.user = None
        for _ in range(3):
            await api("POST", "/hostd/git/repositories", question(token))
            await api("POST", "/hostd/git/repositories", question(token, app="nope"))
        entries = [(entry.deed.target, entry.deed.status, entry.deed.door, entry.deed.address)
                   for entry in api.ledger.trail.list(app_id=None, user=None, email=None, since=None, most=100)]
        assert sorted(entries) == [
            (f"{FETCH} hello", 200, "router", PLACE), *[(f"{FETCH} nope", 404, "router", PLACE)] * 3,
        ]  # fmt: skip
        assert token not in json.dumps(entries)


def test_what_was_a_short_while_ago_is_the_same():
    now = 0.0
    recent = Recent(lambda: now)
    assert [recent.begins("a"), recent.begins("a"), recent.begins("b")] == [True, False, True]
    now = SAME_SECONDS
    assert recent.begins("a")


async def test_nobody_else_may_ask_and_no_door_but_the_socket_answers(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        token = api.token("you")
        refused = await api.with_token(token, "POST", "/hostd/git/repositories", question(token))
        assert refused.status == 404


async def test_a_push_whose_token_was_revoked_since_is_refused(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        authorization = api.ledger.authorizations.add(api.users["you"].id)[0]
        api.user = None
        query = {
            "app": app.id, "push": "0b7f3a52-6f4c-4c0e-9f53-0d6c9d1f6a11", "user": "you@example.com",
            "commit": "20a5742" + "0" * 33, "ref": "refs/heads/main", "door": "router", "address": PLACE,
        }  # fmt: skip
        api.ledger.authorizations.remove(api.users["you"].id, authorization.id)
        refused = await api("POST", "/hostd/pushes", params=query | {"authorization": authorization.id})
        assert refused.status == 401
        assert "good no more" in refused.data["message"]
