"""Rogues: what hostile or broken dynos do with a request, what its client is to see, and what the router logs."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from router_rig import Call

_GET = b"GET / HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n"
_UPLOAD = b"POST / HTTP/1.1\r\nHost: %b\r\nConnection: close\r\nContent-Length: 4000000\r\n\r\n" + bytes(4_000_000)
_MUCH = 3 * 2**20
_AT_ONCE = 2**16


@dataclass(frozen=True)
class Rogue:
    """`sees` are the final status (0: none) and whether the answer is all there, as a client can tell; one of several.
    `code` is what the router counts, "" if it finds nothing wrong."""

    does: Callable[[Call], Awaitable[None]]
    sees: frozenset[tuple[int, bool]]
    code: str
    request: bytes = _GET

    def asked(self, host: str) -> bytes:
        """The request for an app with this host."""
        head, empty, body = self.request.partition(b"\r\n\r\n")
        return head % host.encode() + empty + body


def _says(*pieces: bytes, stays: bool = False) -> Callable[[Call], Awaitable[None]]:
    """Say these, `|` for CRLF, and close, or stay without a word more."""

    async def behaviour(call: Call) -> None:
        for piece in pieces:
            await call.send(piece.replace(b"|", b"\r\n"))
        if stays:
            await call.reader.read()
        call.writer.close()

    return behaviour


def _floods(first: bytes, piece: bytes, *, much: int = _MUCH, last: bytes = b"") -> Callable[[Call], Awaitable[None]]:
    """Say something, then very often something else, as fast as it is taken, and last something."""
    batch = (piece * (_AT_ONCE // len(piece) + 1)).replace(b"|", b"\r\n")

    async def behaviour(call: Call) -> None:
        await call.send(first.replace(b"|", b"\r\n"))
        for _ in range(much // len(batch)):
            await call.send(batch)
        await call.send(last.replace(b"|", b"\r\n"))
        call.writer.close()

    return behaviour


async def _resets(call: Call) -> None:
    """Take the request and reset the connection."""
    line = call.writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    call.writer.transport.abort()


async def _reads_nothing(call: Call) -> None:
    """Take the head of an upload and then not a byte."""
    call.writer.transport.pause_reading()  # type: ignore[attr-defined]
    with suppress(ConnectionError):
        await call.writer.wait_closed()


async def _answers_early(call: Call) -> None:
    """Answer an upload before it is there, and never read it."""
    call.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await call.answer(b"no", status="413 Content Too Large")
    with suppress(ConnectionError):
        await call.writer.wait_closed()


async def _answers_early_and_leaves(call: Call) -> None:
    """Answer an upload before it is there, and close."""
    await call.answer(b"no", status="413 Content Too Large", extra="Connection: close\r\n")
    call.writer.close()


async def _trickles(call: Call) -> None:
    """Answer a byte at a time."""
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":
        await call.send(bytes((byte,)))
        await asyncio.sleep(0.002)


def _rogue(
    does: Callable[[Call], Awaitable[None]], *sees: tuple[int, bool], code: str = "", request: bytes = _GET
) -> Rogue:
    return Rogue(does, frozenset(sees), code, request)


_PAGE, _BROKEN = (503, True), (200, False)
_CHUNKED = b"HTTP/1.1 200 OK|Transfer-Encoding: chunked||"

WAITING: dict[str, Rogue] = {
    "no answer": _rogue(_says(stays=True), _PAGE, code="H12"),
    "half a status line": _rogue(_says(b"HTTP/1.", stays=True), _PAGE, code="H12"),
    "half a head": _rogue(_says(b"HTTP/1.1 200 OK|X: y|", stays=True), _PAGE, code="H12"),
    "half a body": _rogue(_says(b"HTTP/1.1 200 OK|Content-Length: 9||half", stays=True), _BROKEN, code="H15"),
    "half a chunk": _rogue(_says(_CHUNKED, b"9|half", stays=True), _BROKEN, code="H15"),
    "only an interim answer": _rogue(_says(b"HTTP/1.1 100 Continue||", stays=True), _PAGE, code="H12"),
    "reads nothing": _rogue(_reads_nothing, _PAGE, (0, False), code="H12", request=_UPLOAD),
}
"""Those that go on until the router has had enough."""

ACTING: dict[str, Rogue] = {
    "closes": _rogue(_says(), _PAGE, code="H13"),
    "resets": _rogue(_resets, _PAGE, code="H13"),
    "closes within the status line": _rogue(_says(b"HTTP/1.1 2"), _PAGE, code="H13"),
    "closes within the head": _rogue(_says(b"HTTP/1.1 200 OK|X: y|"), _PAGE, code="H13"),
    "closes after the head": _rogue(_says(b"HTTP/1.1 200 OK|Content-Length: 9||"), _BROKEN, code="H18"),
    "closes within the body": _rogue(_says(b"HTTP/1.1 200 OK|Content-Length: 9||half"), _BROKEN, code="H18"),
    "closes within a chunk": _rogue(_says(_CHUNKED, b"9|half"), _BROKEN, code="H18"),
    "closes before the last chunk": _rogue(_says(_CHUNKED, b"4|half|"), _BROKEN, code="H18"),
    "a bad chunk": _rogue(_says(_CHUNKED, b"4|half|", b"x|"), _BROKEN, _PAGE, code="H17"),
    "a chunk longer than said": _rogue(_says(_CHUNKED, b"4|", b"half and more|0||"), _BROKEN, _PAGE, code="H17"),
    "a body longer than said": _rogue(_says(b"HTTP/1.1 200 OK|Content-Length: 2||ok and more"), (200, True)),
    "two answers": _rogue(_says(b"HTTP/1.1 200 OK|Content-Length: 2||ok" * 2), (200, True)),
    "two lengths": _rogue(_says(b"HTTP/1.1 200 OK|Content-Length: 2|Content-Length: 3||ok"), (502, True), code="H25"),
    "no HTTP": _rogue(_says(b"SSH-2.0-OpenSSH_9.2|"), _PAGE, code="H17"),
    "zeros": _rogue(_floods(b"", b"\0"), _PAGE, code="H17"),
    "a switch that nobody asked for": _rogue(
        _says(b"HTTP/1.1 101 Switching Protocols|Upgrade: foo|Connection: Upgrade||"), (502, True), _PAGE, code="H17"
    ),
    "endless fields": _rogue(_floods(b"HTTP/1.1 200 OK|", b"X: y|"), (502, True), code="H25"),
    "an endless field": _rogue(_floods(b"HTTP/1.1 200 OK|X: ", b"y"), (502, True), code="H25"),
    "an endless status line": _rogue(_floods(b"HTTP/1.1 200 ", b"y"), (502, True), code="H25"),
    "endless interim answers": _rogue(_floods(b"", b"HTTP/1.1 100 Continue||"), (502, True), (0, False), code="H25"),
    "trailers without end": _rogue(_floods(_CHUNKED + b"1|x|0|", b"X: y|"), _BROKEN, (502, True), code="H25"),
    "an endless extension": _rogue(_floods(_CHUNKED + b"1;", b"x"), _BROKEN, code="H25"),
    "an answer in crumbs": _rogue(
        _floods(_CHUNKED, b"1|x|", much=2**20, last=b"0||"), (200, True)
    ),
    "a byte at a time": _rogue(_trickles, (200, True)),
    "an early answer": _rogue(_answers_early, (413, True), request=_UPLOAD),
    # Closing resets what is still being sent, and with it, by chance, what was answered.
    "an early answer, and away": _rogue(_answers_early_and_leaves, (413, True), _PAGE, request=_UPLOAD),
}

ROGUES = WAITING | ACTING
