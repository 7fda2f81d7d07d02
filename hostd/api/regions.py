"""Regions: this server is the only one."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hostd.api.requests import answer, context_of
from hostd.api.shapes import REGION, moment
from hostd.context import Context
from hostd.errors import NotFound

routes = web.RouteTableDef()


@routes.get("/regions")
async def index(request: web.Request) -> web.Response:
    """The one that there is."""
    return answer([_json(context_of(request))])


@routes.get("/regions/{region}")
async def show(request: web.Request) -> web.Response:
    """It, by name or id."""
    check_region(request.match_info["region"])
    return answer(_json(context_of(request)))


def check_region(name: str) -> None:
    """Raise NotFound for any region but the one that there is."""
    if name not in REGION.values():
        raise NotFound(f"There is no region {name[:60]!r} here, only {REGION['name']}.", resource="region")


def _json(context: Context) -> dict[str, Any]:
    # It is as old as the first who could use it.
    people = context.ledger.users.list()
    since = moment(min(user.created_at for user in people) if people else 0.0)
    return {
        **REGION,
        "country": "",
        "created_at": since,
        "description": f"This server, {context.settings.domain}",
        "locale": "",
        "private_capable": False,
        "provider": {"name": "hostd", "region": REGION["name"]},
        "updated_at": since,
    }
