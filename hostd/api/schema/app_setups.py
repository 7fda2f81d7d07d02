"""Setups of apps."""

from hostd.api.schema.model import Link, Resource
from hostd.api.schema.words import (
    ANYTHING,
    FILLED,
    MAYBE_TEXT,
    MAYBE_WHOLE,
    NAMED,
    TEXT,
    TIME,
    URI,
    UUID,
    body,
    choice,
    like,
    many,
    maybe,
    one_of,
    record,
    ref,
    said,
    table,
)

_NAMED = said(
    maybe(one_of(FILLED, body({"name": FILLED}, needs=("name",)))), "a name, or an object with a name, or null"
)

SETUP = Resource(
    "app-setup",
    "An app that is made, configured and deployed at one go, as the app.json of its source says.",
    record({
        "app": NAMED,
        "build": maybe(
            record({"id": UUID, "output_stream_url": URI, "status": choice("pending", "succeeded", "failed")})
        ),
        "created_at": TIME,
        "failure_message": MAYBE_TEXT,
        "id": UUID,
        "manifest_errors": many(TEXT),
        "postdeploy": maybe(record({"exit_code": MAYBE_WHOLE, "output": TEXT})),
        "resolved_success_url": MAYBE_TEXT,
        "status": choice("pending", "succeeded", "failed"),
        "updated_at": TIME,
    }),
    (
        Link(
            "POST /app-setups",
            "Create",
            "Set an app up; answers when it is there, and begins.",
            ref("app-setup"),
            body(
                {
                    "app": maybe(
                        body({
                            "locked": ANYTHING,
                            "name": MAYBE_TEXT,
                            "organization": _NAMED,
                            "personal": ANYTHING,
                            "region": _NAMED,
                            "space": _NAMED,
                            "stack": _NAMED,
                        })
                    ),
                    "overrides": maybe(
                        body({
                            "buildpacks": maybe(many(body({"url": FILLED}, needs=("url",)))),
                            "env": like(maybe(table(TEXT)), {"COLOUR": "blue"}),
                        })
                    ),
                    "source_blob": body(
                        {
                            "checksum": MAYBE_TEXT,
                            "url": like(FILLED, "https://example.com/app.tgz"),
                            "version": MAYBE_TEXT,
                        },
                        needs=("url",),
                    ),
                },
                needs=("source_blob",),
            ),
            202,
        ),
        Link("GET /app-setups/{setup}", "Info", "How far it is.", ref("app-setup")),
        Link("GET /hostd/app-setups/{setup}/output", "Output", "What it says, as it is said.", media="text/plain"),
    ),
)

RESOURCES = (SETUP,)
"""What is served."""
