"""A keeper's wake: that it is time to look, now or later."""

from __future__ import annotations

import asyncio


class Wake:
    """Wakes one who waits; it may be asked for any number of times, and is made once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> None:
        """At once; nobody has to wait yet."""
        self._event.set()

    def later(self, seconds: float) -> None:
        """In so many seconds, or earlier if that was asked for already."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if loop.time() < self._timer.when() <= loop.time() + seconds and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._event.set)

    def clear(self) -> None:
        """Forget what was asked for until now, as it is being done."""
        self._event.clear()

    async def wait(self) -> None:
        """Return when it is time."""
        await self._event.wait()

    def close(self) -> None:
        """Wake nobody later."""
        if self._timer is not None:
            self._timer.cancel()
