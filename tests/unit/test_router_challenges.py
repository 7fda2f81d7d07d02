"""A certificate authority's question: who gets the answer, and that every other request is the app's."""

from dataclasses import replace

import pytest
from router_rig import get, ok, rig

from router.gate import Gate
from router.table import App, State, Table, TableError

TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
PROOF = f"{TOKEN}.{'t' * 43}"
PATH = f"/.well-known/acme-challenge/{TOKEN}"
HOST, OTHER = "hello.localhost", "other.localhost"


def put(router, **changes):
    """An app with two names, one of which is being proven."""
    app = App("id-of-hello", "hello", (HOST, OTHER), State.UP, tuple(fake.dyno for fake in router.dynos))
    router.plane.swap(Table(1, "localhost", (replace(app, challenges={HOST: PROOF}, **changes),)))


@pytest.mark.parametrize("changes", [
    {}, {"state": State.MAINTENANCE}, {"state": State.IDLE}, {"state": State.CRASHED}, {"state": State.STARTING},
    {"state": State.NONE}, {"https_only": True}, {"gate": Gate({"kate": "hash"})},
], ids=lambda changes: str(next(iter(changes.values()), "up")))  # fmt: skip
async def test_the_authority_is_answered_however_the_app_is(changes):
    async with rig(ok) as router, router.client() as client:
        router.plane.https_port = 443
        put(router, **changes)
        answer = await client.get(PATH)
        assert (answer.status, answer.body.decode()) == (200, PROOF)
        assert answer.header("content-type") == "application/octet-stream"
        assert answer.header("x-request-id")
        # The connection goes on.
        assert (await client.get(PATH)).status == 200
        assert router.dynos[0].calls == []
        line = await router.logged(f'path="{PATH}"')
        assert "at=info" in line and "dyno= " in line and "status=200 " in line


async def test_a_head_is_answered_without_the_body():
    async with rig(ok) as router, router.client() as client:
        put(router)
        answer = await client.ask(get(PATH).replace(b"GET", b"HEAD"))
        assert (answer.status, answer.header("content-length")) == (200, str(len(PROOF)))
        assert (await client.get(PATH)).body.decode() == PROOF


@pytest.mark.parametrize(("method", "path", "host"), [
    ("GET", f"{PATH}x", HOST), ("GET", PATH[:-1], HOST), ("GET", f"{PATH}?a=b", HOST), ("GET", f"/x{PATH}", HOST),
    ("GET", "/.well-known/acme-challenge/", HOST), ("GET", "/", HOST), ("POST", PATH, HOST), ("GET", PATH, OTHER),
    ("GET", PATH.upper(), HOST), ("GET", PATH.replace("acme", "%61cme"), HOST),
])  # fmt: skip
async def test_every_other_request_is_the_apps(method, path, host):
    async with rig(ok) as router, router.client() as client:
        put(router)
        request = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n".encode()
        assert (await client.ask(request)).body == b"ok"
        assert router.dynos[0].calls[0].line == f"{method} {path} HTTP/1.1"


async def test_an_app_that_proves_nothing_serves_the_path_itself():
    async with rig(ok) as router, router.client() as client:
        assert (await client.get(PATH)).body == b"ok"


async def test_what_is_to_be_https_is_still_sent_there():
    async with rig(ok) as router, router.client() as client:
        router.plane.https_port = 443
        put(router, https_only=True)
        assert (await client.get("/")).status == 301


def test_challenges_are_part_of_the_table():
    app = App("a", "hello", (HOST,), State.UP, challenges={HOST: PROOF})
    table = Table(1, "localhost", (app,))
    assert Table.parse(table.to_json()) == table
    assert "challenges" not in Table(1, "localhost", (replace(app, challenges={}),)).to_json()
    for wrong in ("", "no-proof", f"{PROOF}\r\nX: y", f"{TOKEN[:10]}.{'t' * 43}"):
        with pytest.raises(TableError, match="challenge of app hello"):
            Table.parse(Table(1, "localhost", (replace(app, challenges={HOST: wrong}),)).to_json())
