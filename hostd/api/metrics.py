"""Metrics: of an app, of all apps, what dynos use now, and everything for Prometheus."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from hostd import __version__
from hostd.api.requests import admin_of, answer, app_for, context_of, user_of
from hostd.api.shapes import moment
from hostd.context import Context
from hostd.errors import BadRequest, Invalid, NotFound, Unavailable
from hostd.ledger.apps import App
from hostd.manager.dyno import DynoState
from hostd.manager.reading import Reading
from hostd.metrics import exposition, report
from hostd.metrics.collector import Collector
from hostd.metrics.points import FIVE, MINUTE, Points, Stretch
from hostd.metrics.store import DAY, KEPT, StoreError

routes = web.RouteTableDef()

USUAL = DAY
"""Seconds that a report is of."""
USUAL_OF_ALL = 3600
MOST_RELEASES = 200
_MEGABYTE = 1 << 20


@routes.get("/apps/{app}/metrics")
async def show(request: web.Request) -> web.Response:
    """An app's metrics in steps of `step` seconds from `since` to `until`, of all dynos, a `type`, or a `dyno`."""
    context, app = context_of(request), app_for(request)
    stretch = _stretch(request, USUAL)._replace(app=app.id)
    points = await _history(context, stretch)
    type_, dyno = request.query.get("type"), request.query.get("dyno")
    if dyno is not None:
        points = report.only(points, lambda name: name == dyno)
    elif type_ is not None:
        # What no dyno was asked was meant for the web dynos.
        points = report.only(points, lambda name: (name or "web.0").partition(".")[0] == type_)
    if (named := dyno or type_) is not None and not points.all():
        raise NotFound(f"Nothing is known of {named[:60]!r}: {app.name} has had no such dyno in this time.")
    found = report.report(points, stretch, await context.metrics.born(app.id))
    return answer({"app": _named(app), **found, "releases": _releases(context, app, stretch)})


@routes.get("/hostd/metrics/apps")
async def index(request: web.Request) -> web.Response:
    """Each app that the user may work on, from `since` to `until` in sum."""
    context = context_of(request)
    asked = _stretch(request, USUAL_OF_ALL)
    if asked.until - asked.since > DAY:
        raise Invalid("The time must be at most a day here: that of one app may be longer.")
    # Minutes of all apps are many; what is told is the same.
    points = await _history(context, asked._replace(step=MINUTE if asked.until - asked.since <= 7200 else FIVE))
    known = report.apps(points)
    nothing = report.summary(Points())
    return answer(
        [
            {
                "app": _named(app),
                "dynos": sum(dyno.state is DynoState.UP for dyno in context.manager.dynos(app.id)),
                "seconds": asked.until - asked.since,
                **known.get(app.id, nothing),
            }
            for app in _apps(request)
        ]
    )


@routes.get("/hostd/apps/{app}/usage")
async def usage(request: web.Request) -> web.Response:
    """What the app's dynos use at this moment."""
    return answer(_usage(context_of(request), app_for(request)))


@routes.get("/hostd/usage")
async def usage_of_all(request: web.Request) -> web.Response:
    """What the dynos of all apps use at this moment that the user may work on."""
    context = context_of(request)
    return answer([dyno for app in _apps(request) for dyno in _usage(context, app)])


@routes.get("/hostd/metrics")
async def everything(request: web.Request) -> web.StreamResponse:
    """Everything in Prometheus' text format 0.0.4, for admins."""
    context = context_of(request)
    admin_of(request)
    await context.metrics.count()
    text = exposition.text(await _snapshot(context))
    return web.Response(body=text.encode(), headers={"Content-Type": exposition.CONTENT_TYPE})


