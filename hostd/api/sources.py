"""Sources: a place to upload a tarball to, and from which a build takes it."""

from __future__ import annotations

from aiohttp import web

from hostd.api.deploys import build_id, pieces
from hostd.api.identity import known_owner
from hostd.api.requests import answer, app_for, context_of, user_of
from hostd.api.signed import here
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.users import User

routes = web.RouteTableDef()


@routes.post("/apps/{app}/sources")
async def create(request: web.Request) -> web.Response:
    """A place for the source of a build, good for an hour: PUT the tarball to `put_url`, then build `get_url`."""
    return _place(request, app_for(request, Right.DEPLOY))


@routes.post("/sources")
async def create_for_any(request: web.Request) -> web.Response:
    """The same for a build of any app, or a setup, that the caller begins."""
    return _place(request, known_owner(user_of(request)))


def _place(request: web.Request, owner: App | User) -> web.Response:
    place = context_of(request).sources.create(owner)
    url = here(request, f"/hostd/sources/{place}")
    return answer({"source_blob": {"get_url": url, "put_url": url}}, 201)


@routes.put("/hostd/sources/{source}")
async def upload(request: web.Request) -> web.Response:
    """Take the tarball, as the body of the request."""
    await context_of(request).sources.receive(build_id(request.match_info["source"]), pieces(request))
    return answer({})
