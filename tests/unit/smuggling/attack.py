"""Attack: sending bytes to a router until nothing more comes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar

from conformance.stage import Counted
from router_rig import Rig

from router.plane import Plane
from router.stage import Stage


class Watched(Counted):
    """A client that can be watched until nothing more comes of what it sent."""

    made: ClassVar[list[Watched]] = []
    """Those of the attack that goes on."""

    def __init__(self, plane: Plane, protocol: str) -> None:
        super().__init__(plane, protocol)
        self.made.append(self)

    def settled(self, sent: int) -> bool:
        """Whether all that can become of so many bytes has become of them."""
        if self._closing or self.transport.is_closing():
            return True
        exchange = self.exchange
        if exchange is not None:
            waits = exchange.stage is Stage.SENT and not exchange.received
            return waits and self.arrived >= sent and not self.reading_held
        return self.arrived >= sent and not self._queue and not self._unparsed


async def attack(router: Rig, *pieces: bytes) -> bytes:
    """Send these pieces, each read by itself, and wait until nothing more comes of them. Returns what was answered."""
    Watched.made.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", router.port, limit=2**24)
    try:
        async with asyncio.timeout(20):
            sent = 0
            for piece in pieces:
                writer.write(piece)
                sent += len(piece)
                await _read(router, reader, sent)
            while not all(client.settled(sent) for client in _mine(router)):
                await asyncio.sleep(0)
        return bytes(reader._buffer)
    finally:
        writer.transport.abort()


async def _read(router: Rig, reader: asyncio.StreamReader, sent: int) -> None:
    """Wait until the router has read so much, or will read no more."""
    while True:
        mine = _mine(router)
        if reader.at_eof() or any(client.arrived >= sent or client._closing or client.reading_held for client in mine):
            return
        with suppress(ConnectionError):
            await asyncio.sleep(0)


def _mine(router: Rig) -> Sequence[Watched]:
    return [watched for watched in Watched.made if watched.client in router.plane.clients]
