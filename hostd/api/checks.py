"""Health checks: what a web dyno has to answer before it gets requests. Heroku has no such resource."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hostd import names
from hostd.api.requests import answer, app_for, body_of, context_of, text_field, user_of
from hostd.context import Context
from hostd.errors import NotFound
from hostd.ledger.access import Right
from hostd.ledger.apps import App

routes = web.RouteTableDef()


@routes.get("/hostd/apps/{app}/checks")
async def index(request: web.Request) -> web.Response:
    """The checks that count: those that people have set, and those of the release's app.json."""
    return answer(_all(context_of(request), app_for(request)))


@routes.put("/hostd/apps/{app}/checks/{type}")
async def replace(request: web.Request) -> web.Response:
    """Ask dynos of a type for `path`, from their next start on; in place of what app.json says."""
    context, app, type_ = context_of(request), app_for(request, Right.OPERATE), request.match_info["type"]
    path = names.check_path(text_field(await body_of(request), "path"))
    context.ledger.checks.set(app.id, type_, path)
    context.events.api(app, f"Set health check of {type_} to {path} by {user_of(request).email}")
    context.manager.nudge(app.id)
    return answer(_all(context, app))


@routes.delete("/hostd/apps/{app}/checks/{type}")
async def forget(request: web.Request) -> web.Response:
    """Forget what was set for a type; what app.json says counts again."""
    context, app, type_ = context_of(request), app_for(request, Right.OPERATE), request.match_info["type"]
    if not context.ledger.checks.unset(app.id, type_):
        raise NotFound(f"No health check was set for {type_[:63]} of {app.name}. See `hostctl checks -a {app.name}`.")
    context.events.api(app, f"Unset health check of {type_} by {user_of(request).email}")
    context.manager.nudge(app.id)
    return answer(_all(context, app))


def _all(context: Context, app: App) -> list[dict[str, Any]]:
    release, chosen = context.ledger.releases.current(app.id), context.ledger.checks.get(app.id)
    declared = context.ledger.slugs.get(release.slug_id).checks if release.slug_id else {}
    return [
        {"type": type_, "path": path, "source": "checks:set" if type_ in chosen else "app.json"}
        for type_, path in sorted({**declared, **chosen}.items())
    ]
