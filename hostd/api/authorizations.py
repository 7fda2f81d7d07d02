"""Authorizations, tokens, sessions and clients: the resources of OAuth, as far as there are any without passwords.

A token is shown by the call that makes it, and never again: later it is its beginning, ten asterisks and its end, which
is how Heroku's command line knows it again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web

from hostd.api.identity import known_owner
from hostd.api.requests import answer, answer_list, body_of, by_fields, context_of, optional_text, user_of
from hostd.api.revoking import end_token
from hostd.api.shapes import moment
from hostd.errors import Invalid, NotFound
from hostd.ledger.authorizations import PREFIX, UNNAMED, Authorization
from hostd.ledger.database import utc_now
from hostd.ledger.users import User

routes = web.RouteTableDef()
_HIDDEN = "*" * 10


@routes.get("/oauth/authorizations")
async def index(request: web.Request) -> web.Response:
    """The caller's authorizations that have not ended."""
    user = user_of(request)
    found = context_of(request).ledger.authorizations.list(user.id)
    shown = [authorization_json(each, user) for each in found]
    return answer_list(request, shown, sortable=by_fields("id"), default="id")


@routes.post("/oauth/authorizations")
async def create(request: web.Request) -> web.Response:
    """A new token for the caller: `description`?, `scope`? (texts; without, `global`), `expires_in`? in seconds."""
    user, body = known_owner(user_of(request)), await body_of(request)
    _refuse_client(body)
    made, token = context_of(request).ledger.authorizations.add(
        user.id,
        description=optional_text(body, "description") or UNNAMED,
        # Heroku's command line leaves the scope out for `global`, and sends the number as a text.
        scope=["global"] if body.get("scope") is None else body["scope"],
        expires_in=None if body.get("expires_in") in (None, "") else int(body["expires_in"]),
    )
    return answer(authorization_json(made, user, token), 201)


@routes.get("/oauth/authorizations/{oauth_authorization}")
async def show(request: web.Request) -> web.Response:
    """One of the caller's authorizations, by its id. `~`, the token of an account itself, does not exist here."""
    user = user_of(request)
    found = context_of(request).ledger.authorizations.get(user.id, request.match_info["oauth_authorization"])
    return answer(authorization_json(found, user))


@routes.patch("/oauth/authorizations/{oauth_authorization}")
async def update(request: web.Request) -> web.Response:
    """Give an authorization another `description`."""
    user, body = user_of(request), await body_of(request)
    _refuse_client(body)
    ledger, wanted = context_of(request).ledger, request.match_info["oauth_authorization"]
    if (description := optional_text(body, "description")) is None:
        return answer(authorization_json(ledger.authorizations.get(user.id, wanted), user))
    return answer(authorization_json(ledger.authorizations.describe(user.id, wanted, description), user))


@routes.delete("/oauth/authorizations/{oauth_authorization}")
async def revoke(request: web.Request) -> web.Response:
    """Revoke an authorization: its token is worth nothing from now on, and what runs with it ends."""
    user = user_of(request)
    ended = context_of(request).ledger.authorizations.remove(user.id, request.match_info["oauth_authorization"])
    await end_token(request, user, ended.id)
    return answer(authorization_json(ended, user))


@routes.post("/oauth/authorizations/{oauth_authorization}/actions/regenerate-tokens")
async def regenerate(request: web.Request) -> web.Response:
    """Give an authorization another token, which lasts as long; the one before is as if it had been revoked."""
    user, wanted = user_of(request), request.match_info["oauth_authorization"]
    made, token = context_of(request).ledger.authorizations.regenerate(user.id, wanted)
    await end_token(request, user, made.id)
    return answer(authorization_json(made, user, token))


@routes.post("/oauth/tokens")
async def exchange(request: web.Request) -> web.Response:
    """Refused: there are no clients here whose grants could be exchanged, and tokens are not refreshed."""
    await body_of(request)
    raise Invalid(
        "There are no OAuth clients on this platform, and so no grants or refresh tokens to exchange. "
        "Make a token: POST /oauth/authorizations"
    )


@routes.delete("/oauth/tokens/{oauth_token}")
async def revoke_token(request: web.Request) -> web.Response:
    """Revoke a token of the caller's, by its id: its authorization goes with it."""
    ledger, user, wanted = context_of(request).ledger, user_of(request), request.match_info["oauth_token"]
    for known in ledger.authorizations.list(user.id):
        if known.token_id == wanted:
            ended = ledger.authorizations.remove(user.id, known.id)
            await end_token(request, user, ended.id)
            return answer(_token_json(ended, user))
    raise NotFound("Couldn't find that token. Yours: hostctl authorizations", resource="token")


@routes.get("/oauth/clients")
async def clients(request: web.Request) -> web.Response:
    """No clients: programs of others are given a token by whoever they work for."""
    return answer([])


@routes.post("/oauth/clients")
async def create_client(request: web.Request) -> web.Response:
    """Refused."""
    await body_of(request)
    raise Invalid(
        "OAuth clients cannot be registered on this platform: nobody logs in to it through a browser. "
        "Give the program a token of its own: POST /oauth/authorizations"
    )


@routes.get("/oauth/clients/{oauth_client}")
@routes.patch("/oauth/clients/{oauth_client}")
@routes.delete("/oauth/clients/{oauth_client}")
@routes.post("/oauth/clients/{oauth_client}/actions/rotate-credentials")
async def client(request: web.Request) -> web.Response:
    """There is none."""
    raise NotFound("Couldn't find that OAuth client.", resource="oauth_client")


@routes.get("/oauth/sessions")
async def sessions(request: web.Request) -> web.Response:
    """No sessions: nobody logs in through a browser."""
    return answer([])


@routes.delete("/oauth/sessions/{oauth_session}")
async def end_session(request: web.Request) -> web.Response:
    """There is none, `~` neither."""
    raise NotFound("Couldn't find that session.", resource="session")


def authorization_json(
    authorization: Authorization, user: User, token: str | None = None, now: datetime | None = None
) -> dict[str, Any]:
    """An authorization; with its token only when that is new."""
    shown = f"{PREFIX}{_HIDDEN}{authorization.token_end}"
    ends, left = authorization.expires_at, None
    if ends is not None:
        left = max(0, int((ends - (now or utc_now())).total_seconds()))
    return {
        "access_token": {"expires_in": left, "id": authorization.token_id, "token": token or shown},
        "client": None,
        "created_at": moment(authorization.created_at),
        "description": authorization.description,
        "grant": None,
        "id": authorization.id,
        "last_used_at": moment(authorization.used_at),
        "last_used_from": authorization.used_from,
        "refresh_token": None,
        "scope": list(authorization.scope),
        "session": None,
        "updated_at": moment(authorization.updated_at),
        "user": {"email": user.email, "full_name": user.name, "id": user.id},
    }


def _token_json(authorization: Authorization, user: User) -> dict[str, Any]:
    shown = authorization_json(authorization, user)
    kept = ("access_token", "client", "created_at", "grant", "refresh_token", "session", "updated_at")
    return {
        **{name: shown[name] for name in kept},
        "authorization": {"id": authorization.id},
        "id": authorization.token_id,
        "user": {"id": user.id},
    }


def _refuse_client(body: dict[str, Any]) -> None:
    if body.get("client") is not None:
        raise NotFound("Couldn't find that OAuth client: there are none on this platform.", resource="oauth_client")
