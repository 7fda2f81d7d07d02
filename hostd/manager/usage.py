"""What dynos use: read from their control groups, every 20 seconds, once for all who want to know.

From the same samples come R14, which is said again as long as it lasts, the lines of `log-runtime-metrics` for the
apps that have them, and metrics. At three times the quota the kernel kills the dyno (MemoryMax); that is told by how
it ended (R15).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hostd.events import Events, Subject
from hostd.manager import words
from hostd.manager.dyno import Dyno, DynoState
from hostd.manager.load import Load, runnable
from hostd.manager.reading import Reading, Run
from hostd.manager.runtime_lines import runtime_lines
from units.cgroups import Usage

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 20.0
"""How often Heroku looks."""
VIEW_SECONDS = 1.0
"""Who looks on gets a figure that is no older, and no shorter a time either."""
TALKERS = 10
"""After so many dynos whose apps have log-runtime-metrics the others wait for a moment: journald takes few lines at
once (net.unix.max_dgram_qlen, 10 in containers), and hundreds of dynos must not push out what others have to say."""
PAUSE_SECONDS = 0.1
IDLE = 1e-6
"""Seconds of processor; threads of a dyno that ran for less did not wait either."""


class Meter(Protocol):
    """What is needed of `units.cgroups.Cgroups`."""

    def usage(self, control_group: str) -> Usage | None:
        """What a control group uses now; None when it is gone."""

    def threads(self, control_group: str) -> list[int]:
        """Its threads."""

    def waited(self, threads: list[int]) -> Mapping[int, int]:
        """How many nanoseconds each has waited for a processor."""


@dataclass(slots=True)
class _Known:
    """What is remembered of a dyno from one look to the next; `seen` by a clock that nobody sets."""

    run: Run
    seen: float | None = None
    cpu: float = 0.0
    load: Load = field(default_factory=Load)
    waited: Mapping[int, int] = field(default_factory=dict)
    reading: Reading | None = None
    view: Reading | None = None
    viewed: float = 0.0
    viewed_cpu: float = 0.0


class UsageWatch:
    """Looks at every dyno that is up, every 20 seconds, and tells all who listen."""

    def __init__(
        self,
        *,
        meter: Meter,
        run_of: Callable[[str], Run | None],
        events: Events,
        talks: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`run_of` finds that of a unit; asked once for each start of a dyno, as systemd has to be asked. `talks` is
        whether an app, by its id, has log-runtime-metrics."""
        self._meter = meter
        self._run_of = run_of
        self._events = events
        self._talks = talks
        self._clock = clock
        self._wall = wall
        self._pause = pause
        self._known: dict[tuple[str, float], _Known] = {}
        self.listeners: list[Callable[[Reading], None]] = []
        """Told of each reading of the 20 seconds; those of `look` are nobody's but the asker's."""

    async def run(self, dynos: Callable[[], Iterable[Dyno]]) -> None:
        """Sample for ever."""
        due = self._clock()
        while True:
            due = max(due + SAMPLE_SECONDS, self._clock())
            await asyncio.sleep(due - self._clock())
            try:
                await self.sample(dynos())
            except Exception:
                # What cannot be looked at now is looked at again.
                log.exception("what dynos use could not be looked at")

    async def sample(self, dynos: Iterable[Dyno]) -> None:
        """Look at all of them once, one after the other: requests of others come in between."""
        known: dict[tuple[str, float], _Known] = {}
        talkers = 0
        for dyno in dynos:
            if dyno.state is not DynoState.UP:
                continue
            talkers += self._talks(dyno.app_id)
            await self._pause(PAUSE_SECONDS if talkers == TALKERS else 0)
            talkers %= TALKERS
            if (one := self._find(dyno)) is None:
                continue
            known[_key(dyno)] = one
            if (reading := self._read(dyno, one)) is not None:
                self._say(reading)
                for listener in self.listeners:
                    listener(reading)
        self._known = known

    def look(self, dynos: Iterable[Dyno]) -> list[Reading]:
        """What these dynos use now, those that are up; of the last second if somebody has just looked."""
        return [view for dyno in dynos if dyno.state is DynoState.UP and (view := self._view(dyno)) is not None]

    def latest(self, dynos: Iterable[Dyno]) -> list[Reading]:
        """What these dynos used when they were looked at last, within 20 seconds; nothing is read."""
        known = (self._known.get(_key(dyno)) for dyno in dynos)
        return [one.reading for one in known if one is not None and one.reading is not None]

    def _find(self, dyno: Dyno) -> _Known | None:
        known = self._known.get(_key(dyno))
        if known is None and (run := self._run_of(dyno.unit)) is not None:
            known = self._known[_key(dyno)] = _Known(run)
        return known

    def _read(self, dyno: Dyno, known: _Known) -> Reading | None:
        usage, now = self._meter.usage(known.run.control_group), self._clock()
        if usage is None:
            return None
        total = usage.cpu_seconds or 0.0
        span = 0.0 if known.seen is None else now - known.seen
        ran = max(0.0, total - known.cpu) if span else 0.0
        if span and (ran > IDLE or not known.waited):
            waited = self._meter.waited(self._meter.threads(known.run.control_group))
            # Of threads that were there before anybody looked nobody knows when they waited.
            count = runnable(ran, known.waited or waited, waited, span)
            known.load, known.waited = known.load.after(count, span), waited
        elif span:
            known.load = known.load.after(ran / span, span)
        known.seen, known.cpu = now, total
        known.reading = Reading(dyno, known.run, usage, self._wall(), span, ran, known.load)
        return known.reading

    def _view(self, dyno: Dyno) -> Reading | None:
        known, now = self._find(dyno), self._clock()
        if known is None:
            return None
        if known.view is not None and now - known.viewed < VIEW_SECONDS:
            return known.view
        usage = self._meter.usage(known.run.control_group)
        if usage is None:
            return None
        total, since, before = usage.cpu_seconds or 0.0, known.viewed, known.viewed_cpu
        if known.view is None or now - since > SAMPLE_SECONDS:
            since, before = (known.seen, known.cpu) if known.seen is not None else (now, total)
        if known.reading is not None and now - since < VIEW_SECONDS:
            since, before = now - known.reading.span, total - known.reading.cpu
        known.view = Reading(dyno, known.run, usage, self._wall(), now - since, max(0.0, total - before), known.load)
        known.viewed, known.viewed_cpu = now, total
        return known.view

    def _say(self, reading: Reading) -> None:
        dyno = reading.dyno
        lines = runtime_lines(reading) if self._talks(dyno.app_id) else []
        for line in (*lines, *words.memory(reading.memory, reading.quota)):
            self._events.platform(Subject(dyno.app_id), dyno.name, line)


def _key(dyno: Dyno) -> tuple[str, float]:
    return dyno.unit, round(dyno.since)
