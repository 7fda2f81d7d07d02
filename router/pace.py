"""Pace: long work in short pieces, so that no request waits for the end of it."""

from __future__ import annotations

import asyncio
from time import monotonic


class Pace:
    """Lets requests go on when a piece of work has taken `seconds`."""

    __slots__ = ("_seconds", "_until")

    def __init__(self, seconds: float = 0.0005) -> None:
        self._seconds = seconds
        self._until = monotonic() + seconds

    async def turn(self) -> None:
        """Called after each small step; lets others have their turn if it is time."""
        if monotonic() >= self._until:
            await asyncio.sleep(0)
            self._until = monotonic() + self._seconds
