"""Webhooks of apps, the events that they are told of, and the deliveries, in Heroku's shapes.

Addresses are masked, for everybody: they may hold passwords. The secret is shown once, in a header of the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from hostd.api.requests import answer, answer_list, app_for, body_of, by_fields, context_of, optional_text, user_of
from hostd.api.shapes import app_ref, moment
from hostd.errors import Invalid
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.webhook_deliveries import Delivery, DeliveryStatus, Event
from hostd.ledger.webhooks import Webhook
from hostd.logplex.drains.destinations import masked
from hostd.webhooks import kinds

routes = web.RouteTableDef()

SHOWN_ONCE = "Heroku-Webhook-Secret"
"""The header with the secret, of the answer that is made with it."""
STATUSES = ("pending", "scheduled", "retrying", "failed", "succeeded")
"""Heroku's; `scheduled` is none of ours."""
_SECRET_BYTES = 32


@routes.get("/apps/{app}/webhooks")
async def index(request: web.Request) -> web.Response:
    """The app's webhooks."""
    context, app = context_of(request), app_for(request)
    found = [_webhook(app, webhook) for webhook in context.ledger.webhooks.list(app.id)]
    return answer_list(request, found, sortable=by_fields("id"), default="id")


@routes.post("/apps/{app}/webhooks")
async def create(request: web.Request) -> web.Response:
    """Tell an address of what happens: `{"include": ["api:release"], "level": "notify", "url", "secret"?,
    "authorization"?}`. Without a secret one is made; it comes in the header Heroku-Webhook-Secret, this once."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    secret = kinds.secret(optional_text(body, "secret") or secrets.token_hex(_SECRET_BYTES))
    made = context.ledger.webhooks.add(
        app.id,
        kinds.address(body["url"]),
        kinds.includes(body["include"]),
        body["level"],
        secret,
        kinds.authorization(optional_text(body, "authorization") or ""),
    )
    context.events.api(app, f"Add webhook {made.id} to {masked(made.url)} by {user.email}")
    return _with_secret(answer(_webhook(app, made), 201), made)


@routes.get("/apps/{app}/webhooks/{webhook}")
async def show(request: web.Request) -> web.Response:
    """One webhook."""
    context, app = context_of(request), app_for(request)
    return answer(_webhook(app, context.ledger.webhooks.get(app.id, request.match_info["webhook"])))


@routes.patch("/apps/{app}/webhooks/{webhook}")
async def update(request: web.Request) -> web.Response:
    """Change what is named; what waits to be delivered goes to the new address."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    webhook = context.ledger.webhooks.get(app.id, request.match_info["webhook"])
    secret = optional_text(body, "secret")
    changed = replace(
        webhook,
        include=kinds.includes(body["include"]) if body.get("include") is not None else webhook.include,
        level=body.get("level") or webhook.level,
        # What the list shows is masked: given back as it was shown, the address stays.
        url=kinds.address(url)
        if (url := optional_text(body, "url")) and url != masked(webhook.url)
        else webhook.url,
        secret=kinds.secret(secret) if secret else webhook.secret,
        authorization=kinds.authorization(body["authorization"] or "")
        if "authorization" in body
        else webhook.authorization,
    )
    made = context.ledger.webhooks.update(changed)
    context.events.api(app, f"Update webhook {made.id} to {masked(made.url)} by {user.email}")
    response = answer(_webhook(app, made))
    return _with_secret(response, made) if secret else response


