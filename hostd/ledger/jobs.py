"""Jobs: commands that an app's owner wants to be run at certain times."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hostd.errors import Invalid, NotFound
from hostd.ledger.apps import Apps
from hostd.ledger.database import Database, moments
from hostd.ledger.job_runs import JobRun

CatchUp = Literal["none", "one"]


@dataclass(frozen=True, slots=True)
class Job:
    """A job. `every` and `timezone` are texts that `hostd.scheduler.calendar` understands.

    `catch_up` says what becomes of runs that could not begin in time. `settled_at`: all that was due until then was
    run, skipped or given up. `paused_at` is set while it is paused.
    """

    id: str
    app_id: str
    number: int
    command: str
    every: str
    timezone: str
    size: str
    catch_up: CatchUp
    created_at: datetime
    paused_at: datetime | None
    settled_at: datetime


class Jobs:
    """The table of jobs."""

    def __init__(self, database: Database, apps: Apps) -> None:
        self._database = database
        self._apps = apps

    def add(
        self, app_id: str, *, command: str, every: str, timezone: str, size: str, catch_up: CatchUp, most: int
    ) -> Job:
        """A new job, which is due from now on. Raises Invalid for an app that has `most` jobs."""
        with self._database.transaction():
            app = self._apps.get(app_id)
            if len(self.list(app.id)) >= most:
                raise Invalid(
                    f"{app.name} has {most} jobs, which is the most an app may have here. "
                    f"Remove one first: hostctl schedule -a {app.name}"
                )
            number, now = self._database.next(f"job of {app.id}"), self._database.now()
            self._database.insert(
                "jobs",
                {
                    "id": str(uuid.uuid4()),
                    "app_id": app.id,
                    "number": number,
                    "command": command,
                    "every": every,
                    "timezone": timezone,
                    "size": size,
                    "catch_up": catch_up,
                    "created_at": now,
                    "settled_at": now,
                },
            )
            return self.get(app.id, number)

    def get(self, app_id: str, number: int) -> Job:
        """A job of an app; raises NotFound."""
        for job in self._select("app_id = ? AND number = ?", app_id, number):
            return job
        raise NotFound(f"There is no job {number}. The jobs: hostctl schedule")

    def of(self, run: JobRun) -> Job:
        """The job of a run."""
        return self._select("id = ?", run.job_id)[0]

    def list(self, app_id: str) -> Sequence[Job]:
        """An app's jobs in the order of their numbers."""
        return self._select("app_id = ? ORDER BY number", app_id)

    def waiting(self) -> Sequence[Job]:
        """All jobs that are not paused."""
        return self._select("paused_at IS NULL ORDER BY sequence")

    def settle(self, job_id: str, until: datetime) -> None:
        """Record that nothing is left to be done for what was due until then."""
        self._database.write("UPDATE jobs SET settled_at = ? WHERE id = ?", until, job_id)

    def pause(self, app_id: str, number: int) -> Job:
        """Let a job wait until it is resumed; what is due meanwhile is not run. Raises NotFound."""
        with self._database.transaction():
            job = self.get(app_id, number)
            self._database.write(
                "UPDATE jobs SET paused_at = coalesce(paused_at, ?) WHERE id = ?", self._database.now(), job.id
            )
            return self.get(app_id, number)

    def resume(self, app_id: str, number: int) -> Job:
        """Let a paused job be due again, from now on. Raises NotFound."""
        with self._database.transaction():
            job = self.get(app_id, number)
            if job.paused_at is not None:
                self._database.write("UPDATE jobs SET paused_at = NULL WHERE id = ?", job.id)
                self.settle(job.id, self._database.now())
            return self.get(app_id, number)

    def remove(self, app_id: str, number: int) -> Job:
        """Forget a job and its runs. Raises NotFound."""
        with self._database.transaction():
            job = self.get(app_id, number)
            self._database.write("DELETE FROM jobs WHERE id = ?", job.id)
            return job

    def _select(self, condition: str, *parameters: object) -> Sequence[Job]:
        return [Job(**moments(record)) for record in self._database.select(f"{_JOBS} WHERE {condition}", *parameters)]


_JOBS = (
    "SELECT id, app_id, number, command, every, timezone, size, catch_up, created_at, paused_at, settled_at FROM jobs"
)
