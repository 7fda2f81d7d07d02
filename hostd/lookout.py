"""The lookout: looks after something when it is nudged, and now and then by itself, as long as hostd runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


class Lookout:
    """A task that looks, waits, and looks again."""

    def __init__(self, what: str, look: Callable[[], Awaitable[float]], longest: float) -> None:
        """`what` is done: `fetching custom pages`. `look` returns in how many seconds to look again; after one that
        failed, which is said, it is `longest`."""
        self._what = what
        self._look = look
        self._longest = longest
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first look is at once."""
        self._task = asyncio.create_task(self._run(), name=self._what)

    def nudge(self) -> None:
        """Look now."""
        self._wake.set()

    async def close(self) -> None:
        """Stop; a look that goes on is broken off."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            wait = self._longest
            try:
                wait = min(wait, await self._look())
            except Exception:
                # One look's trouble must not end all later ones: it is said, and tried again.
                log.exception("%s failed; trying again", self._what)
            await _nudge_or(wait, self._wake)


async def _nudge_or(seconds: float, nudge: asyncio.Event) -> None:
    # Not asyncio.wait_for, which in Python 3.11 loses the end of this task to a nudge that comes with it.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await nudge.wait()
