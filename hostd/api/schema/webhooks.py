"""Webhooks of apps, what they are told of, and how that goes."""

from hostd.api.schema.model import Link, Resource
from hostd.api.schema.words import (
    FILLED,
    MAYBE_TEXT,
    MAYBE_TIME,
    MAYBE_WHOLE,
    NAMED,
    NOTHING,
    OBJECT,
    PERSON,
    TEXT,
    TIME,
    UUID,
    WHOLE,
    body,
    choice,
    like,
    many,
    maybe,
    record,
    ref,
)

_LEVEL = choice("notify", "sync")
_INCLUDE = like({"type": "array", "items": FILLED, "minItems": 1}, ["api:release"])
_URL = like(FILLED, "https://hooks.example.com/hostd")

WEBHOOK = Resource(
    "app-webhook",
    "Who is told what happens to an app. Secrets in its address are masked.",
    record({
        "app": NAMED,
        "created_at": TIME,
        "id": UUID,
        "include": many(TEXT),
        "level": _LEVEL,
        "updated_at": TIME,
        "url": TEXT,
    }),
    (
        Link("GET /apps/{app}/webhooks", "List", "The app's webhooks.", many(ref("app-webhook"))),
        Link(
            "POST /apps/{app}/webhooks",
            "Create",
            "Tell an address of what happens; its secret comes in the header Heroku-Webhook-Secret.",
            ref("app-webhook"),
            body(
                {"authorization": MAYBE_TEXT, "include": _INCLUDE, "level": _LEVEL, "secret": MAYBE_TEXT, "url": _URL},
                needs=("include", "level", "url"),
            ),
            201,
        ),
        Link("GET /apps/{app}/webhooks/{webhook}", "Info", "One webhook.", ref("app-webhook")),
        Link(
            "PATCH /apps/{app}/webhooks/{webhook}",
            "Update",
            "Change what is named.",
            ref("app-webhook"),
            body({
                "authorization": MAYBE_TEXT,
                "include": maybe(_INCLUDE),
                "level": maybe(_LEVEL),
                "secret": MAYBE_TEXT,
                "url": MAYBE_TEXT,
            }),
        ),
        Link("DELETE /apps/{app}/webhooks/{webhook}", "Delete", "Tell it no more.", ref("app-webhook")),
    ),
)

DELIVERY = Resource(
    "app-webhook-delivery",
    "What a webhook was told, or is to be, of an event.",
    record({
        "created_at": TIME,
        "event": record({"id": UUID, "include": TEXT}),
        "id": UUID,
        "last_attempt": maybe(record({
            "code": MAYBE_WHOLE,
            "created_at": TIME,
            "error_class": MAYBE_TEXT,
            "id": UUID,
            "status": choice("scheduled", "succeeded", "failed"),
            "updated_at": TIME,
        })),
        "next_attempt_at": MAYBE_TIME,
        "num_attempts": WHOLE,
        "status": choice("pending", "scheduled", "retrying", "failed", "succeeded"),
        "updated_at": TIME,
        "webhook": record({"id": UUID, "level": _LEVEL}),
    }),
    (
        Link("GET /apps/{app}/webhook-deliveries", "List", "Deliveries to the app's webhooks, oldest first.",
             many(ref("app-webhook-delivery")), query={"eq[status]": TEXT}),
        Link("GET /apps/{app}/webhook-deliveries/{delivery}", "Info", "One delivery.", ref("app-webhook-delivery")),
    ),
)  # fmt: skip

EVENT = Resource(
    "app-webhook-event",
    "Something that happened to an app.",
    record({
        "created_at": TIME,
        "id": UUID,
        "include": TEXT,
        "payload": record({
            "action": choice("create", "update", "destroy"),
            "actor": PERSON,
            "data": OBJECT,
            "previous_data": OBJECT,
            "published_at": TIME,
            "resource": TEXT,
            "sequence": NOTHING,
            "version": TEXT,
        }),
        "updated_at": TIME,
    }),
    (
        Link("GET /apps/{app}/webhook-events", "List", "What happened, oldest first.", many(ref("app-webhook-event"))),
        Link("GET /apps/{app}/webhook-events/{event}", "Info", "One event.", ref("app-webhook-event")),
    ),
)

RESOURCES = (WEBHOOK, DELIVERY, EVENT)
