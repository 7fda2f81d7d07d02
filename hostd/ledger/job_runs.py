"""Runs of jobs: when each began, in which dyno, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hostd.errors import Conflict
from hostd.ledger.database import Database, moments, to_text

KEPT = 50
"""Newest runs of a job that are remembered."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run; `due_at` is None for one by hand, `dyno` until it has one, `exit_status` until it ends or if nobody knows.

    `launched_at` is when its process was seen to run: without it there may never have been one.
    """

    sequence: int
    job_id: str
    due_at: datetime | None
    dyno: str | None
    begun_at: datetime
    launched_at: datetime | None
    ended_at: datetime | None
    exit_status: int | None
    reason: str | None


class JobRuns:
    """The table of runs. It refuses to run a moment twice, and a job that runs already."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, job_id: str, due: datetime | None) -> JobRun:
        """Record a run that begins now; what is older than the newest runs is forgotten.

        Raises Conflict while another run of the job goes on.
        """
        with self._database.transaction():
            if running := self.running(job_id):
                raise Conflict(f"The job runs already: {running.dyno or 'its dyno is being started'}.")
            self._database.insert("job_runs", {"job_id": job_id, "due_at": due, "begun_at": self._database.now()})
            self._database.write(
                "DELETE FROM job_runs WHERE job_id = ?1 AND sequence NOT IN "
                "(SELECT sequence FROM job_runs WHERE job_id = ?1 ORDER BY sequence DESC LIMIT ?2)",
                job_id,
                KEPT,
            )
            return self.list(job_id, 1)[0]

    def has_dyno(self, run: JobRun, dyno: str) -> None:
        """Record in which dyno a run takes place."""
        self._database.write("UPDATE job_runs SET dyno = ? WHERE sequence = ?", dyno, run.sequence)

    def launched(self, run: JobRun) -> None:
        """Record that its process was seen to run."""
        self._database.write(
            "UPDATE job_runs SET launched_at = ? WHERE sequence = ?", self._database.now(), run.sequence
        )

    def end(self, run: JobRun, exit_status: int | None, reason: str) -> None:
        """Record how a run ended, unless that is known."""
        self._database.write(
            "UPDATE job_runs SET ended_at = ?, exit_status = ?, reason = ? WHERE sequence = ? AND ended_at IS NULL",
            self._database.now(),
            exit_status,
            reason,
            run.sequence,
        )

    def running(self, job_id: str) -> JobRun | None:
        """The run of a job that goes on, if there is one."""
        return next(iter(self._select("job_id = ? AND ended_at IS NULL", job_id)), None)

    def was_begun(self, job_id: str, due: datetime) -> bool:
        """Whether a run was begun for that moment: a clock that is put back comes to it again."""
        return bool(self._select("job_id = ? AND due_at = ?", job_id, to_text(due)))

    def of_dyno(self, app_id: str, dyno: str) -> JobRun | None:
        """The run that goes on in a dyno of an app."""
        found = self._select(
            "dyno = ? AND ended_at IS NULL AND job_id IN (SELECT id FROM jobs WHERE app_id = ?)", dyno, app_id
        )
        return next(iter(found), None)

    def open(self) -> Sequence[JobRun]:
        """All runs that go on."""
        return self._select("ended_at IS NULL ORDER BY sequence")

    def list(self, job_id: str, limit: int = KEPT) -> Sequence[JobRun]:
        """A job's runs, newest first."""
        return self._select("job_id = ? ORDER BY sequence DESC LIMIT ?", job_id, limit)

    def _select(self, condition: str, *parameters: object) -> Sequence[JobRun]:
        records = self._database.select(f"{_RUNS} WHERE {condition}", *parameters)
        return [JobRun(**moments(record)) for record in records]


_RUNS = (
    "SELECT sequence, job_id, due_at, dyno, begun_at, launched_at, ended_at, exit_status, reason FROM job_runs"
)
