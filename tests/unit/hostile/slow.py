"""Slow clients: they say a little at a time, or nothing, until the router has had enough."""

from __future__ import annotations

import asyncio

from hostile.target import DRIP_SECONDS, Met, Target, crowd, drip, hello, met_by, sip


async def heads(target: Target) -> Met:
    """Slowloris: heads that never end, a field at a time."""
    return await crowd(target, lambda: drip(target, target.head(), b"X: y\r\n"))


async def names(target: Target) -> Met:
    """Heads that never end, a byte at a time."""
    return await crowd(target, lambda: drip(target, target.head(), b"x"))


async def bodies(target: Target) -> Met:
    """Bodies with a length, a byte at a time."""
    head = target.head("POST /", "Content-Length: 100000") + b"\r\n"
    return await crowd(target, lambda: drip(target, head, b"x"))


async def chunks(target: Target) -> Met:
    """Bodies without a length, a byte at a time."""
    head = target.head("POST /", "Transfer-Encoding: chunked") + b"\r\n"
    return await crowd(target, lambda: drip(target, head, b"1\r\nx\r\n"))


async def trailers(target: Target) -> Met:
    """Trailers that never end."""
    head = target.head("POST /", "Transfer-Encoding: chunked") + b"\r\n1\r\nx\r\n0\r\n"
    return await crowd(target, lambda: drip(target, head, b"X: y\r\n"))


async def readers(target: Target) -> Met:
    """Large answers, a few bytes at a time."""
    return await crowd(target, lambda: sip(target, target.head("GET /large") + b"\r\n"))


async def silence(target: Target) -> Met:
    """Connections on which nothing is said."""
    return await crowd(target, lambda: drip(target, b"", b""))


async def silent_handshakes(target: Target) -> Met:
    """The first words of a handshake of TLS, and no other."""
    return await crowd(target, lambda: drip(target, hello(target), b"", target.secure_port))


async def handshakes(target: Target) -> Met:
    """Handshakes, a byte at a time."""
    words = hello(target)

    async def once() -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.secure_port)
        meeting = asyncio.create_task(met_by(reader))
        for byte in words[:-1]:
            writer.write(bytes((byte,)))
            if (await asyncio.wait((meeting,), timeout=DRIP_SECONDS))[0]:
                break
        writer.transport.abort()
        return await meeting

    return await crowd(target, once)
