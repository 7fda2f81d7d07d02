"""What a server behind the router takes for requests is what the router took for them: a corpus of known attacks."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from unittest.mock import patch

import pytest
import pytest_asyncio
from router_rig import Rig, rig
from smuggling.attack import Watched, attack
from smuggling.backends import NAMES, Backend, backend
from smuggling.corpus import CORPUS
from smuggling.oracle import requests

from router.table import App, Dyno, State, Table
from tests.support.sampling import sampled

_LINE = re.compile(r'method=(\S+) path="([^"]*)" .* request_id=(\S+) .* dyno=web\.1 .* status=200 ')


KINDS = [pytest.param(name, marks=pytest.mark.thorough if name != "aiohttp" else ()) for name in NAMES]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def behind(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Rig, Backend]]:
    """A router in front of a real server."""
    with patch("router_rig.Client", Watched):
        async with backend(request.param) as server, rig() as router:
            app = App("id-of-a", "a", ("a",), State.UP, (Dyno("web.1", "127.0.0.1", server.port),))
            router.plane.swap(Table(1, "localhost", (app,)))
            yield router, server


@pytest.mark.parametrize("name", sampled(CORPUS))
@pytest.mark.asyncio(loop_scope="module")
async def test_the_server_takes_what_the_router_passed_on(behind, name):
    router, server = behind
    logged = len(router.lines)
    await attack(router, CORPUS[name])
    attacked = len(router.lines)
    for number in range(2):
        identity = f"after-the-attack-{number:04}"
        async with router.client() as client:
            answer = await client.ask(f"GET /after HTTP/1.1\r\nHost: a\r\nX-Request-ID: {identity}\r\n\r\n".encode())
            assert (answer.status, answer.body.decode()) == (200, identity)
    taken = [(each["id"], each["method"], each["target"]) for each in await server.taken()]
    passed = [(found[3], found[1], found[2]) for line in router.lines[logged:] if (found := _LINE.search(line))]
    assert taken == passed
    sent = [(request.method.decode(), request.target.decode()) for request in requests(CORPUS[name])]
    mine = [(method, target) for _, method, target in passed[:-2]]
    assert mine == sent[: len(mine)]
    assert len(mine) == len(sent) or any("code=" in line for line in router.lines[logged:attacked])


def test_the_corpus_is_worth_its_name():
    assert sum(b"/smuggled" in data for data in CORPUS.values()) > 380
    assert len(CORPUS) > 430
