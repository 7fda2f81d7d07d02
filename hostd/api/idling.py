"""Idling: when an app sleeps for want of requests."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hostd.api.requests import answer, app_for, body_of, context_of, user_of
from hostd.api.shapes import moment
from hostd.context import Context
from hostd.ledger.access import Right
from hostd.ledger.apps import App

routes = web.RouteTableDef()


@routes.get("/hostd/apps/{app}/idle")
async def show(request: web.Request) -> web.Response:
    """After how many seconds without a request the app sleeps, `after`, or null; and since when it does, or null."""
    return answer(_json(context_of(request), app_for(request)))


@routes.patch("/hostd/apps/{app}/idle")
async def update(request: web.Request) -> web.Response:
    """Let the app sleep: `{"after": seconds, or null for never}`. Null wakes it."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    after = (await body_of(request))["after"]
    if after is None:
        context.sleeper.wake(app.id)
    context.ledger.idling.set(app.id, after)
    context.events.api(app, f"Set idling to {'off' if after is None else f'{after} seconds'} by {user.email}")
    context.sleeper.nudge()
    return answer(_json(context, app))


def _json(context: Context, app: App) -> dict[str, Any]:
    idle = context.ledger.idling.get(app.id)
    sleeps = idle is not None and idle.idled_version == context.ledger.releases.current(app.id).version
    return {"after": idle.after if idle else None, "asleep_since": moment(idle.idled_at) if idle and sleeps else None}
