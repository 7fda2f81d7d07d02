"""Bridge: the stream of a WebSocket over HTTP/2 (RFC 8441), whose other end is a connection of HTTP/1.1 that the dyno
has switched to it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from secrets import token_bytes
from time import monotonic
from typing import TYPE_CHECKING

from router.fields import Field
from router.frames import Error
from router.pseudo import answer_of, offer_of
from router.stream import Stream
from router.tunnel import Tunnel

if TYPE_CHECKING:
    from router.exchange import Exchange
    from router.h2 import Http2
    from router.upstream import Upstream

_WORTH = 16
"""Bytes of another body that one for the dyno is worth (`patience`): what is said in a socket comes in small pieces."""


class Bridge(Stream):
    """One stream. The request is an extended CONNECT, and asks the dyno as a GET to switch; then bytes go both ways."""

    __slots__ = ("tunnel",)

    def __init__(self, connection: Http2, number: int, window: int) -> None:
        super().__init__(connection, number, window)
        self.tunnel: Tunnel | None = None

    # From the connection

    def data(self, data: bytes, size: int, *, ended: bool) -> None:
        """Bytes for the dyno. Raises Broken."""
        if self.tunnel is not None and data:
            self._connection.earn((_WORTH - 1) * len(data))
        super().data(data, size, ended=ended)

    def trail_in(self, headers: Sequence[Field], *, ended: bool) -> None:
        """A tunnel has nothing but bytes (RFC 9113, 8.5). Raises Broken."""
        if self.tunnel is None or self.heard:
            super().trail_in(headers, ended=ended)
        else:
            self._connection.strain()
            self.reset(Error.PROTOCOL_ERROR)
            self._break_down()

    def lost(self) -> None:
        """The client has reset the stream, or is gone."""
        super().lost()
        self._break_down()

    def check(self, now: float) -> None:
        """Act on the deadline that has passed, if one has."""
        if self.tunnel is None:
            super().check(now)
        elif now >= self.tunnel.deadline:
            self.tunnel.close(silent=True)
        elif self._deadline and now >= self._deadline:
            self.tunnel.close()

    # From the exchange

    def begin_tunnel(self, exchange: Exchange, upstream: Upstream, rest: bytes) -> None:
        """The dyno has switched and said `rest`; what the client has said meanwhile is for it."""
        self.tunnel = Tunnel(exchange, self, upstream, self.plane.settings.idle)
        if rest:
            self.tunnel.from_dyno(rest)
        self.update_reading()

    def update_reading(self) -> None:
        """Pass on what has come, if it has somewhere to go; only then the client may send more. Browsers end the stream
        with their last frame and wait for the dyno's, which has a while for it, and is not to hear of an end before."""
        tunnel = self.tunnel
        if tunnel is None:
            return
        if self._held and not tunnel.upstream.write_paused:
            held, self._held = bytes(self._held), bytearray()
            tunnel.from_client(held)
            self._free(len(held))
        if self.heard and not self._held:
            self._deadline = monotonic() + self.plane.settings.linger

    def finished(self, exchange: Exchange, keep: bool) -> None:
        """The request is answered, or the tunnel closed."""
        self.tunnel = None
        super().finished(exchange, keep)

    # Below the public part

    def _request(self, headers: Sequence[Field], *, ended: bool) -> tuple[bytes, bytes, list[Field]]:
        return offer_of(headers, b64encode(token_bytes(16)), ended=ended)

    def _answer(self, head: bytes) -> tuple[int, list[Field]]:
        """That the dyno has switched is a success here. Nobody asked for the proof that it knows what it does."""
        status, fields = answer_of(head)
        if status != 101:
            return status, fields
        return 200, [(b":status", b"200"), *(field for field in fields[1:] if field[0] != b"sec-websocket-accept")]

    def _break_down(self) -> None:
        if self.tunnel is not None:
            self.tunnel.close()
