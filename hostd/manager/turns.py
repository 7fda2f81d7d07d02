"""Turns: how many dynos are told to end at the same time.

To end one means a dozen questions to systemd, which are asked without a pause. Three hundred at once kept hostd from
everything else for seconds, and systemd too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 8
SLOW_SECONDS = 0.5


class Turns:
    """Lets `at_once` works go on together. One that takes longer than `slow` seconds only waits: it holds nobody up."""

    def __init__(self, at_once: int = AT_ONCE, slow: float = SLOW_SECONDS) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._slow = slow

    async def run(self, work: Coroutine[None, None, T]) -> T:
        """Wait for a turn, then do the work; those who came first have theirs first."""
        with contextlib.closing(work):
            async with self._turn():
                return await work

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        await self._free.acquire()
        with contextlib.ExitStack() as turn:
            turn.callback(self._free.release)
            over = asyncio.get_running_loop().call_later(self._slow, turn.close)
            turn.callback(over.cancel)
            yield
