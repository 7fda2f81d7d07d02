"""The planner: what to do next for one app, computed as a value from what is wanted and what is."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from hostd.manager.desired import DesiredApp


class Phase(enum.Enum):
    """Where a dyno stands, as the planner needs to know it."""

    STARTING = "starting"
    UP = "up"
    CRASHED = "crashed"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Observed:
    """One dyno of a formation that exists, whatever its release."""

    unit: str
    type: str
    number: int
    version: int
    phase: Phase
    retry_at: float = 0.0
    """For a crashed dyno: when it may be tried again (seconds, the manager's clock)."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start dyno ``type.number`` of the wanted release: a new one, or a crashed one anew."""

    type: str
    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Drain and stop a dyno that is not wanted any more."""

    unit: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Forget a dyno that has already ended and is not wanted any more."""

    unit: str


Action = Start | Stop | Remove


def plan(desired: DesiredApp | None, observed: Sequence[Observed], now: float) -> list[Action]:
    """Return the steps that bring *observed* towards *desired*; an empty list when they agree.

    *desired* is None for an app that is gone. Web dynos of an older release are kept as long as the
    wanted release is not serving (Heroku's preboot): a release that does not come up takes no traffic
    away from the one before it. All other dynos of an older release are stopped at once.
    """
    wanted = _wanted(desired)
    version = desired.version if desired else 0
    here = {(dyno.type, dyno.number): dyno for dyno in observed if dyno.version == version}
    keep_older_web = bool(desired and desired.web_quantity) and not web_ready(desired, observed)
    actions: list[Action] = []
    for slot in wanted:
        dyno = here.get(slot)
        if dyno is None or (dyno.phase is Phase.CRASHED and dyno.retry_at <= now):
            actions.append(Start(*slot))
    for dyno in observed:
        if dyno.version == version and (dyno.type, dyno.number) in wanted:
            continue
        if dyno.phase is Phase.STOPPING:
            continue
        if dyno.phase is Phase.CRASHED:
            actions.append(Remove(dyno.unit))
        elif not (keep_older_web and dyno.type == "web" and dyno.phase is Phase.UP):
            actions.append(Stop(dyno.unit))
    return actions


def web_ready(desired: DesiredApp | None, observed: Sequence[Observed]) -> bool:
    """True when every wanted web dyno of the wanted release is up (and at least one is wanted)."""
    if desired is None or not desired.web_quantity:
        return False
    up = {
        dyno.number
        for dyno in observed
        if dyno.type == "web" and dyno.version == desired.version and dyno.phase is Phase.UP
    }
    return all(number in up for number in range(1, desired.web_quantity + 1))


def next_wake(observed: Sequence[Observed], now: float) -> float | None:
    """Seconds until a crashed dyno is due again; None if nothing waits for the clock."""
    waits = [dyno.retry_at - now for dyno in observed if dyno.phase is Phase.CRASHED and dyno.retry_at > now]
    return min(waits) if waits else None


def cool_off(crashes: int, steps: Sequence[float]) -> float:
    """Seconds to wait before the next try after *crashes* crashes in a row (1 is the first).

    The first restart is immediate, as Heroku does; then the pauses of *steps*, the last one for ever.
    """
    if crashes <= 0:
        return 0.0
    return steps[min(crashes, len(steps)) - 1]


def _wanted(desired: DesiredApp | None) -> list[tuple[str, int]]:
    if desired is None or desired.slug_id is None:
        return []
    return [
        (process.type, number)
        for process in desired.processes
        for number in range(1, process.quantity + 1)
    ]
