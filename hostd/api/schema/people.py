"""Transfers of apps between people, and what people did."""

from hostd.api.schema.model import Link, Resource
from hostd.api.schema.words import (
    IDENTIFIED,
    NAMED,
    PERSON,
    TEXT,
    TIME,
    UUID,
    WHOLE,
    body,
    choice,
    many,
    maybe,
    named_by,
    record,
    ref,
    said,
)

APP_TRANSFER = Resource(
    "app-transfer",
    "An app on its way to another owner.",
    record({
        "app": NAMED,
        "created_at": TIME,
        "id": UUID,
        "owner": PERSON,
        "recipient": PERSON,
        "state": choice("pending", "accepted", "declined", "cancelled"),
        "updated_at": TIME,
    }),
    (
        Link("GET /account/app-transfers", "List", "Of the caller's apps, and to them.", many(ref("app-transfer"))),
        Link(
            "POST /account/app-transfers",
            "Create",
            "Offer an app to a user; by an admin or to oneself it is theirs at once.",
            ref("app-transfer"),
            body({"app": named_by("name", "id"), "recipient": named_by("email", "id")}, needs=("app", "recipient")),
            201,
        ),
        Link("GET /account/app-transfers/{transfer}", "Info", "One, by its id or the name of an app that is offered.",
             ref("app-transfer")),
        Link("PATCH /account/app-transfers/{transfer}", "Update", "Accept or decline what one was offered.",
             ref("app-transfer"), body({"state": choice("accepted", "declined")}, needs=("state",))),
        Link("DELETE /account/app-transfers/{transfer}", "Delete", "Take an offer back.", ref("app-transfer")),
    ),
)

_ENTRIES = {"user": TEXT, "since": TEXT, "max": TEXT}

AUDIT = Resource(
    "audit-entry",
    "Something that somebody changed, or tried to.",
    record({
        "address": said(TEXT, "Where they came from: an address, ssh or local."),
        "app": maybe(NAMED),
        "authorization": maybe(IDENTIFIED),
        "created_at": TIME,
        "door": choice("socket", "loopback", "router"),
        "method": TEXT,
        "number": WHOLE,
        "request_id": TEXT,
        "route": TEXT,
        "status": WHOLE,
        "target": said(TEXT, "The path, or what was asked of git."),
        "user": PERSON,
    }),
    (
        Link("GET /hostd/audit", "List", "What the caller did, newest first; for an admin what everybody did.",
             many(ref("audit-entry")), query=_ENTRIES),
        Link("GET /hostd/apps/{app}/audit", "List Of App", "What was done to an app; for who may manage it.",
             many(ref("audit-entry")), query=_ENTRIES),
    ),
)

RESOURCES = (APP_TRANSFER, AUDIT)
