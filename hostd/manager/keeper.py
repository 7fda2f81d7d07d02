"""The keeper of one app: looks, plans, acts, and looks again whenever something changed.

Level-triggered: a signal from systemd or a change in the ledger only says that it is time to look.
One keeper never waits for another's app; slow steps run as tasks, one for each dyno.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine

from hostd import sizes
from hostd.events import Subject
from hostd.faults import FaultPoint
from hostd.manager import words
from hostd.manager.boot import Trouble, boot_trouble, came_up
from hostd.manager.desired import DesiredApp
from hostd.manager.dyno import Dyno, DynoId, DynoState
from hostd.manager.endings import Endings
from hostd.manager.exits import Exit
from hostd.manager.idle import idle_dynos
from hostd.manager.launcher import STOP_SECONDS, Launch, LaunchFailedError
from hostd.manager.planner import Observed, Phase, Remove, Replace, Start, Stop, cycle_at, next_wake, plan
from hostd.manager.record import Record
from hostd.manager.settling import Missing, Settled
from hostd.manager.standing import Standing
from hostd.manager.tools import Tools
from hostd.manager.wake import Wake

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 1.0
"""Until what failed for a reason of ours is tried again."""


class Keeper:
    """Keeps one app as the ledger wants it."""

    def __init__(self, app_id: str, tools: Tools, desired: Callable[[], DesiredApp | None]) -> None:
        self.app_id = app_id
        self._subject = Subject(app_id)
        self._tools = tools
        self._read_desired = desired
        self.desired = desired()
        self._endings = Endings(app_id, tools, lambda: self.desired is not None)
        self._records: dict[str, Record] = {}
        self._dirty: set[str] = set()
        self._wake = Wake()
        self._standing = Standing(app_id, tools.routing, self._records, tools.clock)
        self._task: asyncio.Task[None] | None = None

    async def adopt(self, dynos: list[DynoId]) -> None:
        """Take over dynos that run already, without touching or announcing them."""
        await asyncio.gather(*map(self._adopt, dynos))
        self._standing.set_route(self.desired)

    def start(self) -> None:
        """Begin to keep the app; what an earlier hostd had begun with an adopted dyno is finished."""
        for record in self._records.values():
            if record.phase is Phase.STOPPING:
                self._begin(record, self._tools.stops.run(self._stop(record)))
            elif record.phase is Phase.STARTING and self._tools.launcher.exit_of(record.id) is None:
                self._begin(record, self._await_boot(record))
            self._dirty.add(record.id.unit)
        self._task = asyncio.create_task(self._run(), name=f"keeper {self.app_id}")

    async def close(self) -> None:
        """Stop keeping it; dynos run on."""
        self._wake.close()
        tasks = [task for task in (self._task, *(record.task for record in self._records.values())) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def nudge(self, unit: str | None = None) -> None:
        """Say that the ledger or (with *unit*) systemd may have changed."""
        if unit is not None:
            self._dirty.add(unit)
        self._wake.now()

    def changed(self, unit: str) -> None:
        """Say that somebody has changed a dyno's unit: it is replaced by one as it should be."""
        self._records[unit].was_changed()
        self._wake.now()

    def knows(self, unit: str) -> bool:
        """True if *unit* is one of this app's dynos."""
        return unit in self._records

    def units(self) -> list[str]:
        """The units of this app's dynos."""
        return list(self._records)

    def dynos(self) -> list[Dyno]:
        """The app's dynos, the wanted release's first, then by type and number."""
        records = sorted(self._records.values(), key=lambda r: (-r.id.version, r.id.type, r.id.number))
        dynos = [record.view(serving=record.id.unit in self._standing.served) for record in records]
        return [*dynos, *idle_dynos(self.desired, dynos)]

    async def settle(self, version: int, seconds: float) -> Settled:
        """Wait until every dyno of release *version* runs and takes traffic, or has crashed."""
        return await self._standing.settled(lambda: self.desired, version, seconds)

    async def missing(self, type_: str | None, seconds: float) -> list[Missing]:
        """Wait until the wanted dynos of a type, or all, are up; those that are not after *seconds*."""
        self.desired = self._read_desired()
        return await self._standing.missing(lambda: self.desired, type_, seconds)

    async def route(self) -> None:
        """Tell the router how the app stands now."""
        self.desired = self._read_desired()
        await self._standing.publish(self.desired)

    async def restart(self, selected: Callable[[Record], bool]) -> int:
        """`stop_dynos`, but of several web dynos that serve one after the other. Raises Conflict if one stays away."""
        records = self._running(selected)
        turns = self._standing.take_turns(records)
        await self._stop_now([record for record in records if record not in turns])
        await self._standing.turns_over(turns)
        return len(records)

    async def stop_dynos(self, selected: Callable[[Record], bool]) -> int:
        """Drain and stop the running dynos that *selected* picks; the keeper starts the wanted ones anew.

        Returns how many they were when they have ended: no ledger remembers it, so who asked must not hear sooner.
        """
        return await self._stop_now(self._running(selected))

    def crash(self, unit: str, trouble: Trouble) -> None:
        """Kill a dyno that is up, for a reason that is told; it is started anew as after any crash."""
        record = self._records.get(unit)
        if record is not None and record.phase is Phase.UP:
            record.phase = Phase.STOPPING
            self._begin(record, self._kill(record, trouble))

    async def end(self) -> None:
        """Keep an app that the ledger has ended to its own end: no dyno is left then, and no route."""
        self.desired = self._read_desired()
        self._wake.now()
        await self._standing.until(lambda _served: not self._records or None)
        await self._standing.publish(None)
        await self.close()

    def _running(self, selected: Callable[[Record], bool]) -> list[Record]:
        """The dynos of the wanted release that do not end yet; what serves of an older one would not start again."""
        version = self.desired.version if self.desired else 0
        here = [r for r in self._records.values() if r.phase is not Phase.STOPPING and r.id.version >= version]
        return list(filter(selected, here))

    async def _stop_now(self, records: list[Record]) -> int:
        for record in records:
            if record.phase is Phase.CRASHED:
                record.crashes, record.retry_at = 0, 0.0
            else:
                self._begin_stop(record)
        self._wake.now()
        if stops := [record.task for record in records if record.task is not None]:
            await asyncio.wait(stops)
        return len(records)

    async def _adopt(self, dyno: DynoId) -> None:
        process = self.desired.process(dyno.type) if self.desired else None
        age = self._tools.launcher.running_for(dyno)
        since = self._tools.clock() - (age or 0.0)
        record = Record(
            dyno,
            self.app_id,
            command=process.command if process else "",
            size=dyno.size or (process.size if process else sizes.DEFAULT),
            state=DynoState.STARTING,
            since=since,
            phase=Phase.STARTING,
            cycle_at=self._cycle_at(since),
        )
        self._records[dyno.unit] = record
        if restarts := self._tools.launcher.restarts(dyno):
            self._say(record, words.restarted(restarts))
        if not self._tools.launcher.logs_to(dyno, self.app_id):
            record.logs_elsewhere()
        if age is not None and await came_up(self.desired, dyno, age, self._tools.settings.boot_timeout):
            record.phase, record.state = Phase.UP, DynoState.UP
        elif self._tools.launcher.is_stopping(dyno):
            record.phase, record.state = Phase.STOPPING, DynoState.UP

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._reconcile()
            except Exception:
                # One app's trouble must not end its keeper: it is said, and tried again.
                log.exception("keeping app %s failed; trying again", self.app_id)
                self._wake.later(_AGAIN_SECONDS)
            await self._wake.wait()

    async def _reconcile(self) -> None:
        self.desired = self._read_desired()
        self._look()
        now = self._tools.clock()
        for action in plan(self.desired, self._observed(), now):
            match action:
                case Start():
                    self._begin_start(action)
                case Stop():
                    self._begin_stop(self._records[action.unit])
                case Replace():
                    self._say(self._records[action.unit], action.why.value)
                    self._begin_stop(self._records[action.unit])
                case Remove():
                    self._forget(self._records[action.unit])
        await self._standing.publish(self.desired)
        if (wait := next_wake(self._observed(), now)) is not None:
            self._wake.later(wait)

    def _observed(self) -> list[Observed]:
        return [record.observed() for record in self._records.values() if not record.id.one_off]

    def _look(self) -> None:
        for unit in list(self._dirty):
            record = self._records.get(unit)
            if record is not None and record.running:
                ended = self._tools.launcher.exit_of(record.id, self._tools.clock() - record.since)
                if ended is not None and ended.stopped:
                    self._vanish(record, ended)
                elif ended is not None:
                    self._crash(record, ended)
                elif restarts := self._tools.launcher.restarts(record.id):
                    # It ended, and for longer than systemd waits nobody here had the time to look.
                    self._say(record, words.restarted(restarts))
                    record.since = self._tools.clock()
            # Only now: where systemd could not be asked it is asked again.
            self._dirty.discard(unit)

    def _begin(self, record: Record, work: Coroutine[None, None, None]) -> None:
        record.task = asyncio.create_task(work)
        record.task.add_done_callback(functools.partial(self._check, record))

    def _check(self, record: Record, task: asyncio.Task[None]) -> None:
        """See to a dyno whose task failed: without a task nobody would look after it."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("%s: this step failed", record.id.unit, exc_info=error)
        if record.phase is Phase.STOPPING:
            record.phase = Phase.UP
            self._dirty.add(record.id.unit)
            self._wake.later(_AGAIN_SECONDS)
        elif record.phase is Phase.STARTING:
            self._crash(record, Exit(1, str(error)))

    def _begin_start(self, action: Start) -> None:
        desired = self.desired
        process = desired.process(action.type) if desired else None
        if desired is None or process is None:
            return
        place = self._tools.places.take()
        dyno = DynoId(desired.name, action.type, action.number, desired.version, place, process.size)
        before = self._records.get(dyno.unit)
        if before is not None:
            self._tools.places.give_back(before.id.place)
        record = Record(
            dyno,
            self.app_id,
            command=process.command,
            size=process.size,
            state=before.state if before else DynoState.CREATED,
            since=self._tools.clock(),
            phase=Phase.STARTING,
            crashes=before.crashes if before else 0,
            reason=before.reason if before else "",
        )
        self._records[dyno.unit] = record
        self._begin(record, self._start(record, desired))

    async def _start(self, record: Record, desired: DesiredApp) -> None:
        assert desired.slug_id is not None
        launch = Launch(
            dyno=record.id,
            app_id=self.app_id,
            uid=desired.uid,
            slug_id=desired.slug_id,
            stack=desired.stack,
            command=record.command,
            size=record.size,
            config=desired.config,
            extra={},
        )
        self._say(record, f"Starting process with command `{record.command}`")
        try:
            await self._tools.launcher.launch(launch)
        except LaunchFailedError as error:
            self._say(record, record.move(DynoState.STARTING, self._tools.clock()))
            self._say(record, f"Error: the dyno could not be started: {error}")
            self._crash(record, Exit(1, str(error)))
            return
        self._tools.faults.reach(FaultPoint.DYNO_STARTED)
        self._say(record, record.move(DynoState.STARTING, self._tools.clock()))
        ended = self._tools.launcher.exit_of(record.id)
        if ended is not None:
            self._crash(record, ended)
        else:
            await self._await_boot(record)

    async def _await_boot(self, record: Record) -> None:
        limit = self._tools.settings.boot_timeout
        if record.id.type == "web" and self.desired is not None:
            trouble = await boot_trouble(self.desired, record.id.place, limit, self._tools.clock)
            if trouble is not None:
                more = [words.LISTENS_TO_ITSELF] * self._tools.launcher.listens_to_itself(record.id)
                await self._kill(record, Trouble([*trouble.said, *more], trouble.why))
                return
        if record.phase is Phase.STARTING:
            record.phase = Phase.UP
            record.cycle_at = self._cycle_at(self._tools.clock())
            self._tools.faults.reach(FaultPoint.DYNO_UP)
            self._say(record, record.move(DynoState.UP, self._tools.clock()))
            self._wake.now()

    async def _kill(self, record: Record, trouble: Trouble) -> None:
        self._crash(record, await self._endings.kill(record, trouble))

    def _cycle_at(self, started: float) -> float | None:
        settings = self._tools.settings
        return cycle_at(started, settings.cycle_after, settings.cycle_spread, self._tools.random())

    def _vanish(self, record: Record, ended: Exit) -> None:
        """Forget a dyno whose unit somebody stopped: that is no crash, and if it is wanted it starts anew."""
        if record.task is not None:
            record.task.cancel()
        self._endings.stopped(record, ended)
        self._forget(record)

    def _crash(self, record: Record, ended: Exit) -> None:
        if record.task is not None and record.task is not asyncio.current_task():
            record.task.cancel()
        self._wake.now()
        self._endings.crashed(record, ended)

    def _begin_stop(self, record: Record) -> None:
        before = record.task
        if before is not None:
            before.cancel()
        record.phase = Phase.STOPPING
        self._begin(record, self._tools.stops.run(self._stop(record, before)))

    async def _stop(self, record: Record, before: asyncio.Task[None] | None = None) -> None:
        if before is not None:
            # A launch that was cancelled clears up after itself: two tasks must never work on one unit.
            await asyncio.wait({before})
        if record.id.type == "web":
            await self._standing.publish(self.desired)
            self._tools.faults.reach(FaultPoint.TABLE_SWAPPED)
            left = await self._tools.routing.drain([record.id.place], STOP_SECONDS)
            if left:
                self._say(record, f"Stopping with {left} requests unanswered after {STOP_SECONDS:g} seconds")
        self._tools.faults.reach(FaultPoint.DRAINED)
        await self._endings.stop(record)
        self._forget(record)
        await self._standing.tell()

    def _forget(self, record: Record) -> None:
        self._endings.clear(record)
        self._tools.places.give_back(record.id.place)
        self._records.pop(record.id.unit, None)
        self._wake.now()

    def _say(self, record: Record, *lines: str) -> None:
        for line in lines:
            self._tools.events.platform(self._subject, record.id.name, line)
