"""Filters: several apps asked for at once."""

from __future__ import annotations

from aiohttp import web

from hostd.api.apps import shower
from hostd.api.requests import answer, body_of, context_of, user_of
from hostd.errors import NotFound

routes = web.RouteTableDef()


@routes.post("/filters/apps")
async def apps(request: web.Request) -> web.Response:
    """Those apps of `{"in": {"id": [...]}}` that the caller may see; of others nothing is said."""
    context, user = context_of(request), user_of(request)
    found = []
    for id in dict.fromkeys((await body_of(request))["in"]["id"]):
        try:
            app = context.ledger.apps.get(id)
        except NotFound:
            continue
        if context.ledger.access.rights(app, user):
            found.append(app)
    mine = {app.id for app in context.ledger.apps.list_for(user)}
    shown = map(shower(context, found), found)
    return answer([{**app, "joined": app["id"] in mine, "locked": False} for app in shown])
