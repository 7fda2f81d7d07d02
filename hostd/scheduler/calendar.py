"""When a job is due: `10m`, `hourly`, `daily@04:30` or a cron expression, in a time zone. Pure.

Every moment that goes in or comes out is an aware datetime. Where clocks are put forward or back (daylight saving),
cron expressions are taken as Debian's cron takes them; `cronsim` is what knows them.
"""

from __future__ import annotations

import functools
import itertools
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from hostd.errors import Invalid

LONGEST_EXPRESSION = 200
"""Characters."""
FORMS = "10m, 2h, hourly, hourly@15, daily, daily@04:30, or five fields of cron such as '30 4 * * 1-5'"

_INTERVAL = re.compile(r"([0-9]{1,5})([smhd])")
_HOURLY = re.compile(r"hourly(?:@:?([0-5]?[0-9]))?")
_DAILY = re.compile(r"daily(?:@([01]?[0-9]|2[0-3]):([0-5][0-9]))?")
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+/-]{1,62}")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SHORTEST, _LONGEST = 60, 86400
_WINDOWS = (timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=366))


@dataclass(frozen=True, slots=True)
class Interval:
    """Due at equal intervals, counted from 1970-01-01T00:00:00Z: `10m` is at :00, :10, :20 whatever the clocks do."""

    seconds: int

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The moments after this one."""
        passed = int(moment.timestamp() // self.seconds)
        return (datetime.fromtimestamp(count * self.seconds, UTC) for count in itertools.count(passed + 1))


@dataclass(frozen=True, slots=True)
class Cron:
    """Due by a cron expression of five fields, read in a time zone."""

    expression: str
    zone: zoneinfo.ZoneInfo

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The moments after this one; they end where none follows for 50 years."""
        last = moment
        for due in CronSim(self.expression, moment.astimezone(self.zone)):
            # Where a time of day is there twice or not at all, cronsim may name one that has passed, or one twice.
            if (found := due.astimezone(UTC)) > last:
                yield found
                last = found


Calendar = Interval | Cron


@functools.lru_cache(maxsize=1024)
def parse(every: str, timezone: str) -> Calendar:
    """The calendar that a text means in a time zone. Raises Invalid, saying what may be written."""
    zone = _zone(timezone)
    text = " ".join(every.lower().split())
    if found := _INTERVAL.fullmatch(text):
        return _interval(text, int(found[1]) * _SECONDS[found[2]])
    if found := _HOURLY.fullmatch(text):
        return Cron(f"{int(found[1] or 0)} * * * *", zone)
    if found := _DAILY.fullmatch(text):
        return Cron(f"{int(found[2] or 0)} {int(found[1] or 0)} * * *", zone)
    return _cron(text, zone)


def following(calendar: Calendar, moment: datetime) -> datetime | None:
    """The first moment after this one; None if none will ever come."""
    return next(calendar.after(moment), None)


def latest(calendar: Calendar, after: datetime, until: datetime) -> datetime | None:
    """The last moment that is after the one and not after the other; None if none is.

    It looks back in steps, so that a minutely job of a machine that was off for a year costs no half million moments.
    """
    for window in (*_WINDOWS, until - after):
        start = max(after, until - window)
        due = list(itertools.takewhile(lambda moment: moment <= until, calendar.after(start)))
        if due or start == after:
            return due[-1] if due else None
    return None


def _interval(text: str, seconds: int) -> Interval:
    if not _SHORTEST <= seconds <= _LONGEST:
        raise Invalid(f"{text} is no interval for a job: it must be 1m to 24h.")
    return Interval(seconds)


def _cron(text: str, zone: zoneinfo.ZoneInfo) -> Cron:
    shown = repr(text if len(text) <= 40 else f"{text[:40]}...")
    if len(text) > LONGEST_EXPRESSION or len(text.split()) != 5:
        raise Invalid(f"{shown} does not say when to run: write {FORMS}.")
    calendar = Cron(text, zone)
    try:
        if following(calendar, datetime.now(UTC)) is None:
            raise Invalid(f"{shown} never comes: no day is like that in the next 50 years.")
    except CronSimError as error:
        raise Invalid(f"{shown} is no cron expression ({str(error).lower()}): write {FORMS}.") from error
    return calendar


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        if _ZONE.fullmatch(name):
            return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        pass
    import difflib  # slow to import, and only needed here

    near = difflib.get_close_matches(name, zoneinfo.available_timezones(), n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise Invalid(f"There is no time zone {name[:40]!r}: write one such as UTC or Europe/Berlin.{hint}")
