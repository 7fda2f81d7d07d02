"""For git over https: whose token it is, and whether they may; asked by `hostd-git`, which knows nobody itself."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web

from hostd.api.audit import RECORDED, WHAT
from hostd.api.caller import Caller, Door
from hostd.api.identity import caller_with
from hostd.api.requests import CALLER, USER, accessible_app, answer, body_of, context_of, text_field
from hostd.api.scopes import permits
from hostd.errors import BadRequest, Forbidden, Invalid, NotFound, Unauthorized
from hostd.ledger.access import Right
from hostd.ledger.users import User
from hostd.ssh.request import GIT_SERVICES

routes = web.RouteTableDef()

SAME_SECONDS = 60.0
"""A clone is three requests or more: those within so many seconds of the first are one entry of the audit log."""
MOST_REMEMBERED = 10_000


class Recent:
    """What was recorded a short while ago."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def begins(self, *key: str) -> bool:
        """Whether this is the first of its kind for a while; the next ones are not."""
        now = self._clock()
        if (begun := self._known.get(key)) is not None and now - begun < SAME_SECONDS:
            return False
        self._known.pop(key, None)
        self._known[key] = now
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return True


FETCHES: web.AppKey[Recent] = web.AppKey("fetches", Recent)


@routes.post("/hostd/git/repositories")
async def repository(request: web.Request) -> web.Response:
    """Where the repository of an app is, for who has a token and the right; it is made at the first call.

    Each request of a clone or a push asks, so that a token or a right that is taken away is worth nothing at once.
    """
    context, body = context_of(request), await body_of(request)
    if (service := text_field(body, "service")) not in GIT_SERVICES:
        raise Invalid(f"{service[:40]!r} is not a git service hostd runs.")
    pushes = service == "git-receive-pack"
    request[WHAT] = f"{service} {body['app']}"
    caller = caller_with(request, text_field(body, "token"), Door(body["door"]), text_field(body, "address"))
    request[USER], request[CALLER] = caller.user, caller
    authorization = caller.authorization
    assert authorization is not None  # it is the token's
    app = accessible_app(request, caller.user, text_field(body, "app"), Right.DEPLOY if pushes else Right.VIEW)
    # As a build is begun, or looked at.
    if not permits(authorization.scope, "POST" if pushes else "GET", "/apps/{app}/builds"):
        raise Forbidden(
            f"This token is good for {', '.join(authorization.scope)} only, which does not cover "
            f"git {'push' if pushes else 'fetch'}. Make one that does: hostctl authorizations:create"
        )
    if not request.app[FETCHES].begins(authorization.id, caller.address, app.id, service):
        request[RECORDED] = True
    path = await context.repositories.ensure(app)
    return answer(
        {
            "path": str(path),
            "app_id": app.id,
            "app": app.name,
            "user": caller.user.email,
            "authorization": authorization.id,
        }
    )


def over_https(request: web.Request, user: User) -> Caller:
    """Who pushes over https, as the hook was told when git began. Raises Unauthorized if the token was revoked since,
    and BadRequest."""
    query = request.query
    try:
        known = context_of(request).ledger.authorizations.get(user.id, query.get("authorization", ""))
        return Caller(user, Door(query["door"]), query.get("address", "unknown"), known)
    except NotFound:
        raise Unauthorized("The token that this push began with is good no more.") from None
    except ValueError as error:
        raise BadRequest("The parameter door must be loopback or router.") from error
