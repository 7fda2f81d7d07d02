"""Turns of builds: some run at the same time, and the others wait in the order in which they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

AT_ONCE = 3
_WAITING = b"-----> Waiting for builds of other apps to end\n"


class Turns:
    """As many turns as builds may run `at_once`."""

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def taken(self, output: Callable[[bytes], Awaitable[object]]) -> AsyncIterator[None]:
        """A turn for as long as the block lasts; who has to wait for it is told so."""
        if self._free.locked():
            await output(_WAITING)
        async with self._free:
            yield
