"""The collector: brings what dynos use, what the router counts and what befalls dynos together, minute by minute.

Points of the minute that goes on are in memory, and in what is asked for; once a minute they are written, together with
what the router's workers had counted by then. So a hostd that was killed counts on from there, and misses no request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hostd.manager.dyno import Dyno
from hostd.manager.reading import Reading
from hostd.metrics.counters import AppCounts, OtherVersion, WorkerCounts, WorkerLoad, of_worker
from hostd.metrics.losses import CODE, Loss
from hostd.metrics.points import MINUTE, Count, Points, Stretch, Used
from hostd.metrics.store import Store, StoreError
from hostd.metrics.tally import Tally, metric_name
from router.table import PLATFORMS

log = logging.getLogger(__name__)

_LATE = 2.0
"""Seconds; what is counted so soon after a minute is of that minute."""
_FRESH = 1.0
"""Seconds; what was counted so recently is not asked for again."""
_JOURNALS = "journals"
"""Among what workers of the router had counted: how far journals were looked through."""
_KEPT_MINUTES = 60
"""How much of what cannot be written is kept in memory."""


class Router(Protocol):
    """What is needed of `hostd.manager.routing.Routing`."""

    async def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        """What each worker has counted."""


class Losses(Protocol):
    """What is needed of `hostd.metrics.losses.Losses`."""

    until: int
    """How far it has looked."""

    async def look(self, now: float) -> list[Loss]:
        """What journald has told since the last look."""


class Looker(Protocol):
    """What is needed of `hostd.manager.usage.UsageWatch`."""

    def look(self, dynos: Iterable[Dyno]) -> list[Reading]:
        """What these dynos use now, those that are up."""

    def latest(self, dynos: Iterable[Dyno]) -> list[Reading]:
        """What they used within the last 20 seconds."""


@dataclass(slots=True)
class Totals:
    """What the router has counted since hostd runs, by app and dyno, all workers together; codes by app."""

    numbers: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    codes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, app_id: str, counts: AppCounts) -> None:
        """These too."""
        for dyno, numbers in counts.dynos.items():
            before = self.numbers.get((app_id, dyno), (0,) * len(numbers))
            self.numbers[app_id, dyno] = tuple(map(sum, zip(before, numbers, strict=True)))
        for code, count in counts.codes.items():
            self.codes[app_id, code] += count


class Collector:
    """Metrics as they come; one instance for all apps."""

    def __init__(
        self,
        *,
        store: Store,
        router: Router,
        usage: Looker,
        tally: Tally,
        logplex: Callable[[], Awaitable[Mapping[str, Any] | None]] | None = None,
        losses: Losses | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`logplex` asks that what it has said of itself; None if it does not answer."""
        self.store = store
        self.usage = usage
        self.tally = tally
        self.totals = Totals()
        self.in_flight: Counter[tuple[str, str]] = Counter()
        """Requests that a dyno works on, by app and dyno; and below, as they were when the workers were asked last."""
        self.tunnels: Counter[tuple[str, str]] = Counter()
        self.held: Counter[str] = Counter()
        self._router = router
        self._logplex = logplex
        self._losses = losses
        self._clock = clock
        self._new = Points()
        self._counted: dict[str, WorkerCounts] = {}
        self._written: dict[str, WorkerCounts] = {}
        self._strangers: set[str] = set()
        """Workers of another version, which was said."""
        self._looked = float("-inf")
        self._lost = 0
        self._trouble = ""
        self._one_at_a_time = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Count on from where the last hostd was, and go on as long as this one runs."""
        try:
            texts = await asyncio.to_thread(self.store.baselines)
            looked = int(texts.pop(_JOURNALS, {}).get("", 0))
            if self._losses is not None:
                self._losses.until = looked
            self._counted = {worker: WorkerCounts.from_texts(counted) for worker, counted in texts.items()}
        except (StoreError, ValueError) as error:
            log.warning("what the router had counted is not known: %s", error)
        self._written = dict(self._counted)
        self._task = asyncio.create_task(self._run(), name="collecting metrics")

    async def close(self) -> None:
        """Write what is there, and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.write()
        self.store.close()

    def add(self, reading: Reading) -> None:
        """What a dyno uses, as it was read."""
        memory = reading.memory >> 10
        self._new.used.append(
            Used(
                at=_minute(reading.at),
                app=reading.dyno.app_id,
                dyno=metric_name(reading.dyno.name),
                span=round(1000 * reading.span),
                memory=memory,
                most=memory,
                quota=reading.quota >> 20,
                swap=(reading.usage.swap or 0) >> 10,
                cpu=round(1000 * reading.cpu),
                load=round(100 * reading.load.one),
            )
        )

    async def history(self, stretch: Stretch) -> Points:
        """What is known of a stretch of time, until this moment, in its steps. Raises StoreError."""
        async with self._one_at_a_time:
            await self._count()
            new, at = Points(), self._at()
            new.add(self._new)
            new.counts += self.tally.counts(at)
            points = await asyncio.to_thread(self.store.history, stretch)
        points.add(_within(new, stretch))
        return points.by(stretch.step)

    async def born(self, app_id: str) -> int | None:
        """The first minute of which something is known of an app; None if nothing is."""
        new = [point.at for point in self._new.all() if point.app == app_id]
        with contextlib.suppress(StoreError):
            new += [at for at in [await asyncio.to_thread(self.store.born, app_id)] if at is not None]
        return min(new, default=None)

    async def count(self) -> None:
        """Ask the router's workers, unless that was just done."""
        async with self._one_at_a_time:
            await self._count()

    async def write(self) -> None:
        """Write all that is new, in one step. What cannot be written now is kept for the next time."""
        async with self._one_at_a_time:
            self._looked = float("-inf")
            await self._count()
            at = self._at()
            self._new.counts += self.tally.take(at)
            self._new.steps.add(at)
            if self.store.lost != self._lost:
                self._lost, self._written = self.store.lost, {}
            baselines = {name: each.to_texts(self._written.get(name)) for name, each in self._counted.items()}
            if self._losses is not None:
                baselines[_JOURNALS] = {"": str(self._losses.until)}
            counted, batch = dict(self._counted), self._new.by(MINUTE)
            self._new = Points()
            try:
                await asyncio.to_thread(self.store.write, batch, int(self._clock()), baselines)
            except StoreError as error:
                self._keep(batch, str(error))
            else:
                self._written, self._trouble = counted, ""

    def _keep(self, batch: Points, trouble: str) -> None:
        """Keep what could not be written, but not for ever; and write down anew what workers have counted."""
        if trouble != self._trouble:
            log.warning("%s; it is tried again each minute", trouble)
        batch.add(self._new)
        self._trouble, self._written = trouble, {}
        self._new = _within(batch, Stretch(self._at() - _KEPT_MINUTES * MINUTE, 2**62))

    async def _run(self) -> None:
        while True:
            try:
                await self.count()
                await asyncio.sleep(MINUTE - self._clock() % MINUTE)
                await self.write()
            except Exception:
                # One minute's trouble must not end all later ones: it is said, and the next is tried.
                log.exception("metrics of a minute were not collected")
                await asyncio.sleep(MINUTE)

    async def _count(self) -> None:
        if 0 <= self._clock() - self._looked < _FRESH:
            return
        said, at = await self._router.metrics(), self._at()
        if self._logplex is not None and (document := await self._logplex()) is not None:
            self.tally.add_all(document)
        if self._losses is not None:
            for loss in await self._losses.look(self._clock()):
                self._lose(loss)
        self._looked = self._clock()
        self.in_flight, self.tunnels, self.held = Counter(), Counter(), Counter()
        for worker, document in said.items():
            try:
                now, load = of_worker(document)
            except OtherVersion as error:
                if worker not in self._strangers:
                    log.warning("router worker %s is not of this version, and counted when it is: %s", worker, error)
                self._strangers.add(worker)
                continue
            self._strangers.discard(worker)
            self._see(load)
            for app_id, counts in now.since(self._counted.get(worker)):
                if app_id in PLATFORMS:
                    continue
                self._new.add(counts.points(app_id, at))
                self.totals.add(app_id, counts)
            self._counted[worker] = now

    def _lose(self, loss: Loss) -> None:
        """It is of the minute in which it was told, perhaps before this hostd began."""
        dyno = metric_name(loss.dyno)
        self._new.counts.append(Count(_minute(loss.at), loss.app_id, dyno, CODE, 1))
        self.tally.total[loss.app_id, dyno, CODE] += 1

    def _see(self, load: WorkerLoad) -> None:
        self.held.update(load.held)
        self.in_flight.update(load.in_flight)
        self.tunnels.update(load.tunnels)

    def _at(self) -> int:
        return _minute(self._clock() - _LATE)


def _minute(moment: float) -> int:
    return int(moment) // MINUTE * MINUTE


def _within(points: Points, stretch: Stretch) -> Points:
    def inside(point: Any) -> bool:
        return stretch.since <= point.at < stretch.until and stretch.app in (None, point.app)

    return Points(
        list(filter(inside, points.used)),
        list(filter(inside, points.traffic)),
        list(filter(inside, points.counts)),
        {at for at in points.steps if stretch.since <= at < stretch.until},
    )
