"""Webhooks of apps and of pipelines, the events that they are told of, and the deliveries, in Heroku's shapes.

Those of a pipeline tell of its apps, which not everybody may see who sees the pipeline: all about them is for who may
change it. Addresses are masked, for everybody: they may hold passwords. The secret is shown once, in a header of the
answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from hostd.api.pipelines import own_pipeline
from hostd.api.requests import answer, answer_list, app_for, body_of, by_fields, context_of, optional_text, user_of
from hostd.api.shapes import moment
from hostd.context import Context
from hostd.errors import Invalid
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.users import User
from hostd.ledger.webhook_deliveries import Delivery, DeliveryStatus, Event
from hostd.ledger.webhook_subjects import Kind, Subject
from hostd.ledger.webhooks import Webhook
from hostd.logplex.drains.destinations import masked
from hostd.webhooks import kinds

routes = web.RouteTableDef()

SHOWN_ONCE = "Heroku-Webhook-Secret"
"""The header with the secret, of the answer that is made with it."""
STATUSES = ("pending", "scheduled", "retrying", "failed", "succeeded")
"""Heroku's; `scheduled` is none of ours."""
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Named:
    """The app or the pipeline whose webhooks a path means. `apps` are those in whose streams a change is said."""

    subject: Subject
    name: str
    apps: Sequence[App]

    @property
    def json(self) -> dict[str, Any]:
        """The field of a webhook that says whose it is."""
        return {self.subject.kind.value: {"id": self.subject.id, "name": self.name}}

    def say(self, context: Context, done: str, webhook: Webhook, user: User) -> None:
        """Say who did what to a webhook: in the app's stream, or in those of all apps of the pipeline."""
        # Who sees one of these apps need not be one who may see where the pipeline's webhooks lead.
        which = f"of pipeline {self.name}" if self.subject.kind is Kind.PIPELINE else f"to {masked(webhook.url)}"
        for app in self.apps:
            context.events.api(app, f"{done} webhook {webhook.id} {which} by {user.email}")


@routes.get("/apps/{app}/webhooks")
@routes.get("/pipelines/{pipeline}/webhooks")
async def index(request: web.Request) -> web.Response:
    """The webhooks of an app or a pipeline."""
    context, whose = context_of(request), _whose(request)
    found = [_webhook(whose, webhook) for webhook in context.ledger.webhooks.list(whose.subject)]
    return answer_list(request, found, sortable=by_fields("id"), default="id")


