"""Bodies of requests: as they come or packed with gzip, never more of them in memory than a piece, never too long."""

from __future__ import annotations

import asyncio
import tempfile
import zlib
from collections.abc import AsyncIterator
from typing import IO

from aiohttp import StreamReader

from hostd.git_https.request import Refused

PIECE = 64 * 1024
PATIENCE = 120.0
"""Seconds that a client may send nothing in the middle of a request."""
_GZIP = 16 + zlib.MAX_WBITS


async def sent(content: StreamReader) -> AsyncIterator[bytes]:
    """What a client sends, as it comes. Raises Refused if it stops to."""
    while True:
        try:
            async with asyncio.timeout(PATIENCE):
                piece = await content.readany()
        except TimeoutError:
            raise Refused(408, f"Nothing more of the request came within {PATIENCE:.0f} s.") from None
        if not piece:
            return
        yield piece


async def unpacked(pieces: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """The bytes that were meant, in small pieces. Raises Refused for an encoding that is unknown or broken."""
    if encoding in ("", "identity"):
        async for piece in pieces:
            yield piece
        return
    if encoding not in ("gzip", "x-gzip"):
        raise Refused(415, f"The encoding {encoding[:20]!r} of the request is unknown; gzip is known.")
    unpacker = zlib.decompressobj(_GZIP)
    async for piece in pieces:
        packed = piece
        while packed:
            try:
                # Bounded: a few bytes may stand for a thousand times as many.
                plain = unpacker.decompress(packed, PIECE)
            except zlib.error as error:
                raise Refused(400, "The request is not what gzip makes.") from error
            if plain:
                yield plain
            packed = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise Refused(400, "The request was cut off.")


async def bounded(pieces: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """The pieces, up to so many bytes together. Raises Refused beyond."""
    left = most
    async for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise Refused(413, f"The request has more than {most >> 20} MiB.")
        yield piece


async def stored(pieces: AsyncIterator[bytes]) -> IO[bytes]:
    """A file without a name that holds them, to be read from its beginning.

    git may answer before it has read all of its question, and its client may not listen before it has asked all of it.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asked closes it
    try:
        async for piece in pieces:
            file.write(piece)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
