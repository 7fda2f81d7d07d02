"""Logs: where an app's log is, how much is in it, and how much of it is kept."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hostd.api.requests import answer, app_for, body_of, context_of, user_of
from hostd.api.shapes import moment
from hostd.context import Context
from hostd.errors import Invalid, Unavailable
from hostd.journals import namespace
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.log_limits import LogLimits
from hostd.settings_rules import LARGEST_LOG_MB, SMALLEST_LOG_MB
from units.journal import JournalUnavailable

routes = web.RouteTableDef()

SHORTEST, LONGEST = 7, 3650
"""Days of retention."""


@routes.get("/hostd/apps/{app}/logs")
async def show(request: web.Request) -> web.Response:
    """The journal namespace of an app, what is in it, and its limits.

    `size_mb` in MiB and `retention_days` (null: as long as there is room) are in force; `own` has those that are the
    app's own, or null. `rate` is the number of lines a second that each dyno may write (0: any).
    """
    context, app = context_of(request), app_for(request)
    return answer(await _json(context, app))


@routes.patch("/hostd/apps/{app}/logs")
async def update(request: web.Request) -> web.Response:
    """Change an app's limits: `{"size_mb": MiB, "retention_days": days}`; what is left out stays, null is the default.

    What is beyond a smaller limit is deleted at once.
    """
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    before = context.ledger.log_limits.get(app.id)
    limits = LogLimits(
        size_mb=_number(body, "size_mb", before.size_mb, (SMALLEST_LOG_MB, LARGEST_LOG_MB), "MiB"),
        retention_days=_number(body, "retention_days", before.retention_days, (SHORTEST, LONGEST), "days"),
    )
    context.ledger.log_limits.set(app.id, limits)
    context.events.api(app, f"Set log limits to {_words(context, limits)} by {user.email}")
    await context.journals.limit(app.id)
    return answer(await _json(context, app))


def _number(body: dict[str, Any], name: str, before: int | None, bounds: tuple[int, int], unit: str) -> int | None:
    value: int | None = body.get(name, before)
    if value is None:
        return None
    if not bounds[0] <= value <= bounds[1]:
        raise Invalid(f"{name} must be {bounds[0]} to {bounds[1]} {unit}, not {value}.")
    return value


def _words(context: Context, limits: LogLimits) -> str:
    days = f"{limits.retention_days} days" if limits.retention_days else "as long as there is room"
    return f"{limits.size_mb or context.settings.log_size_mb} MB, {days}"


async def _json(context: Context, app: App) -> dict[str, Any]:
    own = context.ledger.log_limits.get(app.id)
    try:
        found = await context.journals.contents(app.id)
    except JournalUnavailable as error:
        raise Unavailable(f"The log of {app.name} cannot be looked at: {error}.") from error
    return {
        "namespace": namespace(app.id),
        "size_bytes": found.size,
        "lines": found.entries,
        "oldest_at": moment(found.oldest_us / 1e6) if found.entries else None,
        "newest_at": moment(found.newest_us / 1e6) if found.entries else None,
        "size_mb": own.size_mb or context.settings.log_size_mb,
        "retention_days": own.retention_days,
        "own": {"size_mb": own.size_mb, "retention_days": own.retention_days},
        "rate": context.settings.log_rate,
    }
