"""Dynos that use more memory than their size has: R14, said again as long as it lasts.

At three times the quota the kernel kills the dyno (MemoryMax); that is told by how it ended (R15).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from hostd import sizes
from hostd.events import Events, Subject
from hostd.manager import words
from hostd.manager.dyno import Dyno, DynoState
from units.cgroups import Usage

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 20.0
"""How often Heroku looks."""


class Meter(Protocol):
    """What is needed of `units.cgroups.Cgroups`."""

    def usage(self, control_group: str) -> Usage | None:
        """What a control group uses now; None when it is gone."""


class MemoryWatch:
    """Looks at every dyno that is up, at a given moment, and says which ones use too much."""

    def __init__(self, meter: Meter, control_group: Callable[[str], str | None], events: Events) -> None:
        """`control_group` finds that of a unit; asked once for each start of a dyno, as systemd has to be asked."""
        self._meter = meter
        self._control_group = control_group
        self._events = events
        self._groups: dict[tuple[str, float], str] = {}

    async def run(self, dynos: Callable[[], Iterable[Dyno]]) -> None:
        """Sample for ever."""
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            try:
                await self.sample(dynos())
            except Exception:
                # What cannot be looked at now is looked at again.
                log.exception("the memory of dynos could not be looked at")

    async def sample(self, dynos: Iterable[Dyno]) -> None:
        """Look at all of them once, one after the other: requests of others come in between."""
        groups: dict[tuple[str, float], str] = {}
        for dyno in dynos:
            if dyno.state is not DynoState.UP:
                continue
            await asyncio.sleep(0)
            key = dyno.unit, round(dyno.since)
            group = self._groups.get(key) or self._control_group(dyno.unit)
            if group is None:
                continue
            groups[key] = group
            usage = self._meter.usage(group)
            for line in words.memory(used(usage), sizes.get(dyno.size).memory) if usage is not None else ():
                self._events.platform(Subject(dyno.app_id), dyno.name, line)
        self._groups = groups


def used(usage: Usage) -> int:
    """Bytes that count against the quota: what the kernel cannot take back, so not its cache of files."""
    return (usage.rss or 0) + (usage.shared or 0) + (usage.swap or 0)
