"""What every handler needs: its context, its user, its app, and fields of a JSON body that are what they should be."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from hostd.api import ranges
from hostd.api.caller import Caller, Door
from hostd.api.limits import Quota
from hostd.api.ranges import Range, Row
from hostd.api.schema import Link, check_body, link_of
from hostd.context import Context
from hostd.errors import BadRequest, Busy, Forbidden, Invalid, NotFound
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.releases import Release
from hostd.ledger.users import User

CONTEXT: web.AppKey[Context] = web.AppKey("context", Context)
USER: web.RequestKey[User] = web.RequestKey("user", User)
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
QUOTA: web.AppKey[Quota] = web.AppKey("quota", Quota)
"""How many calls each account may make."""
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which app a request is about, also one to which the caller has no right, and one of which rights it needs."""

    app: App
    rights: tuple[Right, ...] = ()


ASKED: web.RequestKey[Asked] = web.RequestKey("asked", Asked)
RELEASE_HEADER = "Hostd-Release"
WARNING_HEADER = "Warning-Message"
DEEPEST = 32
"""Levels of objects and lists within each other that a request may have."""


def context_of(request: web.Request) -> Context:
    """The parts of hostd."""
    return request.app[CONTEXT]


def user_of(request: web.Request) -> User:
    """Who asks."""
    return request[USER]


def caller_of(request: web.Request) -> Caller:
    """Who asks, through which door, from where, and with which token."""
    return request[CALLER]


def request_id_of(request: web.Request) -> str:
    """The id of the request, which the client is told and the log has."""
    return request[REQUEST_ID]


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
    return accessible_app(request, user_of(request), request.match_info["app"], right, *or_rights)


def accessible_app(request: web.Request, user: User, name: str, right: Right = Right.VIEW, *or_rights: Right) -> App:
    """As `app_for`, for a user and a name or id from anywhere."""
    context = context_of(request)
    request[USER] = user
    try:
        app = context.ledger.apps.get(name)
    except NotFound:
        app = None
    if app is not None:
        request[ASKED] = Asked(app, (right, *or_rights))
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
        value = json.loads(text, parse_float=_number) if text.strip() else {}
    except (UnicodeDecodeError, LookupError, ValueError, RecursionError) as error:
        raise BadRequest("The body of the request is not JSON.") from error
    if not isinstance(value, dict):
        raise BadRequest("The body of the request must be a JSON object.")
    if too_deep(value):
        raise BadRequest(f"The body of the request is nested more than {DEEPEST} levels deep.")
    if link := link_for(request):
        check_body(link, value)
    return value


def _number(text: str) -> int | float:
    """A JSON number with a point or an exponent; 2.0 is a whole number as 2 is, also to the schema."""
    value = float(text)
    return int(value) if value.is_integer() else value


def link_for(request: web.Request) -> Link | None:
    """What the schema says of the route that was found for a request; None if there is none."""
    return link_of("GET" if request.method == "HEAD" else request.method, pattern_of(request))


def is_open(request: web.Request) -> bool:
    """Whether anybody may ask this, without saying who asks."""
    link = link_for(request)
    return link is not None and link.open


def too_deep(value: Any, deepest: int = DEEPEST) -> bool:
    """Whether JSON has more levels of objects and lists within each other."""
    level = [value]
    for _ in range(deepest):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


def parameter(request: web.Request, name: str) -> str:
    """A parameter of the address. Raises BadRequest without it."""
    value = request.query.get(name)
    if not value:
        raise BadRequest(f"The parameter {name} is missing.")
    return value


def refuse_during_deploy(context: Context, app: App) -> None:
    """Raise Busy while somebody deploys the app."""
    if holder := context.deploys.holder(app.id):
        raise Busy(f"{holder}. Wait until that is done, then try again.")


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


def range_of(request: web.Request, sortable: Collection[str]) -> Range | None:
    """The page of a list that is asked for; None for all of it. Raises BadRange."""
    return ranges.parse(request.headers.get("Range", ""), sortable)


def answer_list(
    request: web.Request,
    rows: Sequence[Row],
    *,
    sortable: Mapping[str, Callable[[Row], str | int]],
    default: str,
    shape: Callable[[Row], Any] | None = None,
) -> web.Response:
    """A JSON answer of rows, or of the page of them that is asked for; `shape` makes the JSON of a row.

    `sortable` has the attributes by which pages can be asked for, each different for every row. Without a Range header
    all rows come as they are, at the unix socket; elsewhere only if they fit a page, and else by the `default`.
    """
    asked, headers = range_of(request, sortable), {"Accept-Ranges": ", ".join(sortable)}
    if asked is None and caller_of(request).door is not Door.SOCKET and len(rows) > ranges.LARGEST_PAGE:
        asked = Range(default)
    status, shown = 200, list(rows)
    if asked is not None:
        found = ranges.page(rows, asked, sortable[asked.by])
        shown = found.rows
        if found.content:
            headers["Content-Range"] = found.content
        if found.next is not None:
            status, headers["Next-Range"] = 206, found.next
    return web.json_response([row if shape is None else shape(row) for row in shown], status=status, headers=headers)


def by_fields(*names: str) -> dict[str, Callable[[dict[str, Any]], str | int]]:
    """The `sortable` of rows that are JSON already, by fields of theirs."""
    return {name: functools.partial(_field, name) for name in names}


def _field(name: str, row: dict[str, Any]) -> str | int:
    value: str | int = row[name]
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
