"""One timer for everybody who waits for something that has to be looked at."""

import asyncio
from collections.abc import Callable

INTERVAL = 0.02
"""Seconds."""


class Ticker:
    """Looks at all conditions that are waited for, every `interval` seconds, and not at all while there are none."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._waiting: dict[asyncio.Future[None], Callable[[], bool]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds, at once if it does already. What it raises is raised."""
        if condition():
            return
        met = asyncio.get_running_loop().create_future()
        self._waiting[met] = condition
        self._begin()
        try:
            await met
        finally:
            del self._waiting[met]

    def _begin(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for met, condition in self._waiting.items():
            if met.done():
                continue
            try:
                if condition():
                    met.set_result(None)
            except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
                met.set_exception(error)
        if self._waiting:
            self._begin()
