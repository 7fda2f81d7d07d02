"""Users, which admins add and remove: nobody signs up by themselves."""

from __future__ import annotations

from aiohttp import web

from hostd import names
from hostd.api.requests import (
    admin_of,
    answer,
    answer_list,
    body_of,
    by_fields,
    context_of,
    flag_field,
    text_field,
    user_of,
)
from hostd.api.shapes import account_json
from hostd.errors import Forbidden

routes = web.RouteTableDef()


@routes.get("/users")
async def index(request: web.Request) -> web.Response:
    """All users."""
    admin_of(request)
    found = [account_json(user) for user in context_of(request).ledger.users.list()]
    return answer_list(request, found, sortable=by_fields("email", "id"), default="email")


@routes.post("/users")
async def create(request: web.Request) -> web.Response:
    """Add a user, perhaps as an admin."""
    admin_of(request)
    body = await body_of(request)
    email, admin = names.email(text_field(body, "email")), flag_field(body, "admin")
    return answer(account_json(context_of(request).ledger.users.add(email, admin=admin)), 201)


@routes.get("/users/{user}")
async def show(request: web.Request) -> web.Response:
    """One user, by email or id: oneself, or for an admin anybody."""
    wanted, user = request.match_info["user"], user_of(request)
    if not user.admin and wanted not in (user.id, user.email):
        raise Forbidden("Only an admin may see other users.")
    return answer(account_json(context_of(request).ledger.users.get(wanted)))


@routes.delete("/users/{user}")
async def remove(request: web.Request) -> web.Response:
    """Remove a user with their keys; one who owns apps stays until those are destroyed or transferred."""
    admin_of(request)
    return answer(account_json(context_of(request).ledger.users.remove(request.match_info["user"])))
