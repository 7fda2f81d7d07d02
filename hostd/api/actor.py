"""For whom a request is done: the ledger notes it with what changes."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from hostd.api.requests import USER
from hostd.ledger.happenings import ACTOR


@web.middleware
async def attribute(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let what the handler changes, and what it begins that goes on behind it, be its caller's."""
    user = request.get(USER)
    token = ACTOR.set(user.id if user is not None else "")
    try:
        return await handler(request)
    finally:
        ACTOR.reset(token)
