"""Side: what an exchange asks of the client's side of one request, and a worker of the connection that it came by.

A connection of HTTP/1.1 (`client`) is both at once, as it has one request at a time; a stream (`stream`) is the side of
its request on a connection of HTTP/2 (`h2`).
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from router.answers import Framing
from router.fields import VIA, Field
from router.heads import Origin

if TYPE_CHECKING:
    from router.exchange import Exchange
    from router.plane import Plane
    from router.tunnel import Tunnel
    from router.upstream import Upstream


class Side(Protocol):
    """Where the answer to a request goes, and where its body comes from."""

    @property
    def plane(self) -> Plane:
        """What all requests share."""

    @property
    def origin(self) -> Origin:
        """Where the request comes from."""

    @property
    def asked_for(self) -> str:
        """The name that was asked for in the TLS handshake; "" without TLS, or without a name."""

    @property
    def framed(self) -> bool:
        """Whether the protocol itself tells where an answer ends, so that a body goes on as it is."""

    @property
    def write_paused(self) -> bool:
        """Whether the client does not read as fast as the dyno sends."""

    @property
    def reading_held(self) -> bool:
        """Whether some of the request's body waits until it has somewhere to go."""

    def write(self, data: bytes, /) -> object:
        """Send what comes next of an answer: its head, as HTTP/1.1 writes it, with or without some of the body; then
        the body. An interim answer (1xx) is a head by itself."""

    def trail(self, trailers: list[Field], /) -> None:
        """Send these after the body. Only for a side that is `framed`."""

    def break_off(self, framing: Framing, /) -> None:
        """Show the client that this answer, which is framed so, ends before its end."""

    def gone(self) -> bool:
        """Whether the client has reset its connection, even if the event loop has not noticed yet."""

    def taken(self) -> int:
        """A number that grows while the client takes what it is sent, faster than a slow reader may."""

    def update_reading(self) -> None:
        """Read from the client only when what it sends has somewhere to go."""

    def finished(self, exchange: Exchange, keep: bool, /) -> None:
        """The request is answered, as far as it ever will be. `keep`: its connection may serve another."""

    def begin_tunnel(self, exchange: Exchange, upstream: Upstream, rest: bytes, /) -> None:
        """The dyno has switched protocols and said `rest` in the new one."""


class End(Side, Protocol):
    """The side of a request that can become a tunnel's end."""

    tunnel: Tunnel | None


class Connection(Protocol):
    """A client's connection, whatever is spoken on it."""

    transport: asyncio.Transport

    @property
    def idle(self) -> bool:
        """Whether no request is being handled or has begun to arrive."""

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """The requests that are being handled."""

    def check(self, now: float, /) -> None:
        """Act on the deadlines that have passed at `now` (`time.monotonic`)."""

    def cut(self) -> None:
        """The worker ends: so does the connection, whatever goes on."""


def origin_of(transport: asyncio.Transport, protocol: str, via: bytes = VIA["1.1"]) -> Origin:
    """Where a connection comes from. `via` is the line that tells a dyno what was spoken on it."""
    peer, here = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    address = peer[0].removeprefix("::ffff:") if peer else "unknown"
    return Origin(address, protocol, here[1] if here else 0, via)


def asked_for(transport: asyncio.Transport) -> str:
    """The name that a client asked for in the TLS handshake; "" without TLS, or without a name."""
    return getattr(transport.get_extra_info("ssl_object"), "asked_for", None) or ""


def gone(transport: asyncio.Transport) -> bool:
    """Whether the other end has reset a connection. The event loop learns of it later, as it reads first what came
    before."""
    line = transport.get_extra_info("socket")
    # TLS says only a round later that its connection is lost.
    if transport.is_closing() or line is None or line.fileno() < 0:
        return True
    watch = select.poll()
    watch.register(line.fileno(), 0)
    return bool(watch.poll(0))


def reset(transport: asyncio.Transport) -> None:
    """End a connection so that its client can tell that it was broken off, and without leaving what the client does not
    take to the kernel, which would hold it for as long as the client likes."""
    line = transport.get_extra_info("socket")
    if line is not None:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
