"""Collaborators: who else may work on an app, and with which rights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hostd.api.requests import answer, answer_list, app_for, body_of, by_fields, context_of, user_of
from hostd.api.revoking import review
from hostd.api.shapes import collaborator_json
from hostd.errors import NotFound
from hostd.ledger import Ledger
from hostd.ledger.access import ALL, Right, rights_named, sorted_names
from hostd.ledger.apps import App
from hostd.ledger.users import User

routes = web.RouteTableDef()


@routes.get("/apps/{app}/collaborators")
async def index(request: web.Request) -> web.Response:
    """The owner first, then the collaborators."""
    ledger, app = context_of(request).ledger, app_for(request)
    people = [app.owner_id, *(row.user_id for row in ledger.access.list(app.id))]
    found = [_json(ledger, app, ledger.users.get(user)) for user in people]
    return answer_list(request, found, sortable=by_fields("id"), default="id")


@routes.get("/apps/{app}/collaborators/{user}")
async def show(request: web.Request) -> web.Response:
    """One of them, by address or id."""
    ledger, app = context_of(request).ledger, app_for(request)
    return answer(_json(ledger, app, _person(ledger, app, request.match_info["user"])))


@routes.post("/apps/{app}/collaborators")
async def add(request: web.Request) -> web.Response:
    """Let a user work on the app: `{"user": address or {"email"} or {"id"}, "permissions"?: ["deploy", ...]}`.

    Without `permissions` they may view, deploy and operate.
    """
    context, app = context_of(request), app_for(request, Right.MANAGE)
    body = await body_of(request)
    rights = _rights(body) if body.get("permissions") is not None else None
    user = _invited(context.ledger, body)
    made = context.ledger.access.add(app.id, user.id, rights)
    may = ", ".join(sorted_names(made.rights))
    context.events.api(app, f"Add {user.email} as collaborator ({may}) by {user_of(request).email}")
    await review(request, user, app)  # who was one already may have fewer rights now
    return answer(_json(context.ledger, app, user), 201)


@routes.patch("/apps/{app}/collaborators/{user}")
async def update(request: web.Request) -> web.Response:
    """Let a collaborator have these rights and no others: `{"permissions": ["deploy", ...]}`."""
    context, app = context_of(request), app_for(request, Right.MANAGE)
    rights = _rights(await body_of(request))
    user = _person(context.ledger, app, request.match_info["user"])
    made = context.ledger.access.update(app.id, user.id, rights)
    may = ", ".join(sorted_names(made.rights))
    context.events.api(app, f"Set rights of {user.email} to {may} by {user_of(request).email}")
    await review(request, user, app)
    return answer(_json(context.ledger, app, user))


@routes.delete("/apps/{app}/collaborators/{user}")
async def remove(request: web.Request) -> web.Response:
    """Take all rights away again; collaborators may also leave by themselves."""
    context, app, caller = context_of(request), app_for(request), user_of(request)
    wanted = request.match_info["user"]
    if wanted.lower() not in (caller.email, caller.id):
        app_for(request, Right.MANAGE)
    user = _person(context.ledger, app, wanted)
    shown = _json(context.ledger, app, user)
    context.ledger.access.remove(app.id, user.id)
    context.events.api(app, f"Remove {user.email} as collaborator by {caller.email}")
    await review(request, user, app)
    return answer(shown)


def _json(ledger: Ledger, app: App, user: User) -> dict[str, Any]:
    if user.id == app.owner_id:
        return collaborator_json(app, user, ALL, app.created_at, app.created_at)
    found = ledger.access.get(app.id, user.id)
    return collaborator_json(app, user, found.rights, found.created_at, found.updated_at)


def _person(ledger: Ledger, app: App, named: str) -> User:
    """The owner or a collaborator, by the address or id of the user, or by the id under which they are listed here."""
    people = [ledger.users.get(id) for id in (app.owner_id, *(row.user_id for row in ledger.access.list(app.id)))]
    for user in people:
        if named.lower() == user.email or named in (user.id, _json(ledger, app, user)["id"]):
            return user
    raise NotFound(f"{named[:254]!r} is not a collaborator of {app.name}.")


def _invited(ledger: Ledger, body: Mapping[str, Any]) -> User:
    field = body["user"]
    named: str = (field.get("email") or field["id"]) if isinstance(field, dict) else field
    try:
        return ledger.users.get(named)
    except NotFound:
        raise NotFound(
            f"There is no user {named[:254]}. An admin adds users: hostctl users:add {named[:254]}"
        ) from None


def _rights(body: Mapping[str, Any]) -> frozenset[Right]:
    """The field `permissions`: names, or objects with a name as answers have them. Raises Invalid."""
    return rights_named([each["name"] if isinstance(each, dict) else each for each in body["permissions"]])
