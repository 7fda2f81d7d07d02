"""Autobahn's cases of WebSockets, as `kosoku` plays them, through a worker: what comes of each is what comes of it
without the worker, and no case fails.

Always those of frames, texts and endings; HOSTD_TEST_AUTOBAHN=all adds the large and the compressed messages.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from kosoku import run_fuzzingclient, run_fuzzingserver
from worker_rig import Process

from router.store import save
from router.table import App, Dyno, State, Table

ALL = os.environ.get("HOSTD_TEST_AUTOBAHN") == "all"
CASES = ["*"] if ALL else [f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 10)]
NOT_KNOWN = ["7.9.5"]
"""The server itself, aiohttp's, fails this one: it takes a code of ending that nobody may use."""
pytestmark = pytest.mark.thorough
AT_ONCE = 2 if ALL else 8
PATIENCE = 3600 if ALL else 120


def outcome(result) -> tuple[object, ...]:
    """What came of a case, but for how long it took."""
    return (
        result.case_id, result.behavior.value, result.behavior_close.value, result.remote_close_code,
        result.was_clean, result.dropped_by_me, result.was_not_clean_reason,
    )  # fmt: skip


@asynccontextmanager
async def worker(folder: Path, port: int) -> AsyncIterator[int]:
    """A worker in front of a server; its port."""
    app = App("a", "hello", ("127.0.0.1",), State.UP, (Dyno("web.1", "127.0.0.1", port),))
    save(folder / "routes.json", Table(1, "localhost", (app,)))
    made = Process(folder)
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


async def played(port: int) -> list[tuple[object, ...]]:
    """What comes of all cases at this server."""
    async with asyncio.timeout(PATIENCE):
        return [outcome(result) for result in await run_fuzzingclient(f"127.0.0.1:{port}", CASES, NOT_KNOWN, AT_ONCE)]


async def test_a_server_behind_the_router_does_as_well_as_by_itself(tmp_path, echo):
    async with worker(tmp_path, echo) as port:
        direct, routed = await played(echo), await played(port)
    assert routed == direct
    assert len(direct) > 200


# A client before it


async def clients_results(folder: Path, *, routed: bool) -> list[tuple[object, ...]]:
    """What comes of all cases for a client, by way of a worker or not."""
    async with run_fuzzingserver(CASES, NOT_KNOWN, host="127.0.0.1", port=0) as server:
        if not routed:
            await behave(server.port)
        else:
            async with worker(folder, server.port) as port:
                await behave(port)
        async with asyncio.timeout(PATIENCE):
            return [outcome(result) for result in await server.get_result()]


async def behave(port: int) -> None:
    """A client that sends back what it gets, in every case that the server has."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session, asyncio.timeout(PATIENCE):
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
    async with session.ws_connect(path, max_msg_size=64 << 20) as connection:
        async for message in connection:
            if message.type is aiohttp.WSMsgType.TEXT:
                await connection.send_str(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await connection.send_bytes(message.data)


async def test_a_client_before_the_router_does_as_well_as_by_itself(tmp_path):
    direct = await clients_results(tmp_path, routed=False)
    routed = await clients_results(tmp_path, routed=True)
    assert routed == direct
    assert len(direct) > 200
