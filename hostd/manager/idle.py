"""Dynos that sleep, and when an app may. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hostd.manager.desired import DesiredApp
from hostd.manager.dyno import Dyno, DynoState


def idle_dynos(desired: DesiredApp | None, running: Iterable[Dyno]) -> list[Dyno]:
    """The dynos that have no unit until a request comes, as users see them; not those that are still being stopped."""
    if desired is None or desired.idled_at is None:
        return []
    here = {(dyno.type, dyno.number) for dyno in running}
    return [_idle(desired, type_, number) for type_, number in desired.idle if (type_, number) not in here]


def awake_for(after: float, quiet: float, web: Sequence[Dyno], now: float) -> float:
    """For how many seconds more an app is to be awake that sleeps after so many without a request; 0 for no more.

    *quiet* is for how long there was none, *web* its web dynos. One that starts, crashes or has just come up counts as
    activity: somebody waits for it, or wants to see what is wrong.
    """
    if not web or any(dyno.state is not DynoState.UP for dyno in web):
        return after
    return max(0.0, after - min(quiet, now - max(dyno.since for dyno in web)))


def _idle(desired: DesiredApp, type_: str, number: int) -> Dyno:
    process = desired.process(type_)
    assert process is not None and desired.idled_at is not None
    return Dyno(
        id=f"{desired.id}:{type_}.{number}:v{desired.version}",
        app_id=desired.id,
        name=f"{type_}.{number}",
        type=type_,
        number=number,
        version=desired.version,
        state=DynoState.IDLE,
        since=desired.idled_at,
        command=process.command,
        size=process.size,
        address="",
        port=0,
    )
