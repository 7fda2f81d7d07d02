"""The formation: how many dynos of which size each process type has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from hostd import names, sizes
from hostd.api.requests import answer, app_for, body_of, context_of, user_of
from hostd.api.shapes import formation_json
from hostd.context import Context
from hostd.errors import Invalid, NotFound
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.formation import Process
from hostd.names import ScaleChange

routes = web.RouteTableDef()


@routes.get("/apps/{app}/formation")
async def index(request: web.Request) -> web.Response:
    """Every process type of the current release."""
    return answer(_all(context_of(request), app_for(request)))


@routes.get("/apps/{app}/formation/{type}")
async def show(request: web.Request) -> web.Response:
    """One process type."""
    return answer(_one(context_of(request), app_for(request), request.match_info["type"]))


@routes.patch("/apps/{app}/formation")
async def update(request: web.Request) -> web.Response:
    """Scale several process types at once; answers with the whole formation. Not a release."""
    app_for(request, Right.OPERATE)
    await _scale(request, [_change(update) for update in (await body_of(request))["updates"]])
    return answer(_all(context_of(request), app_for(request)))


@routes.patch("/apps/{app}/formation/{type}")
async def update_one(request: web.Request) -> web.Response:
    """Scale one process type."""
    app_for(request, Right.OPERATE)
    type_ = request.match_info["type"]
    await _scale(request, [_change({**await body_of(request), "type": type_})])
    return answer(_one(context_of(request), app_for(request), type_))


def sentence(processes: Sequence[Process], resized: set[str], email: str) -> str:
    """The log line: `Scaled to web@2 worker@1:Standard-2X by you@example.com`; a size only where one was asked for."""
    said = (
        f"{process.type}@{process.quantity}" + (f":{sizes.title(process.size)}" if process.type in resized else "")
        for process in processes
    )
    return f"Scaled to {' '.join(said)} by {email}"


async def _scale(request: web.Request, changes: Sequence[ScaleChange]) -> None:
    context, app = context_of(request), app_for(request, Right.OPERATE)
    commands = commands_of(context, app)
    if not commands:
        raise Invalid(f"{app.name} has no process types yet: push it first, then scale it.")
    with context.ledger.transaction():
        before = context.ledger.formation.promised()
        processes = context.ledger.formation.scale(app.id, changes, commands)
        context.capacity.check(app.name, list(processes.values()), before, context.ledger.formation.promised())
    resized = {change.type for change in changes if change.size}
    context.events.api(app, sentence(list(processes.values()), resized, user_of(request).email))
    context.sleeper.wake(app.id)
    context.manager.nudge(app.id)


def _change(update: dict[str, Any]) -> ScaleChange:
    quantity, size = update.get("quantity"), update.get("size") or update.get("dyno_size")
    if isinstance(size, dict):
        size = size["name"]
    if quantity is None and size is None:
        raise Invalid(f"The update of {update['type'][:63]} has neither quantity nor size.")
    return names.scale_update(update["type"], quantity, size)


def _all(context: Context, app: App) -> list[dict[str, Any]]:
    formation = context.ledger.formation.get(app.id)
    return [
        formation_json(app, formation.get(type_) or Process(type_, 0), command)
        for type_, command in sorted(commands_of(context, app).items())
    ]


def _one(context: Context, app: App, type_: str) -> dict[str, Any]:
    for shown in _all(context, app):
        if shown["type"] == type_:
            return shown
    known = ", ".join(sorted(commands_of(context, app))) or "none, for it was never deployed"
    raise NotFound(f"{app.name} has no process type {type_!r}. Its process types: {known}.")


def commands_of(context: Context, app: App) -> dict[str, str]:
    """The process types of what the app runs, with their commands; none before its first deploy."""
    return context.ledger.slugs.commands(context.ledger.releases.current(app.id).slug_id)
