"""Pipes of the event loop: what goes in, what comes out, and ends that go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from units.pipes import CHUNK, collect, feed, pieces, pipe


async def several(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def test_everything_arrives_in_order_whatever_the_pipe_holds() -> None:
    content = [b"header", bytes(3 * CHUNK), b"end"]
    with pipe() as (reading, writing):
        feeding = asyncio.create_task(feed(writing, several(*content)))
        came = [piece async for piece in pieces(reading)]
        await feeding
    assert b"".join(came) == b"".join(content)
    assert max(map(len, came)) <= CHUNK


async def test_what_is_beyond_the_limit_is_read_and_thrown_away() -> None:
    with pipe() as (reading, writing):
        feeding = asyncio.create_task(feed(writing, several(b"12345", b"67890", bytes(2 * CHUNK))))
        assert await collect(reading, 7) == b"1234567"
        await feeding


async def test_a_reader_that_goes_away_is_no_error() -> None:
    with pipe() as (reading, writing):
        reading.close()
        await feed(writing, several(bytes(2 * CHUNK), b"more"))
        assert writing.closed
