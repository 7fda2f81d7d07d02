"""What dynos do in the tests of HTTP/2."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from router_rig import Call


async def never(call: Call) -> None:
    """A dyno that does not answer."""
    await call.reader.read()


def telling(answer: bytes):
    """A dyno that says these bytes; `|` stands for CRLF."""

    async def behaviour(call: Call) -> None:
        await call.body()
        await call.send(answer.replace(b"|", b"\r\n"))
        call.writer.close()

    return behaviour


def sending(size: int):
    """A dyno that sends so much."""

    async def behaviour(call: Call) -> None:
        await call.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // 65536):
            await call.send(b"x" * 65536)
        await call.send(b"x" * (size % 65536))

    return behaviour


async def left(call: Call) -> None:
    """Wait until a dyno has nothing more to do for a request."""
    async with asyncio.timeout(5):
        while not call.writer.is_closing():
            await asyncio.sleep(0.005)


async def gone(call: Call) -> None:
    """A dyno waits until the router has closed its connection."""
    async with asyncio.timeout(5):
        with suppress(ConnectionError):
            while await call.reader.read(65536):
                pass


async def called(router, count: int = 1) -> Call:
    """The dyno's latest request, when it has had so many."""
    async with asyncio.timeout(5):
        while len(router.rig.dynos[0].calls) < count:
            await asyncio.sleep(0.005)
    return router.rig.dynos[0].calls[-1]
