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


class Why(enum.Enum):
    """Why a dyno that is wanted is started anew; the log says it."""

    RESIZED = "Restarting with its new size"
    CYCLED = "Cycling"
    RESTARTED = "Restarting"
    LOG_MOVED = "Restarting to log where this version of hostd keeps its log"
    CHANGED = "Changed from outside hostd, as with systemctl set-property: restarting as it was"


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
    size: str = ""
    """The size that it runs with; empty for any."""
    cycle_at: float | None = None
    """When it has run long enough and is replaced; None for never."""
    due: Why | None = None
    """Why it is to be replaced whatever its size and age."""


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
class Replace:
    """Drain and stop a dyno that is wanted, so that a fresh one is started in its place."""

    unit: str
    why: Why


@dataclass(frozen=True, slots=True)
class Remove:
    """Forget a dyno that has already ended and is not wanted any more."""

    unit: str


Action = Start | Stop | Replace | Remove


def plan(desired: DesiredApp | None, observed: Sequence[Observed], now: float) -> list[Action]:
    """Return the steps that bring *observed* towards *desired*; an empty list when they agree.

    *desired* is None for an app that is gone. Web dynos of an older release are kept as long as the
    wanted release is not serving (Heroku's preboot): a release that does not come up takes no traffic
    away from the one before it. All other dynos of an older release are stopped at once.

    Dynos of another size than the wanted one, those that are due for another reason, and those that have run long
    enough are replaced one after the other, each when the one before it is up.
    """
    wanted = desired.slots if desired else []
    version = desired.version if desired else 0
    here = {(dyno.type, dyno.number): dyno for dyno in observed if dyno.version == version}
    keep_older_web = bool(desired and desired.web_quantity) and not web_ready(desired, observed)
    actions: list[Action] = []
    for slot in wanted:
        dyno = here.get(slot)
        if dyno is None or (dyno.phase is Phase.CRASHED and (dyno.retry_at <= now or _resized(desired, dyno))):
            actions.append(Start(*slot))
    missing = {type_ for type_, number in wanted if (type_, number) not in here}
    actions += _replacements(desired, [here[slot] for slot in wanted if slot in here], missing, now)
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
    """Seconds until a crashed dyno is due again, or one that is up has run long enough; None for neither."""
    crashed = [dyno.retry_at for dyno in observed if dyno.phase is Phase.CRASHED]
    old = [dyno.cycle_at for dyno in observed if dyno.phase is Phase.UP and dyno.cycle_at is not None]
    waits = [moment - now for moment in (*crashed, *old) if moment > now]
    return min(waits) if waits else None


def cycle_at(started: float, after: float, spread: float, share: float) -> float | None:
    """When a dyno that was started then is to be replaced; None if *after* is 0: never.

    *share* (0 to 1) is its share of the *spread*: dynos that start together must not be replaced together.
    """
    return started + after + spread * share if after else None


def cool_off(crashes: int, steps: Sequence[float]) -> float:
    """Seconds to wait before the next try after *crashes* crashes in a row (1 is the first).

    The first restart is immediate, as Heroku does; then the pauses of *steps*, the last one for ever.
    """
    if crashes <= 0:
        return 0.0
    return steps[min(crashes, len(steps)) - 1]


def _replacements(
    desired: DesiredApp | None, dynos: Sequence[Observed], missing: set[str], now: float
) -> list[Action]:
    """At most one dyno of each type that is up, and none of the types of which one is *missing*.

    *dynos* are those of the formation that are wanted.
    """
    actions: list[Action] = []
    moving = missing | {dyno.type for dyno in dynos if dyno.phase in (Phase.STARTING, Phase.STOPPING)}
    crashed = {dyno.type for dyno in dynos if dyno.phase is Phase.CRASHED}
    for dyno in dynos:
        if dyno.phase is Phase.STARTING and _resized(desired, dyno):
            actions.append(Replace(dyno.unit, Why.RESIZED))
        if dyno.phase is not Phase.UP or dyno.type in moving:
            continue
        why = Why.RESIZED if _resized(desired, dyno) else None
        if why is None and dyno.type not in crashed:
            old = dyno.cycle_at is not None and dyno.cycle_at <= now
            why = dyno.due or (Why.CYCLED if old else None)
        if why is not None:
            actions.append(Replace(dyno.unit, why))
            moving.add(dyno.type)
    return actions


def _resized(desired: DesiredApp | None, dyno: Observed) -> bool:
    process = desired.process(dyno.type) if desired else None
    return bool(process and dyno.size and dyno.size != process.size)
