"""The timers of the next runs: systemd does the waiting, by the wall clock, and shows it (`systemctl list-timers`)."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from units.systemd import Systemd, SystemdError

log = logging.getLogger(__name__)

_TIMERS = "hostd-schedule@*.timer"
_ACCURACY_US = 100_000


@dataclass(frozen=True, slots=True)
class Alarm:
    """When a job is due next. It is a transient unit; the ledger is what it is made from again."""

    app: str
    job: int
    at: datetime

    @property
    def unit(self) -> str:
        """The timer unit, such as `hostd-schedule@hello.3.timer`."""
        return f"hostd-schedule@{self.app}.{self.job}.timer"

    @property
    def description(self) -> str:
        """What systemd shows, by which a timer for another moment is told apart."""
        return f"{self.app}: job {self.job}, due at {self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    @property
    def properties(self) -> dict[str, object]:
        """The unit. When it elapses it starts the service of its name, which does nothing: the signal counts."""
        return {
            "Description": self.description,
            "TimersCalendar": [("OnCalendar", f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")],
            "AccuracyUSec": _ACCURACY_US,
            "CollectMode": "inactive-or-failed",
        }


class Timers:
    """Keeps one timer for each alarm, and no other."""

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd
        self.armed: set[str] = set()
        """The timer units that there are; what becomes of one is news."""

    async def keep(self, alarms: Collection[Alarm]) -> None:
        """Have exactly these timers; what systemd refuses is said, and tried again by the next call."""
        wanted = {alarm.unit: alarm for alarm in alarms}
        try:
            known = {unit.name: unit.description for unit in self._systemd.list_units([_TIMERS])}
            self.armed = {unit for unit, alarm in wanted.items() if known.get(unit) == alarm.description}
            for unit in known.keys() - self.armed:
                await self._systemd.stop(unit)
            for unit in wanted.keys() - self.armed:
                await self._systemd.start(unit, wanted[unit].properties)
                self.armed.add(unit)
        except SystemdError as error:
            log.warning("the timers of scheduled jobs are not up to date: %s", error)
