"""Which dynos of an app the router may send requests to: a pure function of what is wanted and what is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hostd.manager.desired import DesiredApp
from hostd.manager.dyno import Place
from hostd.manager.planner import Observed, Phase, web_ready


def serving(desired: DesiredApp, observed: Sequence[Observed]) -> list[Observed]:
    """Return the web dynos that take traffic.

    All of the wanted release as soon as every one of them is up; until then those of the newest older
    release that are still up; with none of those, whatever is up of the wanted release.
    """
    up = [dyno for dyno in observed if dyno.type == "web" and dyno.phase is Phase.UP]
    current = [dyno for dyno in up if dyno.version == desired.version]
    older = [dyno for dyno in up if dyno.version < desired.version]
    if older and desired.web_quantity and not web_ready(desired, observed):
        newest = max(dyno.version for dyno in older)
        return [dyno for dyno in older if dyno.version == newest]
    return [dyno for dyno in current if dyno.number <= desired.web_quantity]


def route(desired: DesiredApp, observed: Sequence[Observed], places: Mapping[str, Place]) -> dict[str, Any]:
    """Return the app's entry of the route table; *places* maps a unit to where it listens."""
    chosen = serving(desired, observed)
    return {
        "id": desired.id,
        "name": desired.name,
        "hosts": list(desired.hosts),
        "state": _state(desired, observed, bool(chosen)),
        "dynos": [
            {
                "name": f"{dyno.type}.{dyno.number}",
                "address": places[dyno.unit].address,
                "port": places[dyno.unit].port,
            }
            for dyno in chosen
        ],
    }


def _state(desired: DesiredApp, observed: Sequence[Observed], up: bool) -> str:
    if desired.maintenance:
        return "maintenance"
    if up:
        return "up"
    if not desired.web_quantity:
        return "none"
    crashed = [
        dyno
        for dyno in observed
        if dyno.type == "web" and dyno.version == desired.version and dyno.phase is Phase.CRASHED
    ]
    return "crashed" if len(crashed) >= desired.web_quantity else "starting"
