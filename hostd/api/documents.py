"""The API described for programs."""

from __future__ import annotations

import functools
import json

from aiohttp import web

from hostd import __version__
from hostd.api.schema import ERROR, RESOURCES, documents

routes = web.RouteTableDef()


@routes.get("/schema")
async def schema(_request: web.Request) -> web.Response:
    """All of it as JSON hyper-schema."""
    return web.Response(body=_hyper_schema(), content_type="application/json", charset="utf-8")


@routes.get("/openapi.json")
async def openapi(_request: web.Request) -> web.Response:
    """All of it as OpenAPI 3.1."""
    return web.Response(body=_openapi(), content_type="application/json", charset="utf-8")


# Anybody may ask for them, as often as they like, and making one takes 3 or 19 ms.
@functools.cache
def _hyper_schema() -> bytes:
    return json.dumps(documents.hyper_schema(RESOURCES)).encode()


@functools.cache
def _openapi() -> bytes:
    return json.dumps(documents.openapi(RESOURCES, ERROR, version=__version__)).encode()
