"""Buildpack installations: the buildpacks that an app's owner has chosen, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from hostd.api.requests import answer, app_for, body_of, context_of, user_of
from hostd.api.shapes import buildpack_json
from hostd.deploys import origins
from hostd.errors import Invalid
from hostd.ledger.access import Right

routes = web.RouteTableDef()


@routes.get("/apps/{app}/buildpack-installations")
async def index(request: web.Request) -> web.Response:
    """The buildpacks, first to last; none if a build finds out by itself."""
    return _answer(context_of(request).ledger.buildpacks.list(app_for(request).id))


@routes.put("/apps/{app}/buildpack-installations")
async def replace(request: web.Request) -> web.Response:
    """Let the app have exactly the buildpacks `updates`, `[{"buildpack": url}]`, from its next build on."""
    context, app = context_of(request), app_for(request, Right.DEPLOY)
    urls = origins.buildpacks(_named((await body_of(request))["updates"]))
    chosen = context.ledger.buildpacks.replace(app.id, urls)
    named = ", ".join(map(origins.shown, chosen)) or "none"
    context.events.api(app, f"Set buildpacks to {named} by {user_of(request).email}")
    return _answer(chosen)


def _named(updates: Sequence[Mapping[str, str]]) -> list[str]:
    for place, update in enumerate(updates):
        if "buildpack" not in update:
            # So the Heroku CLI asks for one that the registry told it not to know.
            raise Invalid(
                f"The field updates[{place}].buildpack is missing. If you named one, it is not in the registry. "
                "Those that are: hostctl buildpacks:search"
            )
    return [update["buildpack"] for update in updates]


def _answer(urls: Sequence[str]) -> web.Response:
    return answer([buildpack_json(ordinal, url) for ordinal, url in enumerate(urls)])
