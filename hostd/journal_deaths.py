"""Journalds that were killed: systemd starts them again at once, and no running dyno loses its stream.

journald reads up to 48 KiB of one stream (journald.conf(5), LineMax=) and stores the lines in it before it reads more.
What it had read and not stored when it was killed is in no log, and nobody has counted it; so its bound is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from hostd.journals import app_of
from hostd.logplex.lines import stamp

_PREFIX, _SUFFIX = "systemd-journald@", ".service"
_JUST_NOW = 10.0
"""Seconds that a journald of which nothing was known yet may have run since it was killed, to be told of."""


class Unit(Protocol):
    """What is needed of `units.systemd.UnitStatus`."""

    @property
    def active(self) -> str:
        """`active`, `failed`, `inactive`, ..."""


class Units(Protocol):
    """What is needed of `units.systemd.Systemd`."""

    def list_units(self, patterns: Sequence[str]) -> Sequence[Unit]:
        """The loaded units whose name matches one of the patterns."""

    def read(self, name: str, value: str) -> Any:
        """One of a service's values."""


def killed(now: int) -> str:
    """What is said in the log of the app; `now` in microseconds."""
    return (
        f"Error L13 (Local delivery error) -> The app's journald was killed before {stamp(now)}: "
        "up to 48 KiB of lines that it had just read, of one dyno, may be missing."
    )


class JournalDeaths:
    """Hears of changes of journalds' units; `say` writes to the log of an app."""

    def __init__(
        self,
        units: Units,
        say: Callable[[str, str], None],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._units = units
        self._say = say
        self._clock = clock
        self._monotonic = monotonic
        self._restarts: dict[str, int] = {}

    def unit_changed(self, unit: str) -> None:
        """Look whether a journald was started again, by systemd itself: it does that when one was killed."""
        if not unit.startswith(_PREFIX) or not unit.endswith(_SUFFIX):
            return
        app_id = app_of(unit.removeprefix(_PREFIX).removesuffix(_SUFFIX))
        if app_id is None:
            return
        # systemd loads a unit of which a value is read, and says of that one too that it has changed: for ever.
        if not any(found.active == "active" for found in self._units.list_units([unit])):
            return
        restarts = int(self._units.read(unit, "NRestarts") or 0)
        if not restarts:
            self._restarts.pop(unit, None)
            return
        known = self._restarts.get(unit)
        if known is None and not self._is_new(unit):
            return  # it was killed before this hostd was there, or is still being started: that is a change too
        self._restarts[unit] = restarts
        if restarts > (known or 0):
            self._say(app_id, killed(int(self._clock() * 1_000_000)))

    def _is_new(self, unit: str) -> bool:
        since = int(self._units.read(unit, "ActiveEnterTimestampMonotonic") or 0) / 1e6
        return self._monotonic() - since < _JUST_NOW
