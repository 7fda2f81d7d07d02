"""Requests that are being answered, so that those end whose callers lose the right to them."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from hostd.api.failures import CANCELLED_WITH_CLIENT
from hostd.api.requests import ASKED, CALLER, USER, context_of
from hostd.errors import NotFound
from hostd.ledger.apps import App
from hostd.ledger.users import User


class Attended:
    """The requests that are being answered."""

    def __init__(self) -> None:
        self.requests: dict[int, web.Request] = {}
        """By their `id()`: they cannot be hashed."""


ATTENDED: web.AppKey[Attended] = web.AppKey("attended", Attended)


@web.middleware
async def attend(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Know of a request while it is answered."""
    attended = request.app[ATTENDED].requests
    attended[id(request)] = request
    try:
        return await handler(request)
    finally:
        del attended[id(request)]


async def review(request: web.Request, user: User, app: App | None = None) -> None:
    """End all that a user, who may be removed already, has running and may have no more, on an app or at all."""
    context = context_of(request)
    await context.revoking.review(user, app)
    try:
        current = context.ledger.users.get(user.id)
    except NotFound:
        current = None
    for other in list(request.app[ATTENDED].requests.values()):
        theirs, asked = other.get(USER), other.get(ASKED)
        if other is request or theirs is None or theirs.id != user.id or not _ends(other):
            continue
        held = context.ledger.access.rights(asked.app, current) if current and asked else frozenset()
        lost = current is None or (asked is not None and held.isdisjoint(asked.rights))
        if lost and other.transport is not None:
            other.transport.abort()


async def end_token(request: web.Request, user: User, authorization: str) -> None:
    """End all that was begun with the token of an authorization, which is worth nothing any more."""
    await context_of(request).revoking.end_token(user, authorization)
    for other in list(request.app[ATTENDED].requests.values()):
        caller = other.get(CALLER)
        if other is request or caller is None or caller.authorization is None or not _ends(other):
            continue
        if caller.authorization.id == authorization and other.transport is not None:
            other.transport.abort()


def _ends(request: web.Request) -> bool:
    """Whether it may be cut: what changes something is finished, so that nothing is left half-made."""
    return request.method == "GET" or request.path in CANCELLED_WITH_CLIENT
