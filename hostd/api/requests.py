"""What every handler needs: its context, its user, its app, and fields of a JSON body that are what they should be."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from hostd.api.caller import Caller
from hostd.api.limits import Quota
from hostd.api.schema import Link, check_body, link_of
from hostd.context import Context
from hostd.errors import BadRequest, Forbidden, Invalid, NotFound
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.releases import Release
from hostd.ledger.users import User

CONTEXT: web.AppKey[Context] = web.AppKey("context", Context)
USER: web.RequestKey[User] = web.RequestKey("user", User)
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
QUOTA: web.AppKey[Quota] = web.AppKey("quota", Quota)
"""How many calls each account may make."""
RELEASE_HEADER = "Hostd-Release"
WARNING_HEADER = "Warning-Message"


def context_of(request: web.Request) -> Context:
    """The parts of hostd."""
    return request.app[CONTEXT]


def user_of(request: web.Request) -> User:
    """Who asks."""
    return request[USER]


def caller_of(request: web.Request) -> Caller:
    """Who asks, through which door, from where, and with which token."""
    return request[CALLER]


def pattern_of(request: web.Request) -> str:
    """The path as its route writes it, `/apps/{app}`; "" for one that has no route."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def admin_of(request: web.Request) -> User:
    """Who asks, if they are an admin; raises Forbidden otherwise."""
    user = user_of(request)
    if not user.admin:
        raise Forbidden("Only an admin may do this.")
    return user


def app_for(request: web.Request, right: Right = Right.VIEW, *or_rights: Right) -> App:
    """The app that the path names, if the caller has one of the rights on it.

    Raises NotFound if they have none at all, as for an app that is not there; Forbidden if they may only see it.
    """
    return accessible_app(context_of(request), user_of(request), request.match_info["app"], right, *or_rights)


def accessible_app(context: Context, user: User, name: str, right: Right = Right.VIEW, *or_rights: Right) -> App:
    """As `app_for`, for a name or id from anywhere."""
    try:
        app = context.ledger.apps.get(name)
    except NotFound:
        app = None
    if app is None or not context.ledger.access.rights(app, user):
        # One answer for both: who has no right on an app may not learn that it exists.
        asked = "" if user.admin else f"\nIf somebody else has it, they can let you in: hostctl access:add {user.email}"
        raise NotFound(f"Couldn't find that app: {name[:60]!r}. Your apps: hostctl apps{asked}", resource="app")
    context.ledger.access.check(app, user, right, *or_rights)
    return app


async def body_of(request: web.Request) -> dict[str, Any]:
    """The request's JSON object, checked by the schema of its link; empty if there is no body.

    Raises BadRequest for what is no JSON object, and Invalid, naming the field, for one that is not as it should be.
    """
    try:
        text = await request.text()
        value = json.loads(text) if text.strip() else {}
    except (UnicodeDecodeError, LookupError, ValueError, RecursionError) as error:
        raise BadRequest("The body of the request is not JSON.") from error
    if not isinstance(value, dict):
        raise BadRequest("The body of the request must be a JSON object.")
    if link := link_for(request):
        check_body(link, value)
    return value


def link_for(request: web.Request) -> Link | None:
    """What the schema says of the route that was found for a request; None if there is none."""
    return link_of("GET" if request.method == "HEAD" else request.method, pattern_of(request))


def is_open(request: web.Request) -> bool:
    """Whether anybody may ask this, without saying who asks."""
    link = link_for(request)
    return link is not None and link.open


def text_field(body: dict[str, Any], name: str) -> str:
    """A text that must be there. Raises Invalid."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Invalid(f"The field {name} must be a text that is not empty.")
    return value


def optional_text(body: dict[str, Any], name: str) -> str | None:
    """A text that may be missing, null or empty. Raises Invalid."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise Invalid(f"The field {name} must be a text.")
    return value or None


def flag_field(body: dict[str, Any], name: str, default: bool = False) -> bool:
    """True or false. Raises Invalid."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise Invalid(f"The field {name} must be true or false.")
    return value


def answer(
    value: Any, status: int = 200, *, release: Release | None = None, warning: str | None = None
) -> web.Response:
    """A JSON answer; `release` is the one the call made, `warning` a sentence for the person who asked."""
    response = web.json_response(value, status=status)
    if release is not None:
        response.headers[RELEASE_HEADER] = str(release.version)
    if warning is not None:
        # A header cannot hold everything that a person may have typed into a name.
        response.headers[WARNING_HEADER] = warning.encode("ascii", "backslashreplace").decode().replace("\n", " ")
    return response
