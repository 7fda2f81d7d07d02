"""Autobahn's cases of WebSockets, as `kosoku` plays them, through a worker: what comes of each is what comes of it
without the worker, and no case fails.

Those of frames, texts and endings; others, which take minutes, when they are asked for:

    HOSTD_TEST_AUTOBAHN='9.* 12.*' python -m pytest tests/unit/test_router_autobahn.py      large and compressed ones
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import pytest
from kosoku import FailureError, run_fuzzingclient, run_fuzzingserver
from worker_rig import Process

from router.store import save
from router.table import App, Dyno, State, Table

CASES = os.environ.get("HOSTD_TEST_AUTOBAHN", "1.* 2.* 3.* 4.* 5.* 6.* 7.* 10.*").split()
NOT_KNOWN = ["7.9.5"]
"""The server itself, aiohttp's, fails this one: it takes a code of ending that nobody may use."""
AT_ONCE = 8
TRIES = 3
pytestmark = pytest.mark.thorough

Outcomes = dict[str, tuple[object, ...]]
"""What came of each case, and at last whether it passed."""


def outcomes(results: Iterable[Any]) -> Outcomes:
    return {
        result.case_id: (
            result.behavior.value, result.behavior_close.value, result.remote_close_code, result.was_clean,
            result.dropped_by_me, result.was_not_clean_reason, result.passed,
        )
        for result in results
    }  # fmt: skip


async def compare(
    direct: Callable[[Sequence[str]], Awaitable[Outcomes]], routed: Callable[[Sequence[str]], Awaitable[Outcomes]]
) -> None:
    """Play all cases both ways. What some come to depends on who is quicker, so that unlike ones are played again."""
    one, other = await direct(CASES), await routed(CASES)
    assert one.keys() == other.keys() and one
    for _ in range(TRIES):
        unlike = [case for case in one if one[case] != other[case] or not one[case][-1]]
        if unlike:
            one |= await direct(unlike)
            other |= await routed(unlike)
    assert other == one
    assert [case for case in one if not one[case][-1]] == []


@asynccontextmanager
async def worker(port: int) -> AsyncIterator[int]:
    """A worker in front of a server; its port."""
    app = App("a", "hello", ("127.0.0.1",), State.UP, (Dyno("web.1", "127.0.0.1", port),))
    with TemporaryDirectory() as folder:
        save(Path(folder) / "routes.json", Table(1, "localhost", (app,)))
        made = Process(Path(folder))
        process = await made.start()
        try:
            yield made.port
        finally:
            process.terminate()
            await process.wait()
            made.close()


# A server behind the worker


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a server that sends back what it gets."""
    script = Path(__file__).with_name("autobahn_echo.py")
    process = await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    yield int(await process.stdout.readline())
    process.terminate()
    await process.wait()


async def played(port: int, cases: Sequence[str]) -> Outcomes:
    """What comes of cases at this server."""
    try:
        return outcomes(await run_fuzzingclient(f"127.0.0.1:{port}", cases, NOT_KNOWN, AT_ONCE))
    except FailureError as failure:
        return outcomes(failure.results)


async def test_a_server_behind_the_router_does_as_well_as_by_itself(echo):
    async with worker(echo) as port:
        await compare(partial(played, echo), partial(played, port))


# A client before it


async def judged(routed: bool, cases: Sequence[str]) -> Outcomes:
    """What comes of cases for a client, by way of a worker or not."""
    async with run_fuzzingserver(cases, NOT_KNOWN, host="127.0.0.1", port=0) as server:
        if not routed:
            await behave(server.port)
        else:
            async with worker(server.port) as port:
                await behave(port)
        try:
            return outcomes(await server.get_result())
        except FailureError as failure:
            return outcomes(failure.results)


async def behave(port: int) -> None:
    """A client that sends back what it gets, in every case that the server has."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.ws_connect("/getCaseCount") as connection:
            count = int(await connection.receive_str())
        numbers = iter(range(1, count + 1))

        async def play() -> None:
            for number in numbers:
                await send_back(session, f"/runCase?case={number}&agent=aiohttp")

        await asyncio.gather(*(play() for _ in range(AT_ONCE)))
        async with session.ws_connect("/updateReports?agent=aiohttp"):
            pass


async def send_back(session: aiohttp.ClientSession, path: str) -> None:
    async with session.ws_connect(path, compress=15, max_msg_size=64 << 20) as connection:
        async for message in connection:
            if message.type is aiohttp.WSMsgType.TEXT:
                await connection.send_str(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await connection.send_bytes(message.data)


async def test_a_client_before_the_router_does_as_well_as_by_itself():
    await compare(partial(judged, False), partial(judged, True))
