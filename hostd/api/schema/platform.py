"""The platform: stacks, features, scheduled jobs, the router and how everything is."""

from hostd.api.schema.model import NO_DEFINITION, Link, Resource
from hostd.api.schema.words import (
    ANYTHING,
    FILLED,
    FLAG,
    MAYBE_FLAG,
    MAYBE_TEXT,
    MAYBE_TIME,
    MAYBE_WHOLE,
    NAMED,
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
    table,
)

STACK = Resource(
    "stack",
    "What apps are built for and run on. `version` is the one that new builds get.",
    record(
        {
            "created_at": TIME,
            "default": FLAG,
            "id": UUID,
            "name": TEXT,
            "state": TEXT,
            "system": MAYBE_TEXT,
            "updated_at": TIME,
            "version": MAYBE_TEXT,
            "versions": many(
                record(
                    {
                        "app_count": WHOLE,
                        "apps": many(TEXT),
                        "created_at": MAYBE_TIME,
                        "current": FLAG,
                        "version": TEXT,
                    }
                )
            ),
        }
    ),
    (
        Link("GET /stacks", "List", "The stacks that apps can use.", many(ref("stack"))),
        Link("GET /apps/{app}/available-stacks", "List By App", "Those that an app can be built for: all.",
             many(ref("stack"))),
        Link("GET /stacks/{stack}", "Info", "One stack, by its name or id.", ref("stack")),
        Link(
            "GET /hostd/stacks/{stack}/packages",
            "Packages",
            "What is installed in a stack, package to version.",
            maybe(table(TEXT)),
        ),
        Link(
            "POST /hostd/stacks",
            "Create",
            "Make a stack; for admins.",
            media="application/octet-stream",
            body=body({"name": FILLED}, needs=("name",)),
        ),
        Link(
            "POST /hostd/stacks/{stack}/versions",
            "Update",
            "Make a new version with the patches of the day.",
            media="application/octet-stream",
            body=body({"force": MAYBE_FLAG}),
        ),
        Link(
            "PATCH /hostd/stacks/{stack}",
            "Switch",
            "Make another version current.",
            media="application/octet-stream",
            body=body({"version": MAYBE_TEXT}),
        ),
        Link(
            "DELETE /hostd/stacks/{stack}",
            "Delete",
            "Delete a stack that no app needs; for admins.",
            record({"destroyed": many(TEXT)}),
        ),
    ),
)

_FEATURE = record(
    {
        "created_at": TIME,
        "description": TEXT,
        "display_name": TEXT,
        "doc_url": TEXT,
        "enabled": FLAG,
        "feedback_email": TEXT,
        "id": UUID,
        "name": TEXT,
        "state": TEXT,
        "updated_at": TIME,
    }
)
_SWITCH = body({"enabled": FLAG}, needs=("enabled",))

APP_FEATURE = Resource(
    "app-feature",
    "Something of an app that can be switched on and off.",
    _FEATURE,
    (
        Link("GET /apps/{app}/features", "List", "Every feature that apps can have.", many(ref("app-feature"))),
        Link("GET /apps/{app}/features/{feature}", "Info", "One feature, by its name or id.", ref("app-feature")),
        Link("PATCH /apps/{app}/features/{feature}", "Update", "Enable or disable it.", ref("app-feature"), _SWITCH),
    ),
)

ACCOUNT_FEATURE = Resource(
    "account-feature",
    "Something of a person that can be switched on and off.",
    _FEATURE,
    (
        Link("GET /account/features", "List", "Every feature that people can have.", many(ref("account-feature"))),
        Link("GET /account/features/{feature}", "Info", "One feature, by its name or id.", ref("account-feature")),
        Link("PATCH /account/features/{feature}", "Update", "Enable a feature, or disable it.", ref("account-feature"),
             body({"enabled": FLAG}, needs=("enabled",))),
    ),
)

_RUN = record(
    {
        "due_at": MAYBE_TIME,
        "dyno": MAYBE_TEXT,
        "ended_at": MAYBE_TIME,
        "exit_status": MAYBE_WHOLE,
        "reason": MAYBE_TEXT,
        "started_at": MAYBE_TIME,
        "status": choice("running", "succeeded", "failed"),
    }
)

JOB = Resource(
    "job",
    "A command that runs by the clock.",
    record(
        {
            "app": NAMED,
            "catch_up": choice("none", "one"),
            "command": TEXT,
            "created_at": TIME,
            "every": TEXT,
            "id": UUID,
            "next_runs": many(TIME),
            "number": WHOLE,
            "paused": FLAG,
            "runs": many(_RUN),
            "size": TEXT,
            "timezone": TEXT,
        }
    ),
    (
        Link("GET /hostd/apps/{app}/jobs", "List", "The app's jobs, each with its last run.", many(ref("job"))),
        Link(
            "POST /hostd/apps/{app}/jobs",
            "Create",
            "Schedule a command.",
            ref("job"),
            body(
                {
                    "command": like(FILLED, "python tidy.py"),
                    "every": like(FILLED, "10m", "15 3 * * *"),
                    "timezone": like(MAYBE_TEXT, "Europe/Berlin"),
                    "size": like(MAYBE_TEXT, "eco"),
                    "catch_up": like(MAYBE_TEXT, "one"),
                },
                needs=("command", "every"),
            ),
            201,
        ),
        Link("GET /hostd/apps/{app}/jobs/{job}", "Info", "One job with its runs.", ref("job")),
        Link(
            "PATCH /hostd/apps/{app}/jobs/{job}",
            "Update",
            "Pause or resume a job.",
            ref("job"),
            body({"paused": FLAG}, needs=("paused",), closed=True),
        ),
        Link("DELETE /hostd/apps/{app}/jobs/{job}", "Delete", "Remove a job.", ref("job")),
        Link("POST /hostd/apps/{app}/jobs/{job}/runs", "Run", "Run a job now.", _RUN, status=201),
    ),
)

STATUS = Resource(
    "status",
    "How the platform is, part by part.",
    record(
        {
            "components": many(record({"detail": TEXT, "name": TEXT, "ok": FLAG, "status": choice("ok", "degraded")})),
            "status": choice("ok", "degraded"),
            "version": TEXT,
        }
    ),
    (
        Link("GET /hostd/status", "Info", "Every component with ok or degraded.", ref("status")),
        Link("GET /hostd/version", "Version", "The version of the daemon.", record({"version": TEXT})),
        Link("GET /hostd/router", "Router", "What each worker of the router says of itself.", many(table(ANYTHING))),
    ),
)

SCHEMA = Resource(
    "schema",
    "What this API is, for programs.",
    NO_DEFINITION,
    (
        Link("GET /schema", "Info", "All of it as JSON hyper-schema, as Heroku's.", table(ANYTHING), open=True),
        Link("GET /openapi.json", "OpenAPI", "All of it as OpenAPI 3.1.", table(ANYTHING), open=True),
    ),
)

DOORS = Resource(
    "doors",
    "The ways into this server from other machines.",
    record(
        {
            "api_port": WHOLE,
            "authority": TEXT,
            "domain": TEXT,
            "https_port": WHOLE,
            "rendezvous_port": WHOLE,
            "ssh_port": WHOLE,
        }
    ),
    (Link("GET /hostd/doors", "Info", "The ports, and the certificate of the authority for localhost.", ref("doors")),),
)

RESOURCES = (DOORS, STACK, APP_FEATURE, ACCOUNT_FEATURE, JOB, STATUS, SCHEMA)
