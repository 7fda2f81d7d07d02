"""Teams and spaces: there are none on this platform. People own apps, and let others work on them."""

from __future__ import annotations

from typing import Never

from aiohttp import web

from hostd.api.requests import answer, body_of
from hostd.errors import NotFound

routes = web.RouteTableDef()


@routes.get("/teams")
@routes.get("/spaces")
async def index(_request: web.Request) -> web.Response:
    """None."""
    return answer([])


@routes.get("/teams/{team}")
@routes.get("/teams/{team}/apps")
async def show(request: web.Request) -> web.Response:
    """Not found."""
    return no_team(request.match_info["team"])


@routes.get("/teams/apps/{app}")
async def app(request: web.Request) -> web.Response:
    """Not found: no team owns an app."""
    raise NotFound(f"No team owns the app {request.match_info['app'][:60]!r}: apps are people's here.", resource="app")


@routes.post("/teams/apps")
async def create(request: web.Request) -> web.Response:
    """Not found."""
    body = await body_of(request)
    if body.get("space"):
        return no_space(body["space"])
    return no_team(body.get("team") or "")


@routes.get("/spaces/{space}")
async def space(request: web.Request) -> web.Response:
    """Not found."""
    return no_space(request.match_info["space"])


def no_team(name: str) -> Never:
    """Raise NotFound for a team."""
    raise NotFound(
        f"Couldn't find the team {name[:60]!r}: there are no teams here. To let others work on an app: "
        "hostctl access:add EMAIL -a APP",
        resource="team",
    )


def no_space(name: str) -> Never:
    """Raise NotFound for a space."""
    raise NotFound(f"Couldn't find the space {name[:60]!r}: there are no spaces here.", resource="space")