def _stretch(request: web.Request, usual: int) -> Stretch:
    """`since`, `until` (a time, or seconds since the epoch) and `step`. Raises BadRequest, Invalid."""
    now = time.time()
    until = _moment(request, "until", now)
    since = _moment(request, "since", until - usual)
    if not since < until:
        raise Invalid("since must be before until.")
    if until > now + DAY:
        raise Invalid("until lies in the future.")
    if now - since > KEPT[FIVE] + DAY:
        raise Invalid(f"Metrics are kept for {KEPT[FIVE] // DAY} days: since lies before that.")
    step = _step(request, int(until - since), int(now - since))
    # The first step is told whole, as its beginning may have been asked for by a rounded time.
    return Stretch(int(since) // step * step, int(until) + 1, step)


def _step(request: web.Request, seconds: int, ago: int) -> int:
    text = request.query.get("step")
    if text is None:
        return max(report.usual_step(seconds), report.finest_step(ago))
    step = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
    if not step or step % MINUTE or DAY % step:
        raise BadRequest("step must be a number of seconds, 60 or a multiple that divides a day: 60, 300, 900, 3600.")
    if step % report.finest_step(ago):
        raise Invalid(f"Minutes are kept for {KEPT[MINUTE] // DAY} days: before that the shortest step is {FIVE}.")
    if seconds / step > report.MOST_STEPS:
        raise Invalid(f"These would be more than {report.MOST_STEPS} figures of each metric: ask for longer steps.")
    return step


def _moment(request: web.Request, name: str, usual: float) -> float:
    text = request.query.get(name)
    if text is None:
        return usual
    try:
        if text.isascii() and text.isdigit() and len(text) <= 11:
            return float(text)
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadRequest(f"{name} must be a time such as 2026-01-27T10:48:08Z, or seconds since 1970.") from None


async def _history(context: Context, stretch: Stretch) -> Points:
    try:
        return await context.metrics.history(stretch)
    except StoreError as error:
        raise Unavailable(f"The metrics cannot be read now: {error}.") from error


def _apps(request: web.Request) -> list[App]:
    return list(context_of(request).ledger.apps.list_for(user_of(request)))


def _usage(context: Context, app: App) -> list[dict[str, Any]]:
    dynos = context.manager.dynos(app.id)
    found = {reading.dyno.unit: reading for reading in context.metrics.usage.look(dynos)}
    return [
        {
            "app": _named(app),
            "name": dyno.name,
            "type": dyno.type,
            "state": dyno.state.value,
            "size": dyno.size,
            "release": dyno.version,
            "since": moment(dyno.since),
            **_figures(found.get(dyno.unit)),
        }
        for dyno in dynos
        if dyno.state not in (DynoState.COMPLETE, DynoState.DOWN)
    ]


def _figures(reading: Reading | None) -> dict[str, Any]:
    if reading is None:
        return dict.fromkeys(("cpu", "memory", "quota", "memory_quota", "swap", "load", "cpu_seconds"))
    known, load = reading.usage, reading.load
    return {
        "cpu": round(100 * reading.cpu / reading.span, 1) if reading.span else None,
        "memory": round(reading.memory / _MEGABYTE, 2),
        "quota": reading.quota // _MEGABYTE,
        "memory_quota": round(100 * reading.memory / reading.quota, 1),
        "swap": round((known.swap or 0) / _MEGABYTE, 2),
        "load": [round(load.one, 2), round(load.five, 2), round(load.fifteen, 2)],
        "cpu_seconds": None if known.cpu_seconds is None else round(known.cpu_seconds, 2),
    }


def _releases(context: Context, app: App, stretch: Stretch) -> list[dict[str, Any]]:
    return [
        {
            "version": release.version,
            "at": int(release.created_at.timestamp()),
            "description": release.description,
            "user": {"email": release.user_email},
        }
        for release in reversed(context.ledger.releases.list(app.id, MOST_RELEASES))
        if stretch.since <= release.created_at.timestamp() < stretch.until
    ]


async def _snapshot(context: Context) -> exposition.Snapshot:
    apps, metrics = context.ledger.apps.list(), context.metrics
    dynos = [dyno for app in apps for dyno in context.manager.dynos(app.id)]
    current = {app.id: context.ledger.releases.current(app.id) for app in apps}
    return exposition.Snapshot(
        version=__version__,
        apps={app.id: app.name for app in apps},
        releases={app: (release.version, release.created_at.timestamp()) for app, release in current.items()},
        dynos=Counter((dyno.app_id, dyno.type, dyno.state.value) for dyno in dynos),
        readings=metrics.usage.latest(dynos),
        totals=metrics.totals,
        happened=metrics.tally.total,
        in_flight=metrics.in_flight,
        tunnels=metrics.tunnels,
        held=metrics.held,
        certificates=_certificates(context, apps),
        platform={
            "apps": ("Apps.", "gauge", len(apps)),
            "pool_bytes": ("Bytes of the disk of slugs and dynos.", "gauge", context.pool.total_bytes()),
            "pool_free_bytes": ("Bytes that are free there.", "gauge", context.pool.free_bytes()),
            "networks": ("Networks of dynos and builds.", "gauge", context.networks.held),
            **await _store(metrics),
        },
    )


async def _store(metrics: Collector) -> dict[str, tuple[str, str, float]]:
    try:
        taken, rows = await asyncio.to_thread(metrics.store.size)
    except StoreError:
        # That it cannot be read is in the log, and no reason to tell nothing else.
        return {}
    return {
        "store_bytes": ("Bytes of the store of metrics that are in use.", "gauge", taken),
        "store_rows": ("Rows in the store of metrics.", "gauge", rows),
    }


def _certificates(context: Context, apps: Iterable[App]) -> list[exposition.Certificate]:
    own = context.certificates.platform()
    platform = [exposition.Certificate("", "platform", own.expires_at.timestamp())] if own is not None else []
    return platform + [
        exposition.Certificate(app.name, each.name, each.expires_at.timestamp())
        for app in apps
        for each in context.ledger.certificates.list(app.id)
    ]


def _named(app: App) -> dict[str, str]:
    return {"id": app.id, "name": app.name}
