"""A reading: what a dyno used at a moment."""

from __future__ import annotations

from dataclasses import dataclass

from hostd import sizes
from hostd.manager.dyno import Dyno
from hostd.manager.load import Load
from units.cgroups import Usage


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a dyno: its control group, and an id that no other run has."""

    control_group: str
    id: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a dyno used at a moment, and since the reading before: `cpu` seconds of processor in `span` seconds.

    `at` is by the clock on the wall. `span` is 0 if nobody looked before.
    """

    dyno: Dyno
    run: Run
    usage: Usage
    at: float
    span: float
    cpu: float
    load: Load

    @property
    def memory(self) -> int:
        """Bytes that count against the quota."""
        return used(self.usage)

    @property
    def quota(self) -> int:
        """Bytes that a dyno of its size should use at most."""
        return sizes.get(self.dyno.size).memory


def used(usage: Usage) -> int:
    """Bytes that count against the quota: what the kernel cannot take back, so not its cache of files."""
    return (usage.rss or 0) + (usage.shared or 0) + (usage.swap or 0)
