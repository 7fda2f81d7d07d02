"""The caller's own account, and their ssh keys."""

from __future__ import annotations

from aiohttp import web

from hostd.api.identity import asking_process, known_owner
from hostd.api.requests import (
    QUOTA,
    answer,
    answer_list,
    body_of,
    by_fields,
    context_of,
    flag_field,
    optional_text,
    text_field,
    user_of,
)
from hostd.api.shapes import account_json, key_json
from hostd.api.users import named_user
from hostd.errors import Forbidden, Invalid

routes = web.RouteTableDef()


@routes.get("/account")
@routes.get("/users/~")
async def show(request: web.Request) -> web.Response:
    """Who the caller is."""
    return answer(account_json(user_of(request)))


@routes.patch("/users/{user}")
async def update_user(request: web.Request) -> web.StreamResponse:
    """As `PATCH /account`, by one's own email or id, or `~`. Nobody else's account is changed here."""
    if named_user(request).id != user_of(request).id:
        raise Forbidden("Only they themselves change their account.")
    return await update(request)


@routes.patch("/account")
async def update(request: web.Request) -> web.Response:
    """Call oneself by another `name`. Who one is, the mail address, does not change."""
    context, user, body = context_of(request), known_owner(user_of(request)), await body_of(request)
    if (email := optional_text(body, "email")) is not None and email.lower() != user.email:
        raise Invalid("Your email cannot change: it is what you are known by here. An admin can add another user.")
    for field, what in (("allow_tracking", "tracks nobody"), ("beta", "has no beta programme")):
        if flag_field(body, field):
            raise Invalid(f"The field {field} cannot be true: this platform {what}.")
    name = optional_text(body, "name")
    return answer(account_json(user if name is None else context.ledger.users.rename(user.id, name)))


@routes.get("/account/rate-limits")
async def rate_limits(request: web.Request) -> web.Response:
    """How many calls the caller has left with tokens, now."""
    return answer({"remaining": request.app[QUOTA].remaining(user_of(request).id)})


@routes.get("/account/keys")
async def keys(request: web.Request) -> web.Response:
    """The caller's ssh keys."""
    user = user_of(request)
    found = [key_json(key, user) for key in context_of(request).ledger.keys.list(user.id)]
    return answer_list(request, found, sortable=by_fields("id", "fingerprint"), default="id")


@routes.post("/account/keys")
async def add_key(request: web.Request) -> web.Response:
    """Add an ssh key, given as the text of its public file."""
    user = known_owner(user_of(request))
    text = text_field(await body_of(request), "public_key")
    return answer(key_json(context_of(request).ledger.keys.add(user.id, text), user), 201)


@routes.delete("/account/keys")
async def clear_keys(request: web.Request) -> web.Response:
    """Remove all of the caller's ssh keys; answers with them."""
    context, user = context_of(request), user_of(request)
    removed = context.ledger.keys.clear(user.id)
    context.revoking.end_keys(user, {key.id for key in removed}, asking_process(request))
    return answer([key_json(key, user) for key in removed])


@routes.get("/account/keys/{key}")
async def show_key(request: web.Request) -> web.Response:
    """One ssh key, by id, fingerprint or comment."""
    user = user_of(request)
    return answer(key_json(context_of(request).ledger.keys.get(user.id, request.match_info["key"]), user))


@routes.delete("/account/keys/{key}")
async def remove_key(request: web.Request) -> web.Response:
    """Remove an ssh key, by id, fingerprint or comment."""
    context, user = context_of(request), user_of(request)
    removed = context.ledger.keys.remove(user.id, request.match_info["key"])
    context.revoking.end_keys(user, {removed.id}, asking_process(request))
    return answer(key_json(removed, user))