@routes.post("/apps/{app}/webhooks")
@routes.post("/pipelines/{pipeline}/webhooks")
async def create(request: web.Request) -> web.Response:
    """Tell an address of what happens: `{"include": ["api:release"], "level": "notify", "url", "secret"?,
    "authorization"?}`. Without a secret one is made; it comes in the header Heroku-Webhook-Secret, this once."""
    context, whose, user = context_of(request), _whose(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    secret = kinds.secret(optional_text(body, "secret") or secrets.token_hex(_SECRET_BYTES))
    made = context.ledger.webhooks.add(
        whose.subject,
        kinds.address(body["url"]),
        kinds.includes(body["include"]),
        body["level"],
        secret,
        kinds.authorization(optional_text(body, "authorization") or ""),
    )
    whose.say(context, "Add", made, user)
    return _with_secret(answer(_webhook(whose, made), 201), made)


@routes.get("/apps/{app}/webhooks/{webhook}")
@routes.get("/pipelines/{pipeline}/webhooks/{webhook}")
async def show(request: web.Request) -> web.Response:
    """One webhook."""
    context, whose = context_of(request), _whose(request)
    return answer(_webhook(whose, context.ledger.webhooks.get(whose.subject, request.match_info["webhook"])))


@routes.patch("/apps/{app}/webhooks/{webhook}")
@routes.patch("/pipelines/{pipeline}/webhooks/{webhook}")
async def update(request: web.Request) -> web.Response:
    """Change what is named; what waits to be delivered goes to the new address."""
    context, whose, user = context_of(request), _whose(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    webhook = context.ledger.webhooks.get(whose.subject, request.match_info["webhook"])
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
    whose.say(context, "Update", made, user)
    response = answer(_webhook(whose, made))
    return _with_secret(response, made) if secret else response


@routes.delete("/apps/{app}/webhooks/{webhook}")
@routes.delete("/pipelines/{pipeline}/webhooks/{webhook}")
async def remove(request: web.Request) -> web.Response:
    """Tell it no more; what was not delivered yet is not."""
    context, whose, user = context_of(request), _whose(request, Right.OPERATE), user_of(request)
    gone = context.ledger.webhooks.remove(whose.subject, request.match_info["webhook"])
    whose.say(context, "Remove", gone, user)
    return answer(_webhook(whose, gone))


@routes.get("/apps/{app}/webhook-deliveries")
@routes.get("/pipelines/{pipeline}/webhook-deliveries")
async def deliveries(request: web.Request) -> web.Response:
    """What was delivered, or is to be, oldest first; `eq[status]` chooses."""
    context, whose = context_of(request), _whose(request)
    wanted = request.query.get("eq[status]")
    if wanted is not None and wanted not in STATUSES:
        raise Invalid(f"There is no status {wanted[:40]!r}. There are: {', '.join(STATUSES)}.")
    levels = {webhook.id: webhook.level for webhook in context.ledger.webhooks.list(whose.subject)}
    known = context.ledger.webhook_deliveries.list(whose.subject)
    found = [each for each in known if wanted in (None, each.status.value)]

    def shape(delivery: Delivery) -> dict[str, Any]:
        return _delivery(delivery, levels[delivery.webhook_id])

    return answer_list(request, found, sortable=_DELIVERIES_BY, default="seq", shape=shape)


@routes.get("/apps/{app}/webhook-deliveries/{delivery}")
@routes.get("/pipelines/{pipeline}/webhook-deliveries/{delivery}")
async def delivery(request: web.Request) -> web.Response:
    """One delivery."""
    context, whose = context_of(request), _whose(request)
    found = context.ledger.webhook_deliveries.get(whose.subject, request.match_info["delivery"])
    return answer(_delivery(found, context.ledger.webhooks.get(whose.subject, found.webhook_id).level))


@routes.get("/apps/{app}/webhook-events")
@routes.get("/pipelines/{pipeline}/webhook-events")
async def events(request: web.Request) -> web.Response:
    """What happened that a webhook wanted to be told of, oldest first."""
    context, whose = context_of(request), _whose(request)
    found = context.ledger.webhook_deliveries.events(whose.subject)
    return answer_list(request, found, sortable=_EVENTS_BY, default="seq", shape=_event)


@routes.get("/apps/{app}/webhook-events/{event}")
@routes.get("/pipelines/{pipeline}/webhook-events/{event}")
async def event(request: web.Request) -> web.Response:
    """One event."""
    context, whose = context_of(request), _whose(request)
    return answer(_event(context.ledger.webhook_deliveries.event(whose.subject, request.match_info["event"])))


_DELIVERIES_BY: dict[str, Callable[[Delivery], str | int]] = {
    "seq": lambda delivery: delivery.sequence,
    "id": lambda delivery: delivery.id,
}
_EVENTS_BY: dict[str, Callable[[Event], str | int]] = {
    "seq": lambda event: event.sequence,
    "id": lambda event: event.id,
}


def _whose(request: web.Request, right: Right = Right.VIEW) -> Named:
    """The app that the path names, if the caller has the right on it, or the pipeline, if they may change that."""
    if "app" in request.match_info:
        app = app_for(request, right)
        return Named(Subject.app(app.id), app.name, [app])
    pipeline, ledger = own_pipeline(request, request.match_info["pipeline"]), context_of(request).ledger
    apps = [ledger.apps.get(each.app_id) for each in ledger.pipelines.couplings(pipeline.id)]
    return Named(Subject.pipeline(pipeline.id), pipeline.name, apps)


def _with_secret(response: web.Response, webhook: Webhook) -> web.Response:
    # A header holds ASCII only; a secret that somebody chose otherwise is known to them.
    response.headers[SHOWN_ONCE] = webhook.secret.encode("ascii", "backslashreplace").decode()
    return response


def _webhook(whose: Named, webhook: Webhook) -> dict[str, Any]:
    return {
        **whose.json,
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
