"""Dyno sizes: what a dyno of each may use."""

from __future__ import annotations

from aiohttp import web

from hostd import sizes
from hostd.api.requests import answer, answer_list, app_for, by_fields
from hostd.api.shapes import dyno_size_json
from hostd.errors import Invalid, NotFound

routes = web.RouteTableDef()


@routes.get("/dyno-sizes")
async def index(request: web.Request) -> web.Response:
    """The sizes that have a name."""
    found = [dyno_size_json(size) for size in sizes.SIZES.values()]
    return answer_list(request, found, sortable=by_fields("name", "id"), default="name")


@routes.get("/apps/{app}/available-dyno-sizes")
async def of_app(request: web.Request) -> web.StreamResponse:
    """Those that the dynos of an app can have: all."""
    app_for(request)
    return await index(request)


@routes.get("/dyno-sizes/{size}")
async def show(request: web.Request) -> web.Response:
    """One size, by its name or as an amount of memory."""
    try:
        return answer(dyno_size_json(sizes.get(request.match_info["size"])))
    except Invalid as error:
        raise NotFound(error.message) from error
