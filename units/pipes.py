"""Pipes between this process's event loop and the units and programs that it starts."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

CHUNK = 1 << 16


@contextmanager
def pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The reading and the writing end of a pipe, unbuffered; what is still open in the end is closed."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", 0) as reading, os.fdopen(writer, "wb", 0) as writing:
        yield reading, writing


async def pieces(end: BinaryIO, limit: int | None = None) -> AsyncGenerator[bytes, None]:
    """What comes out of a pipe until its other end is closed, at most CHUNK bytes at once.

    All of it is read; what comes after `limit` bytes is thrown away. Who may stop early closes it (`aclosing`):
    until then the event loop watches the pipe.
    """
    left = limit
    reader = asyncio.StreamReader(limit=CHUNK)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), end)
    try:
        while piece := await reader.read(CHUNK):
            if left is None:
                yield piece
            elif left:
                yield piece[:left]
                left -= len(piece[:left])
    finally:
        transport.close()


async def collect(end: BinaryIO, limit: int) -> bytes:
    """The first `limit` bytes of all that comes out of a pipe until its other end is closed."""
    return b"".join([piece async for piece in pieces(end, limit)])


async def feed(end: BinaryIO, content: AsyncIterable[bytes]) -> None:
    """Writes everything into the pipe and closes it; that nobody reads it any more is no error here."""
    os.set_blocking(end.fileno(), False)
    with suppress(BrokenPipeError):
        async for piece in content:
            await _write(end.fileno(), piece)
    end.close()


async def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            await _writable(descriptor)


async def _writable(descriptor: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(descriptor)
