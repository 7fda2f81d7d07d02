"""What signed addresses lead to: the output of a build or of a release phase."""

from __future__ import annotations

from aiohttp import web

from hostd.api import builds, releases, signed
from hostd.api.requests import context_of

routes = web.RouteTableDef()


@routes.get("/hostd/signed/builds/{app}/{build}")
async def build(request: web.Request) -> web.StreamResponse:
    """What a build prints, as text; while it runs, as it is printed."""
    signed.check(request)
    app = context_of(request).ledger.apps.get(request.match_info["app"])
    return await builds.output_of(request, context_of(request).ledger.builds.find(app.id, request.match_info["build"]))


@routes.get("/hostd/signed/releases/{app}/{release}")
async def release(request: web.Request) -> web.Response:
    """What a release phase printed, as text."""
    signed.check(request)
    context = context_of(request)
    app = context.ledger.apps.get(request.match_info["app"])
    return releases.output_of(context, app, context.ledger.releases.find(app.id, request.match_info["release"]))
