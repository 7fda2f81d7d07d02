"""Config vars: each change of them is a release."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from hostd import names
from hostd.api.requests import answer, app_for, body_of, context_of, user_of
from hostd.ledger.access import Right

routes = web.RouteTableDef()


@routes.get("/apps/{app}/config-vars")
async def show(request: web.Request) -> web.Response:
    """The config vars as they are now."""
    return answer(context_of(request).ledger.releases.current(app_for(request, Right.DEPLOY, Right.OPERATE).id).config)


@routes.get("/apps/{app}/releases/{release}/config-vars")
async def of_release(request: web.Request) -> web.Response:
    """The config vars of one release."""
    app = app_for(request, Right.DEPLOY, Right.OPERATE)
    return answer(context_of(request).ledger.releases.find(app.id, request.match_info["release"]).config)


@routes.patch("/apps/{app}/config-vars")
async def update(request: web.Request) -> web.Response:
    """Set config vars, and unset those given as null; answers with all of them.

    Setting makes a release even if no value differs, as with Heroku. Unsetting only what is not there makes none,
    and a warning says so.
    """
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    before = context.ledger.releases.current(app.id).config
    after = names.config_changes(before, body)
    missing = [key for key, value in body.items() if value is None and key not in before]
    warning = f"{app.name} has no config var {', '.join(missing)}: nothing to unset." if missing else None
    if len(missing) == len(body):
        return answer(before, warning=warning)
    release = await context.deploys.release(app, user=user, description=description(before, body), config=after)
    return answer(release.config, release=release, warning=warning)


def description(before: Mapping[str, str], changes: Mapping[str, str | None]) -> str:
    """What a change does, for the release: `Set A, B config vars`, `Remove C config vars`, or both."""
    added = [key for key, value in changes.items() if value is not None]
    removed = [key for key, value in changes.items() if value is None and key in before]
    said = [f"{verb} {', '.join(keys)}" for verb, keys in (("Set", added), ("remove", removed)) if keys]
    text = f"{'; '.join(said)} config vars"
    return text[0].upper() + text[1:]
