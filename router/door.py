"""Door: what stands at a connection of https until it is agreed which version of HTTP is spoken there (ALPN)."""

from __future__ import annotations

import asyncio
from typing import cast

from router.certificates import PROOF
from router.client import Client
from router.h2 import Http2
from router.plane import Plane


class Door(asyncio.Protocol):
    """One connection, from the moment it is accepted. When hands are shaken, another takes its place."""

    __slots__ = ("__weakref__", "_plane", "shaking_hands")

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self.shaking_hands = True
        """Whether it is still being agreed how to speak. If that fails, nobody holds this object any more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self.shaking_hands = False
        agreed = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        if agreed == PROOF:
            # All that a certificate authority wanted to see was the certificate.
            cast(asyncio.Transport, transport).close()
            return
        connection = Http2(self._plane) if agreed == "h2" else Client(self._plane, "https")
        cast(asyncio.Transport, transport).set_protocol(connection)
        connection.connection_made(transport)
