"""Collaborators: who else may work on an app."""

from __future__ import annotations

from aiohttp import web

from hostd.api.requests import answer, app_for, body_of, context_of, user_of
from hostd.api.shapes import collaborator_json
from hostd.errors import BadRequest, NotFound

routes = web.RouteTableDef()


@routes.get("/apps/{app}/collaborators")
async def index(request: web.Request) -> web.Response:
    """The owner first, then the collaborators."""
    ledger, app = context_of(request).ledger, app_for(request)
    people = [(app.owner_id, app.created_at), *((row.user_id, row.created_at) for row in ledger.access.list(app.id))]
    return answer([collaborator_json(app, ledger.users.get(user), since) for user, since in people])


@routes.post("/apps/{app}/collaborators")
async def add(request: web.Request) -> web.Response:
    """Let a user work on the app: push, scale, set config vars, read logs; not destroy it."""
    context, app = context_of(request), app_for(request, owning=True)
    field = (await body_of(request)).get("user")
    email = field.get("email") if isinstance(field, dict) else field
    if not isinstance(email, str):
        raise BadRequest("The field user must be an email address.")
    try:
        user = context.ledger.users.get(email)
    except NotFound:
        raise NotFound(f"There is no user {email}. An admin adds users: hostctl users:add {email}") from None
    collaborator = context.ledger.access.add(app.id, user.id)
    context.events.api(app, f"Add {user.email} as collaborator by {user_of(request).email}")
    return answer(collaborator_json(app, user, collaborator.created_at), 201)


@routes.delete("/apps/{app}/collaborators/{user}")
async def remove(request: web.Request) -> web.Response:
    """Take the right away again; collaborators may also leave by themselves."""
    context, app, caller = context_of(request), app_for(request), user_of(request)
    wanted = request.match_info["user"]
    if wanted not in (caller.email, caller.id):
        app_for(request, owning=True)
    since = {row.user_id: row.created_at for row in context.ledger.access.list(app.id)}
    user = context.ledger.access.remove(app.id, wanted)
    context.events.api(app, f"Remove {user.email} as collaborator by {caller.email}")
    return answer(collaborator_json(app, user, since[user.id]))
