"""Tunnel: what a connection becomes after 101 Switching Protocols: bytes both ways, whatever they mean."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.exchange import Exchange
    from router.side import End
    from router.upstream import Upstream


class Tunnel:
    """Pumps bytes until either side closes or both are silent for the idle time."""

    __slots__ = ("_closed", "_idle", "client", "deadline", "exchange", "sent", "upstream")

    def __init__(self, exchange: Exchange, client: End, upstream: Upstream, idle: float) -> None:
        self.exchange = exchange
        self.client = client
        self.upstream = upstream
        self.sent = 0
        self.deadline = monotonic() + idle
        self._idle = idle
        self._closed = False
        client.tunnel = upstream.tunnel = self
        upstream.backend.tunnels.add(self)

    def from_client(self, data: bytes) -> None:
        """Bytes for the dyno."""
        self.upstream.transport.write(data)
        self.deadline = monotonic() + self._idle
        if self.upstream.write_paused:
            self.client.update_reading()

    def from_dyno(self, data: bytes) -> None:
        """Bytes for the client."""
        self.client.write(data)
        self.sent += len(data)
        self.deadline = monotonic() + self._idle
        if self.client.write_paused:
            self.upstream.pause()

    def close(self, silent: bool = False) -> None:
        """End both sides after what is buffered was sent. `silent`: because nobody spoke."""
        if self._closed:
            return
        self._closed = True
        self.upstream.backend.tunnels.discard(self)
        self.upstream.transport.close()
        self.exchange.tunnel_closed(self.sent, silent)