@routes.delete("/apps/{app}/webhooks/{webhook}")
async def remove(request: web.Request) -> web.Response:
    """Tell it no more; what was not delivered yet is not."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    gone = context.ledger.webhooks.remove(app.id, request.match_info["webhook"])
    context.events.api(app, f"Remove webhook {gone.id} to {masked(gone.url)} by {user.email}")
    return answer(_webhook(app, gone))


@routes.get("/apps/{app}/webhook-deliveries")
async def deliveries(request: web.Request) -> web.Response:
    """What was delivered, or is to be, oldest first; `eq[status]` chooses."""
    context, app = context_of(request), app_for(request)
    wanted = request.query.get("eq[status]")
    if wanted is not None and wanted not in STATUSES:
        raise Invalid(f"There is no status {wanted[:40]!r}. There are: {', '.join(STATUSES)}.")
    levels = {webhook.id: webhook.level for webhook in context.ledger.webhooks.list(app.id)}
    found = [each for each in context.ledger.webhook_deliveries.list(app.id) if wanted in (None, each.status.value)]

    def shape(delivery: Delivery) -> dict[str, Any]:
        return _delivery(delivery, levels[delivery.webhook_id])

    return answer_list(request, found, sortable=_DELIVERIES_BY, default="seq", shape=shape)


@routes.get("/apps/{app}/webhook-deliveries/{delivery}")
async def delivery(request: web.Request) -> web.Response:
    """One delivery."""
    context, app = context_of(request), app_for(request)
    found = context.ledger.webhook_deliveries.get(app.id, request.match_info["delivery"])
    return answer(_delivery(found, context.ledger.webhooks.get(app.id, found.webhook_id).level))


@routes.get("/apps/{app}/webhook-events")
async def events(request: web.Request) -> web.Response:
    """What happened that a webhook wanted to be told of, oldest first."""
    context, app = context_of(request), app_for(request)
    found = context.ledger.webhook_deliveries.events(app.id)
    return answer_list(request, found, sortable=_EVENTS_BY, default="seq", shape=_event)


@routes.get("/apps/{app}/webhook-events/{event}")
async def event(request: web.Request) -> web.Response:
    """One event."""
    context, app = context_of(request), app_for(request)
    return answer(_event(context.ledger.webhook_deliveries.event(app.id, request.match_info["event"])))


_DELIVERIES_BY: dict[str, Callable[[Delivery], str | int]] = {
    "seq": lambda delivery: delivery.sequence,
    "id": lambda delivery: delivery.id,
}
_EVENTS_BY: dict[str, Callable[[Event], str | int]] = {
    "seq": lambda event: event.sequence,
    "id": lambda event: event.id,
}


def _with_secret(response: web.Response, webhook: Webhook) -> web.Response:
    # A header holds ASCII only; a secret that somebody chose otherwise is known to them.
    response.headers[SHOWN_ONCE] = webhook.secret.encode("ascii", "backslashreplace").decode()
    return response


def _webhook(app: App, webhook: Webhook) -> dict[str, Any]:
    return {
        "app": app_ref(app),
        "created_at": moment(webhook.created_at),
        "id": webhook.id,
        "include": list(webhook.include),
        "level": webhook.level,
        "updated_at": moment(webhook.updated_at),
        "url": masked(webhook.url),
    }


def _delivery(delivery: Delivery, level: str) -> dict[str, Any]:
    last = delivery.last
    ended = delivery.status in (DeliveryStatus.FAILED, DeliveryStatus.SUCCEEDED)
    tried = last is not None and (last.code is not None or last.error is not None)
    outcome = "scheduled" if not tried else "failed" if last is not None and last.error is not None else "succeeded"
    return {
        "created_at": moment(delivery.created_at),
        "event": {"id": delivery.event_id, "include": delivery.include},
        "id": delivery.id,
        "last_attempt": None
        if last is None
        else {
            "code": last.code,
            "created_at": moment(last.at),
            "error_class": last.error,
            "id": last.id,
            "status": outcome,
            "updated_at": moment(delivery.updated_at),
        },
        "next_attempt_at": None if ended else moment(delivery.next_at),
        "num_attempts": delivery.tries,
        "status": delivery.status.value,
        "updated_at": moment(delivery.updated_at),
        "webhook": {"id": delivery.webhook_id, "level": level},
    }


def _event(event: Event) -> dict[str, Any]:
    payload = {name: value for name, value in event.payload.items() if name in _PAYLOAD}
    return {
        "created_at": moment(event.created_at),
        "id": event.id,
        "include": event.include,
        "payload": payload,
        "updated_at": moment(event.created_at),
    }


_PAYLOAD = ("action", "actor", "data", "previous_data", "published_at", "resource", "sequence", "version")
