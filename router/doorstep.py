"""Doorstep: what stands at a connection of http until its first bytes say which version of HTTP is spoken there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, cast

from router.client import Client
from router.frames import PREFACE
from router.h2 import Http2
from router.plane import Plane

if TYPE_CHECKING:
    from router.exchange import Exchange


class Doorstep(asyncio.Protocol):
    """One connection, until another takes its place. Who knows that we speak HTTP/2 may begin with its preface
    (RFC 9113, 3.3); whatever else comes is for HTTP/1.1 to judge."""

    __slots__ = ("_deadline", "_plane", "_said", "transport")

    transport: asyncio.Transport

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._said = b""
        self._deadline = 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing has come."""
        return not self._said

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """There are none yet."""
        return ()

    def check(self, now: float) -> None:
        """Act on the deadline that has passed, if one has."""
        if now >= self._deadline and self._said:
            self._make_way(Client(self._plane, "http"))
        elif now >= self._deadline:
            self.transport.close()

    def cut(self) -> None:
        """The worker ends: so does the connection."""
        self.transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self.transport = cast(asyncio.Transport, transport)
        self._deadline = monotonic() + self._plane.settings.client_idle
        self._plane.clients.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop."""
        self._plane.clients.discard(self)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if not self._said:
            self._deadline = monotonic() + self._plane.settings.head_arrival
        self._said += data
        if self._said.startswith(PREFACE):
            self._make_way(Http2(self._plane, "http"))
        elif not PREFACE.startswith(self._said):
            self._make_way(Client(self._plane, "http"))

    def _make_way(self, connection: Client | Http2) -> None:
        self._plane.clients.discard(self)
        self.transport.set_protocol(connection)
        connection.connection_made(self.transport)
        connection.data_received(self._said)
