"""Does a web dyno come up? It must listen on its port and, if its app has a health check, answer that well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hostd.manager import words
from hostd.manager.check import Check, is_well, wait_well
from hostd.manager.desired import DesiredApp
from hostd.manager.dyno import DynoId, Place
from hostd.manager.probe import accepts, wait_accepting

_LEAST_SECONDS = 1.0
"""What a health check gets of a boot time that listening has used up."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a dyno did not come up: the log's lines, and a few words."""

    said: list[str]
    why: str


async def boot_trouble(desired: DesiredApp, place: Place, limit: float, clock: Callable[[], float]) -> Trouble | None:
    """Wait until the web dyno at *place* is up; what is wrong with it if it is not after *limit* seconds."""
    began = clock()
    if not await wait_accepting(place, limit):
        return Trouble(words.boot_timeout(limit), f"did not listen on $PORT within {limit:g} seconds, R10")
    if (check := check_of(desired)) is None:
        return None
    left = max(limit - (clock() - began), _LEAST_SECONDS)
    if (answer := await wait_well(place, check, left)) is None:
        return None
    return Trouble(words.check_failed(check.path, answer, limit), f"health check GET {check.path}: {answer}, R10")


async def came_up(desired: DesiredApp | None, dyno: DynoId, running_for: float, limit: float) -> bool:
    """True for a running dyno that an earlier hostd has seen come up, as far as can be told.

    One that has run for longer than it may take is not asked how it is: no health check ends a dyno that is up.
    """
    if dyno.type != "web" or desired is None:
        return dyno.type != "web"
    place = dyno.place
    if not await accepts(place):
        return False
    check = check_of(desired)
    return check is None or running_for > limit or await is_well(place, check)


def check_of(desired: DesiredApp) -> Check | None:
    """The health check of an app's web dynos, if they have one."""
    process = desired.process("web")
    return Check(process.check, desired.hosts[0]) if process is not None and process.check else None
