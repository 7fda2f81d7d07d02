"""Waiting for the end of transient units, by systemd's signals."""

from __future__ import annotations

import asyncio

from units.systemd import ANY_UNIT, Systemd, UnitInfo


class Endings:
    """Tells how units ended, over one connection to systemd."""

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd
        self._changed: dict[str, asyncio.Event] = {}
        systemd.subscribe(self._notice)

    async def removed(self, name: str) -> UnitInfo | None:
        """Waits for the unit's end, lets systemd forget it, and returns how it ended; None if it was gone.

        However this ends, cancelled too, the unit and all its processes are gone.
        """
        changed = self._changed[name] = asyncio.Event()
        try:
            while True:
                changed.clear()
                info = self._systemd.info(name)
                if info is None or info.active == "failed" or info.sub in ("exited", "dead"):
                    return info
                await changed.wait()
        finally:
            del self._changed[name]
            await self.remove(name)

    async def remove(self, name: str) -> None:
        """Stops the unit, if it runs, with all its processes, and lets systemd forget it."""
        await self._systemd.stop(name)
        self._systemd.unref(name)

    def _notice(self, unit: str) -> None:
        for name, changed in self._changed.items():
            if unit in (name, ANY_UNIT):
                changed.set()
