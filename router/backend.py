"""Backend: a dyno as the router knows it: its address, the pool its connections rest in, what is in flight there."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from router.settings import Settings

if TYPE_CHECKING:
    from router.load import Load
    from router.metrics import Series
    from router.tunnel import Tunnel
    from router.upstream import Upstream


class Backend:
    """A dyno's address with its pooled connections and what is in flight there."""

    __slots__ = (
        "_quiet",
        "_settings",
        "address",
        "answering",
        "idle",
        "in_flight",
        "live",
        "load",
        "name",
        "port",
        "rests_until",
        "series",
        "spot",
        "tunnels",
    )

    load: Load
    series: Series
    """What is counted of the dyno's requests."""

    def __init__(self, address: str, port: int, settings: Settings) -> None:
        self.address = address
        self.port = port
        self.spot = f"{address}:{port}"
        self.name = ""
        self.live = True
        self.in_flight = 0
        self.answering = 0
        self.rests_until = 0.0
        self.idle: list[Upstream] = []
        self.tunnels: set[Tunnel] = set()
        self._settings = settings
        self._quiet: asyncio.Event | None = None

    @property
    def busy(self) -> bool:
        """Whether any client still depends on this dyno."""
        return bool(self.in_flight or self.tunnels)

    def take(self, careful: bool) -> Upstream | None:
        """A pooled connection, the latest used first. `careful`: only one that the dyno has hardly had the time to
        close, for requests that must not be sent twice."""
        while self.idle:
            upstream = self.idle.pop()
            if upstream.transport.is_closing():
                continue
            if careful and not upstream.fresh(monotonic() - self._settings.fresh):
                self.idle.append(upstream)
                return None
            return upstream
        return None

    def put(self, upstream: Upstream) -> None:
        """Pool a connection whose answer is complete, or close it if the dyno is gone or has enough of them."""
        if self.live and len(self.idle) < self._settings.max_idle_per_dyno and not upstream.transport.is_closing():
            upstream.idle_since = monotonic()
            self.idle.append(upstream)
        else:
            upstream.transport.close()

    @property
    def full(self) -> bool:
        """Whether the dyno has enough requests to answer."""
        return self.in_flight - self.answering >= self._settings.max_unanswered

    def rest(self) -> None:
        """Leave the dyno alone for a while: it does not take connections."""
        self.rests_until = monotonic() + self._settings.rest
        self.load.update()

    def leave(self, answering: bool = False) -> None:
        """A request is no longer in flight here. `answering`: it had begun to be answered."""
        self.in_flight -= 1
        if answering:
            self.answering -= 1
        elif self.load.queue:
            self.load.next()
        if self._quiet is not None and not self.in_flight:
            self._quiet.set()
            self._quiet = None

    async def quiet(self) -> None:
        """Return when no request is in flight here."""
        while self.in_flight:
            if self._quiet is None:
                self._quiet = asyncio.Event()
            await self._quiet.wait()

    def retire(self) -> None:
        """The dyno is not in the table any more: no connection of it is kept."""
        self.live = False
        for upstream in self.idle:
            upstream.transport.close()
        self.idle.clear()

    def sweep(self, now: float) -> None:
        """Close pooled connections that were idle for too long; the longest idle are at the front."""
        if self.rests_until and now >= self.rests_until:
            self.rests_until = 0.0
            self.load.update()
        limit = now - self._settings.dyno_idle
        while self.idle and self.idle[0].idle_since < limit:
            self.idle.pop(0).transport.close()

    def close_tunnels(self) -> None:
        """End every tunnel to this dyno."""
        for tunnel in list(self.tunnels):
            tunnel.close()
