"""The scheduler: looks which jobs are due, runs each in a one-off dyno, and remembers how it went.

Level-triggered, as the keepers of apps are: a timer that elapsed, a change in the ledger or a start of hostd only say
that it is time to look. What was done about a moment is in the ledger before anything is started.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from hostd.errors import Conflict, HostdError
from hostd.events import Events
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.database import utc_now
from hostd.ledger.job_runs import JobRun
from hostd.ledger.jobs import Job
from hostd.ledger.users import User
from hostd.lookout import Lookout
from hostd.manager.dyno import SCHEDULED, Dyno, DynoState
from hostd.manager.oneoffs import OneOffs
from hostd.scheduler.calendar import following, parse
from hostd.scheduler.planner import PUNCTUAL, Plan, plan
from hostd.scheduler.timers import Alarm, Timers
from units.systemd import ANY_UNIT

log = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = 60.0
"""How late a run may be whose timer's signal was lost."""
_CLOSE_SECONDS = 20.0
"""What a dyno that is being started gets to be there when hostd ends."""
_ENDED = (DynoState.COMPLETE, DynoState.DOWN)
_LOST = "how it ended is not known: the machine was restarted, or its unit removed"


class Scheduler:
    """Runs the jobs of all apps; one of its runs is a dyno such as `scheduler.1234`."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        one_offs: OneOffs,
        timers: Timers,
        events: Events,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._one_offs = one_offs
        self._timers = timers
        self._events = events
        self._clock = clock
        self._launching: dict[int, asyncio.Task[None]] = {}
        self._lookout = Lookout("looking at the scheduled jobs", self._look, _LOOK_AGAIN_SECONDS)
        one_offs.on_end = self._ended

    def start(self) -> None:
        """Begin; the dyno manager must have adopted what runs."""
        self._lookout.start()

    async def close(self) -> None:
        """Stop looking. What is being started is waited for, so that the next hostd finds it; runs go on."""
        await self._lookout.close()
        if self._launching:
            await asyncio.wait(self._launching.values(), timeout=_CLOSE_SECONDS)

    def nudge(self) -> None:
        """Say that jobs or apps have changed."""
        self._lookout.nudge()

    def unit_changed(self, unit: str) -> None:
        """Say that systemd may have changed a unit."""
        if unit == ANY_UNIT or unit in self._timers.armed:
            self.nudge()

    async def run_now(self, app: App, job: Job, user: User) -> JobRun:
        """Run a job by hand; returns when its dyno has started. Raises Conflict if it runs already or cannot start."""
        run = self._ledger.job_runs.begin(job.id, None)
        await asyncio.shield(self._begin(run, self._launch(app, job, run, f"{user.email} (job {job.number})")))
        (run,) = self._ledger.job_runs.list(job.id, 1)
        if run.launched_at is None:
            raise Conflict(f"Job {job.number} could not be started: {run.reason}")
        return run

    async def _look(self) -> float:
        for run in self._ledger.job_runs.open():
            if run.sequence not in self._launching:
                self._follow(run)
        alarms = []
        for job in self._ledger.jobs.waiting():
            try:
                alarms += self._consider(job)
            except HostdError as error:
                log.warning("job %d of app %s cannot be run: %s", job.number, job.app_id, error)
        await self._timers.keep(alarms)
        # A timer for a moment that has passed never elapses.
        return 0.0 if any(alarm.at <= self._clock() for alarm in alarms) else _LOOK_AGAIN_SECONDS

    def _consider(self, job: Job) -> list[Alarm]:
        """Settle what is due of a job; returns when it is due next, unless that is never."""
        app, calendar = self._ledger.apps.get(job.app_id), parse(job.every, job.timezone)
        running = self._ledger.job_runs.running(job.id)
        step = plan(
            calendar, job.settled_at, self._clock(), running=running is not None, catch_up=job.catch_up == "one"
        )
        if step.settled != job.settled_at:
            with self._ledger.transaction():
                self._ledger.jobs.settle(job.id, step.settled)
                again = step.run is None or self._ledger.job_runs.was_begun(job.id, step.run)
                run = None if again else self._ledger.job_runs.begin(job.id, step.run)
            self._tell(app, job, step, running)
            if run is not None:
                self._begin(run, self._launch(app, job, run, f"scheduler (job {job.number})"))
        due = following(calendar, step.settled)
        return [Alarm(app.name, job.number, due)] if due else []

    def _follow(self, run: JobRun) -> None:
        """See to a run that goes on, or that an earlier hostd had begun."""
        job = self._ledger.jobs.of(run)
        app = self._ledger.apps.get(job.app_id)
        dyno = next((dyno for dyno in self._one_offs.dynos(app.id) if dyno.name == run.dyno), None)
        if dyno is not None:
            if run.launched_at is None:
                self._ledger.job_runs.launched(run)
            if dyno.state in _ENDED:
                self._ended(dyno)
            return
        due = run.due_at if run.launched_at is None else None
        if due is not None and (job.catch_up == "one" or self._clock() - due <= PUNCTUAL):
            self._begin(run, self._launch(app, job, run, f"scheduler (job {job.number})"))
        else:
            self._ledger.job_runs.end(run, None, _LOST)
            self._say(app, f"Job {job.number} in {run.dyno or 'a dyno'}: {_LOST}")

    def _begin(self, run: JobRun, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._launching[run.sequence] = task
        task.add_done_callback(lambda _: self._launching.pop(run.sequence, None))
        return task

    async def _launch(self, app: App, job: Job, run: JobRun, who: str) -> None:
        def named(dyno: str) -> None:
            self._ledger.job_runs.has_dyno(run, dyno)
            self._events.api(app, f"Starting process with command `{job.command}` by {who}")

        try:
            await self._one_offs.run_scheduled(app.id, job.command, size=job.size, named=named)
            self._ledger.job_runs.launched(run)
        except HostdError as error:
            self._say(app, f"Job {job.number} could not be started: {error}")
            self._ledger.job_runs.end(run, None, str(error))

    def _ended(self, dyno: Dyno) -> None:
        if dyno.type != SCHEDULED:
            return
        try:
            if run := self._ledger.job_runs.of_dyno(dyno.app_id, dyno.name):
                # What was stopped from outside has no status of its own.
                exited = dyno.exit_status or dyno.reason.startswith("exit status")
                self._ledger.job_runs.end(run, dyno.exit_status if exited else None, dyno.reason)
        except HostdError as error:
            log.warning("the end of %s is not recorded yet: %s", dyno.unit, error)

    def _tell(self, app: App, job: Job, step: Plan, running: JobRun | None) -> None:
        name = f"Job {job.number} (`{job.command}`)"
        if step.missed:
            then = "it is run once now" if step.run else "it is not made good"
            self._say(app, f"{name} could not run at {_moment(step.missed)}: {then}")
        if step.skipped and running:
            where = running.dyno or "its dyno"
            self._say(app, f"{name} is not run at {_moment(step.skipped)}: it still runs in {where}")

    def _say(self, app: App, text: str) -> None:
        self._events.platform(app, SCHEDULED, text)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
