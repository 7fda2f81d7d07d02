"""Is everything as the ledger says? What there is on the machine, compared with what there should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hostd.manager.dyno import DynoId, parse_description
from hostd.manager.visits import VISIT_UNITS
from router.table import PLATFORMS
from tests.support.platform import Platform
from tests.support.waiting import wait_until

SURVEY = Path(__file__).with_name("survey.py").read_text()
WORKERS = 2
SETTLED_SECONDS = 60.0


def survey(platform: Platform) -> dict[str, Any]:
    """What the ledger wants and what there is; see `tests/support/survey.py`."""
    found: dict[str, Any] = platform.python(SURVEY)
    return found


def in_order(platform: Platform) -> dict[str, Any]:
    """The survey, if everything is as the ledger says; an AssertionError that tells what is not."""
    found = survey(platform)
    wrong = list(disagreements(found))
    assert not wrong, "\n".join(wrong)
    return found


def settled(platform: Platform) -> dict[str, Any]:
    """Wait until everything is as the ledger says; the survey."""
    return wait_until(lambda: in_order(platform), SETTLED_SECONDS)


def running(found: Mapping[str, Any]) -> dict[str, DynoId]:
    """The dynos among the units of a survey, by the unit's name."""
    dynos = {unit["unit"]: parse_description(unit["description"]) for unit in found["units"]}
    return {name: dyno for name, dyno in dynos.items() if dyno is not None}


def disagreements(found: Mapping[str, Any]) -> Iterator[str]:
    """What is not as the ledger says, one line each: missing, left over, or in the wrong state."""
    wanted = {unit for app in found["apps"] for unit in wanted_units(app)}
    dynos = running(found)
    yield from _differ("unit", dynos, wanted)
    names = {unit.removesuffix(".service") for unit in wanted}
    yield from _differ("dyno's files", found["dynos"], names)
    yield from _differ("dyno's temporary files", found["scratch"], names)
    yield from _differ("environment file", found["environments"], {f"{unit}.env" for unit in wanted})
    yield from _differ("session", found["sessions"], set())
    yield from _differ("visit", found["visits"], set())
    visiting = [unit for unit in _names(found) if VISIT_UNITS.fullmatch(unit)]
    yield from _differ("visit's unit", visiting, set())
    yield from _differ("slug", found["slugs"], set(found["kept_slugs"]))
    yield from _differ("stack", found["stacks"], set(found["kept_stacks"]))
    making = [unit for unit in _names(found) if unit.startswith("hostd-stack-debian-")]
    yield from _differ("stack's unit", making, set())
    yield from _differ("build", found["builds"], set())
    yield from _differ("pending build", found["pending_builds"], set())
    yield from _differ("build's unit", (unit for unit in _names(found) if unit.startswith("hostd-build-")), set())
    yield from _differ("network", found["networks"], names)
    yield from _differ("network that is kept", found["kept_networks"], names)
    ids = {app["id"] for app in found["apps"]}
    yield from _differ("cache", found["caches"], ids, needed=False)
    yield from _differ("repository", found["repositories"], {f"{id_}.git" for id_ in ids}, needed=False)
    uids = {app["uid"] for app in found["apps"]}
    yield from _differ("account", found["accounts"], uids, needed=False)
    yield from _differ("passwd file of uid", found["identities"], uids, needed=False)
    for unit in found["units"]:
        if unit["unit"] in wanted and unit["sub"] != "running":
            yield f"{unit['unit']} is {unit['active']} ({unit['sub']})"
    yield from _differ("router worker", found["tables"], {"file", *map(str, range(1, WORKERS + 1))})
    yield from _differ("table's sequence", {table["sequence"] for table in found["tables"].values()}, None)
    routes = {app["id"]: wanted_route(app, dynos.values()) for app in found["apps"]}
    for name, table in found["tables"].items():
        # The platform's own entry, which leads to its API, is no app's.
        there = {app["id"]: app for app in table["apps"] if app["id"] not in PLATFORMS}
        yield from _differ(f"route of table {name}", there, set(routes))
        for app_id in set(there) & set(routes):
            if _sorted(there[app_id]) != routes[app_id]:
                yield f"table {name} has {_sorted(there[app_id])} instead of {routes[app_id]}"


def wanted_units(app: Mapping[str, Any]) -> list[str]:
    """The units of an app's formation."""
    return [
        f"hostd-{app['name']}-{type_}.{number}-v{app['version']}.service"
        for type_, quantity in app["formation"].items()
        for number in range(1, quantity + 1)
    ]


def wanted_route(app: Mapping[str, Any], dynos: Iterable[DynoId]) -> dict[str, Any]:
    """An app's entry of the route table when all its web dynos run."""
    web = [dyno for dyno in dynos if dyno.app == app["name"] and dyno.type == "web" and dyno.version == app["version"]]
    places = [{"name": dyno.name, "address": dyno.place.address, "port": dyno.place.port} for dyno in web]
    return _sorted(
        {
            "id": app["id"],
            "name": app["name"],
            "hosts": [f"{app['name']}.localhost", *app["domains"]],
            "state": "up" if app["formation"].get("web") else "none",
            "dynos": places,
        }
    )


def _sorted(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "dynos": sorted(entry["dynos"], key=lambda dyno: str(dyno["name"]))}


def _names(found: Mapping[str, Any]) -> list[str]:
    return [unit["unit"] for unit in found["units"]]


def _differ(what: str, there: Iterable[Any], wanted: set[Any] | None, *, needed: bool = True) -> Iterator[str]:
    """One line for each thing left over or missing; `wanted` None means that all should be the same."""
    found = set(there)
    if wanted is None:
        if len(found) != 1:
            yield f"not one {what}: {sorted(found)}"
        return
    for name in sorted(found - wanted, key=str):
        yield f"{what} left over: {name}"
    for name in sorted(wanted - found if needed else (), key=str):
        yield f"{what} missing: {name}"
