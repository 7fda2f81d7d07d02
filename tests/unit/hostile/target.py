"""Target: what hostile clients turn against, and how they do what they do."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

HUNG_UP = "hung up"
DRIP_SECONDS = 0.1
_STATUS = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) ")
_READ = 2**20
_AT_ONCE = 500
"""Connections that are begun and left before others get their turn."""


@dataclass(frozen=True)
class Target:
    """The router's ports, the app that is asked for, and how many clients ask at once."""

    port: int
    secure_port: int
    host: str
    crowd: int

    def head(self, line: str = "GET /", *fields: str) -> bytes:
        """A request's head, without the empty line at its end."""
        return "\r\n".join((f"{line} HTTP/1.1", f"Host: {self.host}", *fields, "")).encode()


Met = Counter[str]


async def crowd(target: Target, once: Callable[[], Awaitable[str]], *, of: int = 0, times: int = 1) -> Met:
    """What so many met (at most `of`), each so often."""

    async def client() -> Met:
        return Counter([await once() for _ in range(times)])

    return sum(await asyncio.gather(*(client() for _ in range(min(of or target.crowd, target.crowd)))), Counter())


async def drip(target: Target, first: bytes, drop: bytes, port: int = 0) -> str:
    """Say something, and then a drop of something at a time until nobody listens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port or target.port)
    writer.write(first)
    meeting = asyncio.create_task(met_by(reader))
    while not (await asyncio.wait((meeting,), timeout=DRIP_SECONDS))[0]:
        writer.write(drop)
    writer.transport.abort()
    return await meeting


async def sip(target: Target, request: bytes) -> str:
    """Ask, and read a few bytes at a time until the router has closed."""
    loop = asyncio.get_running_loop()
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.setblocking(False)
        await loop.sock_connect(line, ("127.0.0.1", target.port))
        await loop.sock_sendall(line, request)
        said = b""
        # Its state, the first byte of `struct tcp_info`, is 1 while it is established.
        while line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x01":
            await asyncio.sleep(DRIP_SECONDS)
            with suppress(BlockingIOError, ConnectionError):
                said += line.recv(4)
        return HUNG_UP


async def say(target: Target, pieces: Iterable[bytes], port: int = 0) -> str:
    """Say all of this as fast as it is taken, while listening; what was answered last."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port or target.port)
    meeting = asyncio.create_task(met_by(reader))
    with suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
    met = await meeting
    writer.transport.abort()
    return met


async def met_by(reader: asyncio.StreamReader) -> str:
    """The last status that came before the router hung up."""
    tail, status = b"", HUNG_UP
    with suppress(ConnectionError, ssl.SSLError):
        while said := await reader.read(_READ):
            found = _STATUS.findall(tail + said)
            status, tail = found[-1].decode() if found else status, said[-12:]
    return status


async def knock(port: int, times: int, words: bytes = b"") -> Met:
    """Connect, say this and reset the connection, many times."""
    for number in range(times):
        with socket.socket() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.setblocking(False)
            with suppress(BlockingIOError, ConnectionError):
                line.connect_ex(("127.0.0.1", port))
                line.send(words)
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0.01)
    return Counter({HUNG_UP: times})


async def secure(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(
        "127.0.0.1", target.secure_port, ssl=_CONTEXT, server_hostname=target.host, limit=2**20
    )


def hello(target: Target) -> bytes:
    """What a client says first to speak TLS."""
    words = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        _CONTEXT.wrap_bio(ssl.MemoryBIO(), words, server_hostname=target.host).do_handshake()
    return words.read()


def reset(writer: asyncio.StreamWriter) -> None:
    line = writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


_CONTEXT = _client_context()
