"""Storms: clients that do what they do as fast as they can."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hostile.target import HUNG_UP, Met, Target, crowd, hello, knock, reset, say, secure

_MUCH = 2**20


async def connects(target: Target) -> Met:
    """Connections that are begun and reset, as fast as can be."""
    return await knock(target.port, target.crowd * 100)


async def requests_left(target: Target) -> Met:
    """Requests whose clients reset the connection at once."""
    return await knock(target.port, target.crowd * 20, target.head() + b"\r\n")


async def halves_left(target: Target) -> Met:
    """Half a request, and a reset."""
    return await knock(target.port, target.crowd * 20, target.head("POST /", "Content-Length: 1000") + b"\r\nx")


async def handshakes_left(target: Target) -> Met:
    """The first words of a handshake, and a reset."""
    return await knock(target.secure_port, target.crowd * 4, hello(target))


async def answers_left(target: Target) -> Met:
    """Large answers whose clients reset the connection when they begin."""

    async def once() -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.write(target.head("GET /large") + b"\r\n")
        await reader.read(1000)
        reset(writer)
        return HUNG_UP

    return await crowd(target, once, times=3)


async def handshakes(target: Target) -> Met:
    """Whole handshakes, and nothing after."""

    async def once() -> str:
        # In a storm of several kinds it may take longer than the router waits.
        with suppress(ConnectionError):
            _, writer = await secure(target)
            writer.transport.abort()
        return HUNG_UP

    return await crowd(target, once, times=3)


async def no_handshakes(target: Target) -> Met:
    """What is no TLS, where TLS is spoken."""
    return await crowd(target, lambda: say(target, [target.head() + b"\r\n"], target.secure_port))


async def endless_heads(target: Target) -> Met:
    """Heads without an end, as fast as can be."""
    return await crowd(target, lambda: say(target, [target.head(), *[b"X: " + b"y" * 990 + b"\r\n"] * 1000]))


async def endless_lines(target: Target) -> Met:
    """Request lines without an end."""
    return await crowd(target, lambda: say(target, [b"GET /", *[b"x" * 4096] * 250]))


async def endless_trailers(target: Target) -> Met:
    """Trailers without an end."""
    head = target.head("POST /", "Transfer-Encoding: chunked") + b"\r\n0\r\n"
    return await crowd(target, lambda: say(target, [head, *[b"X: " + b"y" * 990 + b"\r\n"] * 1000]))


async def endless_extensions(target: Target) -> Met:
    """An extension of a chunk without an end."""
    head = target.head("POST /", "Transfer-Encoding: chunked") + b"\r\n1;"
    return await crowd(target, lambda: say(target, [head, *[b"x" * 4096] * 250]))


async def crumbs(target: Target) -> Met:
    """Uploads in chunks of a byte, a megabyte of them at once."""
    body = b"1\r\nx\r\n" * (_MUCH // 6)
    head = target.head("POST /", "Transfer-Encoding: chunked", "Connection: close") + b"\r\n"
    return await crowd(target, lambda: say(target, [head, body, b"0\r\n\r\n"]), of=8)


async def pipelines_to_nowhere(target: Target) -> Met:
    """Thousands of requests at once for an app that there is not."""
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    return await crowd(target, lambda: say(target, [request * 9000, last]), of=8)


async def pipelines(target: Target) -> Met:
    """Thousands of requests at once."""
    last = target.head("GET /", "Connection: close") + b"\r\n"
    return await crowd(target, lambda: say(target, [(target.head() + b"\r\n") * 500, last]), of=8)


async def ranges(target: Target) -> Met:
    """A thousand ranges of a page at once (CVE-2011-3192): for the app to answer."""
    wanted = ",".join(f"{number}-" for number in range(1300))
    request = target.head("GET /", f"Range: bytes=0-,{wanted}", "Connection: close") + b"\r\n"
    return await crowd(target, lambda: say(target, [request]))


async def small_frames(target: Target) -> Met:
    """A WebSocket on which a megabyte of frames without content is said at once, and nothing heard."""
    fields = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA==")
    head = target.head("GET /", *fields) + b"\r\n"

    async def once() -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.write(head)
        said = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x89\x80\0\0\0\0" * (_MUCH // 6))
        for _ in range(10):
            await asyncio.sleep(0)
        reset(writer)
        return "101" if said.startswith(b"HTTP/1.1 101") else said.decode()

    return await crowd(target, once, of=8)
