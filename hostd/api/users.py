"""Users, whom admins add and remove: nobody signs up by themselves. Heroku has only `/users/{user}`, for oneself."""

from __future__ import annotations

from typing import Any

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
from hostd.api.revoking import review
from hostd.api.shapes import account_json, account_ref, app_ref, key_json, permissions_json
from hostd.context import Context
from hostd.errors import NotFound
from hostd.ledger.users import User

routes = web.RouteTableDef()


@routes.get("/users/{user}")
async def one(request: web.Request) -> web.Response:
    """One user as an account: oneself or, for an admin, anybody, by email or id.

    For others only by the exact email, and only that they are a user: who gives a pipeline or an app away has to name
    them, and Heroku's command line asks for their id first.
    """
    wanted, caller = request.match_info["user"].lower(), user_of(request)
    if caller.admin or wanted in (caller.id, caller.email):
        return answer(account_json(named_user(request)))
    found = context_of(request).ledger.users.get(wanted)
    if found.email != wanted:
        raise NotFound(f"There is no user {wanted[:254]!r}.")
    return answer(account_ref(found))


@routes.get("/hostd/users")
async def index(request: web.Request) -> web.Response:
    """All users."""
    admin_of(request)
    found = [account_json(user) for user in context_of(request).ledger.users.list()]
    return answer_list(request, found, sortable=by_fields("email", "id"), default="email")


@routes.post("/hostd/users")
async def create(request: web.Request) -> web.Response:
    """Add a user, perhaps as an admin, perhaps with an ssh key."""
    admin_of(request)
    ledger, body = context_of(request).ledger, await body_of(request)
    email, admin = names.email(text_field(body, "email")), flag_field(body, "admin")
    with ledger.transaction():
        user = ledger.users.add(email, admin=admin)
        if body.get("public_key") is not None:
            ledger.keys.add(user.id, text_field(body, "public_key"))
    return answer(account_json(user), 201)


@routes.get("/hostd/users/{user}")
async def show(request: web.Request) -> web.Response:
    """One user with their keys and the apps that they may work on: oneself, or for an admin anybody."""
    context, user = context_of(request), named_user(request)
    return answer(_with_all(context, user))


@routes.patch("/hostd/users/{user}")
async def update(request: web.Request) -> web.Response:
    """Make a user an admin, or one no more: `{"admin": true or false}`. What they may no more ends at once."""
    admin_of(request)
    context, user = context_of(request), named_user(request)
    changed = context.ledger.users.set_admin(user.id, flag_field(await body_of(request), "admin"))
    await review(request, changed)
    return answer(account_json(changed))


@routes.delete("/hostd/users/{user}")
async def remove(request: web.Request) -> web.Response:
    """Remove a user with their keys, tokens and rights; what they have running ends at once.

    One who owns apps stays until those are destroyed or transferred.
    """
    admin_of(request)
    context, user = context_of(request), named_user(request)
    shared = [app for app in context.ledger.apps.list_for(user) if not user.admin]
    removed = context.ledger.users.remove(user.id)
    for app in shared:
        context.events.api(app, f"Remove user {user.email} from the server by {user_of(request).email}")
    await review(request, removed)
    return answer(account_json(removed))


@routes.post("/hostd/users/{user}/keys")
async def add_key(request: web.Request) -> web.Response:
    """Add an ssh key of a user, for one who cannot come by themselves: `{"public_key"}`."""
    admin_of(request)
    user, text = named_user(request), text_field(await body_of(request), "public_key")
    return answer(key_json(context_of(request).ledger.keys.add(user.id, text), user), 201)


def named_user(request: web.Request) -> User:
    """The user that the path names, `~` for who asks. For who is no admin there are no others. Raises NotFound."""
    wanted, user = request.match_info["user"], user_of(request)
    if wanted == "~":
        return user
    if not user.admin and wanted.lower() not in (user.id, user.email):
        raise NotFound(f"There is no user {wanted[:254]!r} whom you may see: others are for admins.")
    return context_of(request).ledger.users.get(wanted)


def _with_all(context: Context, user: User) -> dict[str, Any]:
    ledger = context.ledger
    mine = [app for app in ledger.apps.list() if not user.admin or app.owner_id == user.id]
    apps = [(app, held) for app in mine if (held := ledger.access.rights(app, user))]
    return {
        **account_json(user),
        "apps": [
            {
                "app": app_ref(app),
                "permissions": permissions_json(held),
                "role": "owner" if app.owner_id == user.id else "collaborator",
            }
            for app, held in apps
        ],
        "keys": [key_json(key, user) for key in ledger.keys.list(user.id)],
    }
