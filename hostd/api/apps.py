"""Apps: list, create, show, rename, maintenance, destroy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from hostd import names
from hostd.api.identity import known_owner
from hostd.api.regions import check_region
from hostd.api.requests import (
    ASKED,
    Asked,
    answer,
    answer_list,
    app_for,
    body_of,
    context_of,
    flag_field,
    optional_text,
    refuse_during_deploy,
    text_field,
    user_of,
)
from hostd.api.shapes import app_json
from hostd.api.teams import no_space, no_team
from hostd.api.users import named_user
from hostd.context import Context
from hostd.deploys import destroying, origins
from hostd.errors import Invalid
from hostd.ledger.access import Right
from hostd.ledger.apps import HOST_STACK, App

routes = web.RouteTableDef()


@routes.get("/apps")
async def index(request: web.Request) -> web.Response:
    """All apps the user may work on; for an admin that is every app."""
    context, user = context_of(request), user_of(request)
    apps = context.ledger.apps.list() if user.admin else context.ledger.apps.list_for(user)
    return _listed(request, apps)


def _listed(request: web.Request, apps: Sequence[App]) -> web.Response:
    context = context_of(request)
    sortable: dict[str, Callable[[App], str | int]] = {"name": lambda app: app.name, "id": lambda app: app.id}
    return answer_list(request, apps, sortable=sortable, default="name", shape=shower(context, apps))


@routes.get("/users/{user}/apps")
async def theirs(request: web.Request) -> web.Response:
    """The apps that a user owns or collaborates on: the caller's own (`~`), or for an admin anybody's."""
    return _listed(request, context_of(request).ledger.apps.list_for(named_user(request)))


@routes.post("/apps")
async def create(request: web.Request) -> web.Response:
    """Create an app; without a name it gets a generated one. `buildpacks` and `stack` are chosen for it."""
    context, user = context_of(request), known_owner(user_of(request))
    body = await body_of(request)
    name, packs = body.get("name"), body.get("buildpacks") or []
    refuse_elsewhere(body)
    chosen, stack = origins.buildpacks(packs), stack_named(context, name_of(body.get("stack")) or HOST_STACK)
    with context.ledger.transaction():
        app = context.ledger.apps.create(None if name is None else names.app_name(name), user.id, stack)
        context.ledger.buildpacks.replace(app.id, chosen)
    await context.journals.ensure([app.id])
    release = context.ledger.releases.current(app.id)
    request[ASKED] = Asked(app)
    context.events.release(app, release)
    context.manager.nudge(app.id)
    return answer(shown_app(context, app), 201, release=release)


@routes.get("/apps/{app}")
async def show(request: web.Request) -> web.Response:
    """One app, with the size of its repository."""
    context, app = context_of(request), app_for(request)
    size = await asyncio.to_thread(_bytes_below, context.settings.repository(app.id))
    return answer(shown_app(context, app, repo_size=size))


@routes.patch("/apps/{app}")
async def update(request: web.Request) -> web.Response:
    """Rename an app, switch its maintenance mode, or choose the stack of its next build."""
    context, app, user = context_of(request), app_for(request), user_of(request)
    body = await body_of(request)
    stack = stack_named(context, optional_text(body, "build_stack") or app.stack)
    maintenance = flag_field(body, "maintenance", app.maintenance)
    renamed = optional_text(body, "name") not in (None, app.name)
    for changed, right in (
        (renamed, Right.MANAGE),
        (stack != app.stack, Right.DEPLOY),
        (maintenance != app.maintenance, Right.OPERATE),
    ):
        if changed:
            app_for(request, right)
    if renamed:
        refuse_during_deploy(context, app)
        app = context.ledger.apps.rename(app.id, names.app_name(text_field(body, "name")))
        # Units bear the app's name: a release replaces them, without a pause, by units with the new one.
        await context.deploys.release(app, user=known_owner(user), description=f"Rename to {app.name}")
    if stack != app.stack:
        app = context.ledger.apps.set_stack(app.id, stack)
        context.events.api(app, f"Set build stack to {stack} by {user.email}")
    if maintenance != app.maintenance:
        app = context.ledger.apps.set_maintenance(app.id, maintenance)
        context.events.api(app, f"Set maintenance mode {'on' if maintenance else 'off'} by {user.email}")
        await context.manager.route(app.id)
    context.manager.nudge(app.id)
    context.scheduler.nudge()
    return answer(shown_app(context, app))


@routes.delete("/apps/{app}")
async def destroy(request: web.Request) -> web.Response:
    """Destroy an app: its dynos stop, its name is free again. The ledger keeps its releases."""
    context, app = context_of(request), app_for(request, Right.MANAGE)
    refuse_during_deploy(context, app)
    shown = shown_app(context, app)
    await destroying.destroy(
        app,
        ledger=context.ledger,
        scheduler=context.scheduler,
        draining=context.draining,
        manager=context.manager,
        deploys=context.deploys,
    )
    return answer(shown)


def stack_named(context: Context, name: str) -> str:
    """The name, if there is such a stack; raises Invalid."""
    if name not in (known := context.stacks.names()):
        raise Invalid(f"There is no stack {name[:40]!r} here. There are: {', '.join(known)}.")
    return name


def shown_app(context: Context, app: App, *, repo_size: int | None = None) -> dict[str, Any]:
    """An app, as the API shows it; `repo_size` in bytes, None where it was not measured."""
    ledger = context.ledger
    release = ledger.releases.current(app.id)
    slug = ledger.slugs.get(release.slug_id) if release.slug_id else None
    # What it will run on, as long as nothing was deployed.
    runs_on = release.stack or HOST_STACK if release.slug_id else None
    owner, acm = ledger.users.get(app.owner_id), ledger.acm.enabled(app.id)
    return app_json(context.settings, app, owner, slug=slug, repo_size=repo_size, runs_on=runs_on, acm=acm)


def shower(context: Context, apps: Sequence[App]) -> Callable[[App], dict[str, Any]]:
    """Shows each of these apps as `shown_app` does; what it takes is read once for all of them."""
    ledger, settings = context.ledger, context.settings
    running, acm = ledger.releases.running([app.id for app in apps]), ledger.acm.all_enabled()
    owners = {user.id: user for user in ledger.users.list()}

    def show(app: App) -> dict[str, Any]:
        slug = running.get(app.id)
        runs_on = slug.stack or HOST_STACK if slug else None
        return app_json(settings, app, owners[app.owner_id], slug=slug, runs_on=runs_on, acm=app.id in acm)

    return show


def refuse_elsewhere(body: dict[str, Any]) -> None:
    """Raise NotFound for a region, team or space: there is this server, and people own apps."""
    if region := name_of(body.get("region")):
        check_region(region)
    if space := body.get("space"):
        no_space(space)
    if team := body.get("team"):
        no_team(team)


def name_of(field: str | dict[str, str] | None) -> str | None:
    """A field that names a thing: by a text, or as an object with its name."""
    return field["name"] if isinstance(field, dict) else field


def _bytes_below(directory: Path) -> int:
    """Bytes of all files below a directory; 0 if there is none. Files may come and go meanwhile."""
    total = 0
    for folder, _folders, files in os.walk(directory):
        for name in files:
            try:
                total += (Path(folder) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total
