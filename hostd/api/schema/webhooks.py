"""Webhooks of apps and of pipelines, what they are told of, and how that goes."""

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

_WEBHOOK = {
    "created_at": TIME,
    "id": UUID,
    "include": many(TEXT),
    "level": _LEVEL,
    "updated_at": TIME,
    "url": TEXT,
}
_DELIVERY = record({
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
})
_EVENT = record({
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
})


def _webhook(whose: str, of_what: str) -> Resource:
    name, base = f"{whose}-webhook", f"/{whose}s/{{{whose}}}/webhooks"
    return Resource(
        name,
        f"Who is told what happens to {of_what}. Secrets in its address are masked.",
        record({whose: NAMED} | _WEBHOOK),
        (
            Link(f"GET {base}", "List", f"The {whose}'s webhooks.", many(ref(name))),
            Link(
                f"POST {base}",
                "Create",
                "Tell an address of what happens; its secret comes in the header Heroku-Webhook-Secret.",
                ref(name),
                body(
                    {
                        "authorization": MAYBE_TEXT,
                        "include": _INCLUDE,
                        "level": _LEVEL,
                        "secret": MAYBE_TEXT,
                        "url": _URL,
                    },
                    needs=("include", "level", "url"),
                ),
                201,
            ),
            Link(f"GET {base}/{{webhook}}", "Info", "One webhook.", ref(name)),
            Link(
                f"PATCH {base}/{{webhook}}",
                "Update",
                "Change what is named.",
                ref(name),
                body({
                    "authorization": MAYBE_TEXT,
                    "include": maybe(_INCLUDE),
                    "level": maybe(_LEVEL),
                    "secret": MAYBE_TEXT,
                    "url": MAYBE_TEXT,
                }),
            ),
            Link(f"DELETE {base}/{{webhook}}", "Delete", "Tell it no more.", ref(name)),
        ),
    )


def _delivery(whose: str) -> Resource:
    name, base = f"{whose}-webhook-delivery", f"/{whose}s/{{{whose}}}/webhook-deliveries"
    return Resource(
        name,
        f"What a webhook of the {whose} was told, or is to be, of an event.",
        _DELIVERY,
        (
            Link(f"GET {base}", "List", f"Deliveries to the {whose}'s webhooks, oldest first.", many(ref(name)),
                 query={"eq[status]": TEXT}),
            Link(f"GET {base}/{{delivery}}", "Info", "One delivery.", ref(name)),
        ),
    )  # fmt: skip


def _event(whose: str, of_what: str) -> Resource:
    name, base = f"{whose}-webhook-event", f"/{whose}s/{{{whose}}}/webhook-events"
    return Resource(
        name,
        f"Something that happened to {of_what}.",
        _EVENT,
        (
            Link(f"GET {base}", "List", "What happened, oldest first.", many(ref(name))),
            Link(f"GET {base}/{{event}}", "Info", "One event.", ref(name)),
        ),
    )


RESOURCES = tuple(
    resource
    for whose, of_what in (("app", "an app"), ("pipeline", "an app of a pipeline"))
    for resource in (_webhook(whose, of_what), _delivery(whose), _event(whose, of_what))
)
