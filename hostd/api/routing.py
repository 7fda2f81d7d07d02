"""Routing: what an app wants of the router: names that stay out of the log, a pause. Heroku has no such resource."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from aiohttp import web

from hostd.api.requests import answer, app_for, body_of, context_of, user_of
from hostd.api.shapes import moment
from hostd.context import Context
from hostd.errors import Invalid
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.database import utc_now

routes = web.RouteTableDef()

MOST_NAMES = 50

_NAME = re.compile(r"[^\x00-\x20\x7f&;=,+%#]{1,64}")


@routes.get("/hostd/apps/{app}/routing")
async def show(request: web.Request) -> web.Response:
    """`masked`, the query parameters whose values stay out of the log, and `paused_until`, or null."""
    return answer(_json(context_of(request), app_for(request)))


@routes.patch("/hostd/apps/{app}/routing")
async def update(request: web.Request) -> web.Response:
    """Change `masked`, a list of names, or `pause`: for how many seconds requests wait, or null for no longer."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    masked = _names(body["masked"]) if "masked" in body else None
    pause: int | None = body.get("pause")
    said = []
    if masked is not None:
        context.ledger.masks.set(app.id, masked)
        said.append(f"Keep the values of {', '.join(masked)} out of the log" if masked else "Log all of each query")
    if pause:
        until = utc_now() + timedelta(seconds=pause)
        context.ledger.pauses.begin(app.id, until)
        said.append(f"Pause requests for {pause} s, until {moment(until)},")
    elif "pause" in body:
        context.ledger.pauses.end(app.id)
        said.append("Resume requests")
    await context.manager.route(app.id)
    for text in said:
        context.events.api(app, f"{text} by {user.email}")
    return answer(_json(context, app))


def _names(value: list[str]) -> list[str]:
    for name in value:
        if not _NAME.fullmatch(name):
            raise Invalid(f"{name[:64]!r} is not the name of a query parameter, as an app reads it: token, user[token]")
    if len(value) > MOST_NAMES:
        raise Invalid(f"At most {MOST_NAMES} names can be masked.")
    return sorted(set(value))


def _json(context: Context, app: App) -> dict[str, Any]:
    return {
        "masked": list(context.ledger.masks.get(app.id)),
        "paused_until": moment(context.ledger.pauses.until(app.id)),
    }
