"""Turns: what one connection brings at once may take long to work off. It is done a little at a time, and one of those
who bring so much has a turn each time that the loop comes round, so that all others are served meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

MORSEL: Final = 4 * 1024
"""Bytes parsed at once of what may be many requests, or chunks of a byte: a millisecond's work or two at worst."""
SLICE: Final = 32 * 1024
"""Bytes parsed at once of what is only passed on."""
CRUMBS: Final = 256
"""Pieces of a body after which a connection waits for its next turn, however few bytes they are. A head is several."""
HEADS: Final = 16
"""Heads after which it does, too."""
SPECK: Final = 512
"""Bytes parsed at once while others wait for their turns: as long as a short head."""
BULK: Final = 256 * 1024
"""Bytes that are read from one connection at once. libuv would go on reading there, 8 MiB before it looks at others."""


class Reading(Protocol):
    """Whose connection is read."""

    @property
    def transport(self) -> asyncio.Transport:
        """What it is read from."""

    @property
    def reading_held(self) -> bool:
        """Whether it must not be read now."""


class Turns:
    """A worker's. Who waits longest is next."""

    __slots__ = ("_acting", "_bulk", "_latest", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], None]] = deque()
        self._acting = False
        self._latest: Reading | None = None
        self._bulk = 0

    @property
    def scarce(self) -> bool:
        """Whether others wait, and it is not the turn of whoever asks: only what most bring is done at once then, as
        many may bring something in the same round."""
        return bool(self._waiting) and not self._acting

    @property
    def morsel(self) -> int:
        """Bytes to be parsed at once now."""
        return SPECK if self.scarce else MORSEL

    @property
    def crumbs(self) -> int:
        """Pieces of a body after which a connection waits for its next turn now."""
        return CRUMBS // HEADS if self.scarce else CRUMBS

    def wait(self, act: Callable[[], None]) -> None:
        """Call this when it is its turn, which is not before others have had theirs."""
        self._waiting.append(act)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._next)

    def brought(self, reading: Reading, size: int) -> None:
        """A read has brought so many bytes. After many, with nobody else's between, it is read on from there in its
        turn."""
        self._bulk = self._bulk + size if reading is self._latest else size
        self._latest = reading
        if self._bulk >= BULK and not reading.transport.is_closing():
            self._bulk = 0
            reading.transport.pause_reading()
            self.wait(lambda: _read_on(reading))

    def _next(self) -> None:
        act = self._waiting[0]
        self._acting = True
        try:
            act()
        finally:
            self._acting = False
            self._waiting.popleft()
            if self._waiting:
                self._loop.call_soon(self._next)


def _read_on(reading: Reading) -> None:
    if not reading.reading_held and not reading.transport.is_closing():
        reading.transport.resume_reading()
