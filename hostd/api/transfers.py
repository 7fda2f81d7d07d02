"""Transfers of apps to another owner, in Heroku's shapes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from aiohttp import web

from hostd.api.identity import known_owner
from hostd.api.requests import (
    ASKED,
    Asked,
    accessible_app,
    answer,
    answer_list,
    body_of,
    by_fields,
    context_of,
    refuse_during_deploy,
    user_of,
)
from hostd.api.revoking import review
from hostd.api.shapes import app_ref, moment, user_ref
from hostd.context import Context
from hostd.errors import BadRequest, Forbidden, NotFound
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.transfers import Transfer, TransferState
from hostd.ledger.users import User

routes = web.RouteTableDef()


@routes.get("/account/app-transfers")
async def index(request: web.Request) -> web.Response:
    """The caller's: of their apps, asked for by them, and offered to them, oldest first; for an admin all."""
    context = context_of(request)
    found = [_json(context, each) for each in context.ledger.transfers.list_for(user_of(request))]
    return answer_list(request, found, sortable=by_fields("id"), default="id")


@routes.post("/account/app-transfers")
async def create(request: web.Request) -> web.Response:
    """Give an app to a user: `{"app": name, "recipient": address}`; both may be objects with `id`.

    At once by an admin or to oneself; else it is pending until the recipient accepts.
    """
    context, user, body = context_of(request), known_owner(user_of(request)), await body_of(request)
    app = accessible_app(request, user, _named(body, "app", "name"), Right.MANAGE)
    recipient = recipient_named(context, _named(body, "recipient", "email"))
    at_once = user.admin or recipient.id == user.id
    if at_once:
        refuse_during_deploy(context, app)
        if waiting := context.ledger.transfers.pending(app.id):
            context.ledger.transfers.cancel(waiting.id)
    made = context.ledger.transfers.offer(app, recipient, user)
    if at_once:
        return answer(_json(context, await _accept(request, made)), 201)
    context.events.api(app, f"Offer the app to {recipient.email} by {user.email}")
    return answer(_json(context, made), 201)


@routes.get("/account/app-transfers/{transfer}")
async def show(request: web.Request) -> web.Response:
    """One of the caller's, by its id, or by the name of an app that is offered."""
    return answer(_json(context_of(request), _found(request)))


@routes.patch("/account/app-transfers/{transfer}")
async def update(request: web.Request) -> web.Response:
    """Accept or decline what one was offered: `{"state": "accepted" or "declined"}`."""
    context, user, made = context_of(request), known_owner(user_of(request)), _found(request)
    state = (await body_of(request)).get("state")
    if state not in (TransferState.ACCEPTED.value, TransferState.DECLINED.value):
        raise BadRequest("The field state must be accepted or declined.")
    recipient = context.ledger.users.once(made.recipient_id)
    if user.id != made.recipient_id and not user.admin:
        raise Forbidden(f"This is for {recipient.email} to decide. To take it back: hostctl apps:transfers:cancel")
    app = context.ledger.apps.get(made.app_id) if made.state is TransferState.PENDING else None
    if state == TransferState.ACCEPTED.value:
        if app is not None:
            refuse_during_deploy(context, app)
        return answer(_json(context, await _accept(request, made)))
    made = context.ledger.transfers.decline(made.id)
    if app is not None:
        context.events.api(app, f"Decline to take the app over by {user.email}")
    return answer(_json(context, made))


@routes.delete("/account/app-transfers/{transfer}")
async def cancel(request: web.Request) -> web.Response:
    """Take an offer back; whoever may manage the app may."""
    context, user, made = context_of(request), user_of(request), _found(request)
    if made.state is TransferState.PENDING:
        app = context.ledger.apps.get(made.app_id)
        if Right.MANAGE not in context.ledger.access.rights(app, user):
            raise Forbidden(
                f"Only who may manage {app.name} takes this back. To decline it: hostctl apps:transfers:decline "
                f"-a {app.name}"
            )
        context.events.api(app, f"Take the offer of the app back by {user.email}")
    return answer(_json(context, context.ledger.transfers.cancel(made.id)))


def recipient_named(context: Context, wanted: str) -> User:
    """The user to whom something is given, by email or id. Raises NotFound, with the next step."""
    try:
        return context.ledger.users.get(wanted)
    except NotFound:
        named = wanted[:254]
        raise NotFound(f"There is no user {named}. An admin adds users: hostctl users:add {named}") from None


async def release_of_transfer(context: Context, app: App, before: User, owner: User, user: User) -> None:
    """Say in a release of the app, and so in its log, that it has changed hands."""
    await context.deploys.release(app, user=user, description=f"Transfer from {before.email} to {owner.email}")


async def _accept(request: web.Request, offered: Transfer) -> Transfer:
    """Change the owner, and say so in the app's log and in a release."""
    context, user = context_of(request), user_of(request)
    before = context.ledger.users.get(offered.owner_id)
    made, app = context.ledger.transfers.accept(offered.id)
    await release_of_transfer(context, app, before, context.ledger.users.get(made.recipient_id), user)
    await review(request, before, app)
    return made


def _found(request: web.Request) -> Transfer:
    """The transfer that the path names, if it is one of the caller's or of an app they may manage. Raises NotFound."""
    context, wanted = context_of(request), request.match_info["transfer"]
    mine = context.ledger.transfers.list_for(user_of(request))
    for made in mine:
        if wanted == made.id:
            request[ASKED] = Asked(context.ledger.apps.once(made.app_id))
            return made
    with suppress(NotFound):
        app = context.ledger.apps.get(wanted)
        offer = context.ledger.transfers.pending(app.id)
        request[ASKED] = Asked(app)
        if offer and (offer in mine or Right.MANAGE in context.ledger.access.rights(app, user_of(request))):
            return offer
    raise NotFound(f"There is no transfer {wanted[:60]!r} of yours. Those that there are: hostctl apps:transfers")


def _named(body: dict[str, Any], field: str, key: str) -> str:
    value = body.get(field)
    named = (value.get(key) or value.get("id")) if isinstance(value, dict) else value
    if not isinstance(named, str) or not named:
        raise BadRequest(f"The field {field} must be a text that is not empty, or an object with {key} or id.")
    return named


def _json(context: Context, made: Transfer) -> dict[str, Any]:
    ledger = context.ledger
    return {
        "app": app_ref(ledger.apps.once(made.app_id)),
        "created_at": moment(made.created_at),
        "id": made.id,
        "owner": user_ref(ledger.users.once(made.owner_id)),
        "recipient": user_ref(ledger.users.once(made.recipient_id)),
        "state": made.state.value,
        "updated_at": moment(made.updated_at),
    }
