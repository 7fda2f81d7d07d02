"""The doors beside the unix socket: nobody is known there without a token."""

import base64
import socket

import pytest
from aiohttp import web
from api_fakes import running_api

from hostd.api.caller import Door
from hostd.api.identity import token_in
from hostd.api.requests import CALLER


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.fixture
def callers(monkeypatch):
    """The callers of GET /account, as its handler saw them."""
    seen = []
    known = web.Request.__setitem__

    def note(request, key, value):
        if key is CALLER:
            seen.append(value)
        known(request, key, value)

    monkeypatch.setattr(web.Request, "__setitem__", note)
    return seen


async def test_a_token_says_who_asks_in_both_forms(tmp_path):
    async with running_api(tmp_path) as api:
        token = api.token("ann")
        for header in (f"Bearer {token}", f"bearer {token}", basic(f":{token}"), basic(f"anybody:{token}")):
            shown = await api.with_token(None, "GET", "/account", headers={"Authorization": header})
            assert (shown.status, shown.data["email"]) == (200, "ann@example.com"), header


async def test_nobody_is_known_without_one_whatever_they_say(tmp_path):
    async with running_api(tmp_path, uid_is="root") as api:
        for headers in ({}, {"Hostd-User": "kate@example.com"}, {"Authorization": "Bearer "}, {"Authorization": "x"},
                        {"Authorization": "Basic =="}, {"Authorization": basic("no colon")}):  # fmt: skip
            refused = await api.with_token(None, "GET", "/apps", headers=headers)
            assert (refused.status, refused.data["id"]) == (401, "unauthorized")
            assert "no credentials" in refused.data["message"]
        wrong = await api.with_token("HRKU-nonsense", "GET", "/apps", headers={"Hostd-User": "kate@example.com"})
        assert (wrong.status, wrong.data) == (401, {"id": "unauthorized", "message": "Invalid credentials provided."})
        assert (await api.with_token(None, "GET", "/nowhere")).status == 401


async def test_a_token_is_worth_nothing_once_it_is_revoked_ended_or_its_user_gone(tmp_path):
    async with running_api(tmp_path) as api:
        made, token = api.ledger.authorizations.add(api.users["you"].id)
        other = api.token("ann")
        assert (await api.with_token(token, "GET", "/account")).status == 200
        assert (await api.with_token(other, "GET", "/account")).status == 200
        api.ledger.authorizations.remove(made.user_id, made.id)
        api.ledger.users.remove("ann@example.com")
        assert (await api.with_token(token, "GET", "/account")).status == 401
        assert (await api.with_token(other, "GET", "/account")).status == 401


async def test_what_is_for_hostds_own_programs_is_not_there(tmp_path):
    async with running_api(tmp_path, uid_is="root") as api:
        token = api.token("kate")
        for method, path in (("GET", "/hostd/ssh/keys?type=x&key=y"), ("POST", "/hostd/pushes"),
                             ("GET", "/hostd/pushes/x"), ("POST", "/hostd/ssh/repositories")):  # fmt: skip
            assert (await api.with_token(token, method, path)).status == 404
        assert (await api.with_token(token, "GET", "/hostd/version")).status == 200


async def test_pages_of_other_sites_are_refused(tmp_path):
    async with running_api(tmp_path) as api:
        token = api.token()
        for origin in ("https://evil.example.com", "null", "http://127.0.0.1:1"):
            refused = await api.with_token(token, "GET", "/account", headers={"Origin": origin})
            assert refused.status == 403
            assert "Access-Control-Allow-Origin" not in refused.headers
        assert (await api.with_token(token, "GET", "/account", headers={"Origin": api.door})).status == 200


async def test_the_caller_is_known_with_door_and_address(tmp_path, callers):
    async with running_api(tmp_path / "a", router=True) as api:
        token = api.token()
        await api.with_token(token, "GET", "/account", headers={"X-Forwarded-For": "203.0.113.9, 192.0.2.1"})
        await api("GET", "/account")
    async with running_api(tmp_path / "b", uid_is="root") as api:
        await api.with_token(api.token(), "GET", "/account", headers={"X-Forwarded-For": "192.0.2.1"})
        await api("GET", "/account")
    known = [(caller.door, caller.address, caller.authorization is not None) for caller in callers]
    assert known == [
        (Door.ROUTER, "192.0.2.1", True),
        (Door.SOCKET, "ssh", False),
        (Door.LOOPBACK, "127.0.0.1", True),
        (Door.SOCKET, "local", False),
    ]
    assert callers[0].authorization.token_end == token[-4:]
    assert token not in repr(callers)


async def test_who_guesses_at_tokens_has_to_wait(tmp_path):
    async with running_api(tmp_path, router=True) as api:
        token, guesser = api.token(), {"X-Forwarded-For": "192.0.2.66"}
        statuses = [(await api.with_token(f"HRKU-{n}", "GET", "/apps", headers=guesser)).status for n in range(14)]
        assert statuses == [401] * 10 + [429] * 4
        refused = await api.with_token(token, "GET", "/apps", headers=guesser)
        assert (refused.status, refused.data["id"]) == (429, "rate_limit")
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await api.with_token(token, "GET", "/apps", headers={"X-Forwarded-For": "192.0.2.1"})).status == 200


async def test_who_was_there_before_is_not_kept_waiting_by_a_guesser_beside(tmp_path):
    async with running_api(tmp_path) as api:
        token = api.token()
        assert (await api.with_token(token, "GET", "/apps")).status == 200
        for number in range(12):
            await api.with_token(f"HRKU-{number}", "GET", "/apps")
        assert (await api.with_token(token, "GET", "/apps")).status == 200
        assert (await api.with_token(api.token("ann"), "GET", "/apps")).status == 429


async def test_small_tokens_do_small_things(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        reader = api.token("you", "read")
        assert (await api.with_token(reader, "GET", f"/apps/{app.name}")).status == 200
        assert (await api.with_token(reader, "GET", "/account")).status == 200
        for method, path in (("GET", "/apps/hello/config-vars"), ("DELETE", "/apps/hello"), ("POST", "/apps"),
                             ("GET", "/account/keys"), ("PATCH", "/apps/hello/formation")):  # fmt: skip
            refused = await api.with_token(reader, method, path)
            assert (refused.status, refused.data["id"]) == (403, "forbidden"), path
            assert "good for read only" in refused.data["message"]


async def test_long_headers_and_long_tokens_are_borne(tmp_path):
    async with running_api(tmp_path) as api:
        ids = ",".join(["5b6bd2d4-9e6d-4a4b-8f5e-0c8d8f2f5f5e"] * 190)
        assert (await api.with_token(api.token(), "GET", "/account", headers={"Request-Id": ids})).status == 200
        assert (await api.with_token("x" * 5000, "GET", "/account")).status == 401


async def test_head_is_get_without_its_body(tmp_path):
    async with running_api(tmp_path) as api:
        answer = await api.with_token(api.token(), "HEAD", "/account")
        assert (answer.status, answer.data) == (200, b"") and int(answer.headers["Content-Length"]) > 100


def test_tokens_in_headers():
    assert token_in("Bearer a") == "a"
    assert token_in(basic("you@example.com:a:b")) == "a:b"
    assert [token_in(text) for text in (None, "", "Bearer", "Digest a", "Basic é")] == [None] * 5


def test_the_owner_of_the_other_end(tmp_path):
    import os

    from units.tcp_owner import owner_of_peer

    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert owner_of_peer(accepted) == os.getuid()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert owner_of_peer(ours) is None
