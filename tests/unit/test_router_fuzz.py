"""Whatever a client sends, the dyno gets the requests that are in it, or the client is told that they are improper;
and whatever a dyno answers, the client gets an answer, or can tell that it was broken off.

    HOSTD_TEST_FUZZ=100000 python -m pytest tests/unit/test_router_fuzz.py      longer than the usual 2,000 streams
"""

from __future__ import annotations

import asyncio
import os
from random import Random
from unittest.mock import patch

import pytest
from router_rig import Call, Rig, get, rig
from smuggling.attack import Watched, attack
from smuggling.mutations import stream
from smuggling.oracle import Request, requests
from smuggling.replies import SEEDS, statuses

from router.table import App, State, Table

ROUNDS = int(os.environ.get("HOSTD_TEST_FUZZ", "2000"))
BLOCKS = [*range(2), *(pytest.param(block, marks=pytest.mark.thorough) for block in range(2, 8))]


class Taking:
    """A dyno's requests, when it has all of them."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def __call__(self, call: Call) -> None:
        """Take one."""
        method, target, version = call.head.split(b"\r\n", 1)[0].split(b" ")
        assert version == b"HTTP/1.1"
        try:
            body = await call.body()
        except ValueError as error:
            raise ConnectionError("the router broke off") from error
        self.requests.append(Request(method, target, body))
        await call.answer(b"" if method == b"HEAD" else b"ok")


async def judge(router: Rig, taking: Taking, pieces: list[bytes]) -> None:
    """One client: what the dyno took is what was sent, up to where the router refused."""
    taking.requests = []
    logged = len(router.lines)
    await attack(router, *pieces)
    sent = [request for request in requests(b"".join(pieces)) if request.host == "a"]
    lines = router.lines[logged:]
    # One to nowhere ends the connection, too, when its body has not come.
    refused = [line for line in lines if any(word in line for word in ("code=H26", "code=H23", "No such app"))]
    assert taking.requests == sent[: len(taking.requests)], pieces
    assert len(taking.requests) == len(sent) or refused, pieces
    assert sum("status=200" in line and "dyno=web.1" in line for line in lines) == len(taking.requests), pieces


@pytest.mark.parametrize("block", BLOCKS)
async def test_streams_of_mutated_requests(block):
    taking = Taking()
    with patch("router_rig.Client", Watched):
        async with rig(taking) as router:
            app = App("id-of-a", "a", ("a",), State.UP, (router.dynos[0].dyno,))
            router.plane.swap(Table(9, "localhost", (app,)))
            for number in range(ROUNDS // len(BLOCKS)):
                await judge(router, taking, stream(Random(f"{block}/{number}")))


class Babbling:
    """A dyno that answers with whatever it is given, and closes."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def __call__(self, call: Call) -> None:
        """Answer one."""
        for piece in self.pieces:
            await call.send(piece)
            await asyncio.sleep(0)
        call.writer.close()


@pytest.mark.parametrize("block", BLOCKS)
async def test_whatever_a_dyno_answers_the_client_gets_answers_or_a_broken_connection(block):
    babbling = Babbling()
    probe = b"GET / HTTP/1.1\r\nHost: nobody\r\nConnection: close\r\n\r\n"
    async with rig(babbling) as router:
        for number in range(ROUNDS // len(BLOCKS)):
            babbling.pieces = stream(Random(f"dyno {block}/{number}"), SEEDS)
            async with router.client() as client:
                await client.send(get() + probe)
                async with asyncio.timeout(10):
                    heard, whole = statuses(await client.reader.read())
            final = [status for status in heard if status >= 200]
            assert final, babbling.pieces
            # The second answer is the router's own: whatever the dyno says, it says it to the first request.
            assert final[1:] in ([], [404]), babbling.pieces
            assert len(final) == 2 or not whole or b"code=H1" in "".join(router.lines).encode(), babbling.pieces


def test_chance_is_neither_too_kind_nor_too_cruel():
    """Many streams are still proper, and many are not."""
    made = [b"".join(stream(Random(f"0/{number}"))) for number in range(500)]
    proper = sum(bool(requests(data)) for data in made)
    assert 150 < proper < 450
