"""What is to be done about a job now: a pure function of its calendar, of what was settled and of the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hostd.scheduler.calendar import Calendar, following, latest

PUNCTUAL = timedelta(seconds=60)
"""A run that begins within this time after its moment is on time: hostd may restart in between."""
_AHEAD = timedelta(hours=1)
"""A clock that was put back by less waits for the moments to come again; by more, it was wrong before."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`run` is the moment that a run is to be begun for; `skipped` one that passes because the last run goes on;
    `missed` the first of those that are dropped; until `settled` nothing is left to be done."""

    settled: datetime
    run: datetime | None = None
    skipped: datetime | None = None
    missed: datetime | None = None


def plan(calendar: Calendar, settled: datetime, now: datetime, *, running: bool, catch_up: bool) -> Plan:
    """Settle every moment up to now.

    Of several moments that have passed only the last may still be run: on time, or late if the job is to `catch_up`.
    """
    if settled > now + _AHEAD:
        return Plan(now)
    due = latest(calendar, settled, now)
    if due is None:
        return Plan(settled)
    first = following(calendar, settled)
    wanted = catch_up or now - due <= PUNCTUAL
    return Plan(
        settled=due,
        run=due if wanted and not running else None,
        skipped=due if wanted and running else None,
        missed=first if first != due or not wanted else None,
    )
