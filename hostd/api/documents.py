"""The API described for programs."""

from __future__ import annotations

from aiohttp import web

from hostd import __version__
from hostd.api.requests import answer
from hostd.api.schema import ERROR, RESOURCES, documents

routes = web.RouteTableDef()


@routes.get("/schema")
async def schema(_request: web.Request) -> web.Response:
    """All of it as JSON hyper-schema."""
    return answer(documents.hyper_schema(RESOURCES))


@routes.get("/openapi.json")
async def openapi(_request: web.Request) -> web.Response:
    """All of it as OpenAPI 3.1."""
    return answer(documents.openapi(RESOURCES, ERROR, version=__version__))
