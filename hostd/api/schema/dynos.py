"""Dynos, the formation, dyno sizes."""

from hostd.api.schema.model import Link, Resource
from hostd.api.schema.words import (
    FILLED,
    FLAG,
    IDENTIFIED,
    MAYBE_FLAG,
    MAYBE_NUMBER,
    MAYBE_TEXT,
    MAYBE_TIME,
    MAYBE_WHOLE,
    NAMED,
    NOTHING,
    NUMBER,
    TEXT,
    TIME,
    UUID,
    WHOLE,
    between,
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

# The official CLI sends COLUMNS and LINES as numbers.
_ENV = like(maybe(table(said(one_of(TEXT, WHOLE), "a text"))), {"TERM": "xterm", "COLUMNS": 80})
_TIME_LIMIT = said(maybe(between(1, 31_536_000)), "a number of seconds from 1 to 31536000")
_SIZE = said(like(one_of(MAYBE_TEXT, body({"name": FILLED}, needs=("name",))), "eco"), "the name of a dyno size")
# The official CLI sends texts, "2" and "+1".
_QUANTITY = said(like(one_of(WHOLE, TEXT, NOTHING), 1, "+1"), "a number, or a text such as 2, +1 or -1")
_UPDATE = {"quantity": _QUANTITY, "size": _SIZE, "dyno_size": _SIZE}

DYNO = Resource(
    "dyno",
    "A dyno: a process of an app in its sandbox. What Heroku has no field for is under `extended`.",
    record(
        {
            "app": NAMED,
            "attach_url": MAYBE_TEXT,
            "command": TEXT,
            "created_at": TIME,
            "extended": record(
                {
                    "address": MAYBE_TEXT,
                    "exit_status": MAYBE_WHOLE,
                    "port": MAYBE_WHOLE,
                    "reason": MAYBE_TEXT,
                    "retry_at": MAYBE_TIME,
                    "serving": FLAG,
                    "stopping": FLAG,
                }
            ),
            "id": UUID,
            "name": TEXT,
            "release": record({"id": maybe(UUID), "version": WHOLE}),
            "size": TEXT,
            "state": choice("created", "starting", "up", "idle", "crashed", "down", "complete"),
            "type": TEXT,
            "updated_at": TIME,
        }
    ),
    (
        Link(
            "GET /apps/{app}/dynos",
            "List",
            "All dynos, one-off dynos too, without those that have ended; with ended=1 also these, for five minutes.",
            many(ref("dyno")),
            query={"ended": choice("0", "1")},
        ),
        Link("GET /apps/{app}/dynos/{dyno}", "Info", "One dyno, by name or id.", ref("dyno")),
        Link(
            "POST /apps/{app}/dynos",
            "Create",
            "Start a one-off dyno.",
            ref("dyno"),
            body(
                {
                    "attach": MAYBE_FLAG,
                    "command": like(MAYBE_TEXT, "bash"),
                    "env": _ENV,
                    "force_no_tty": MAYBE_FLAG,
                    "size": like(MAYBE_TEXT, "eco"),
                    "time_to_live": _TIME_LIMIT,
                    "type": like(MAYBE_TEXT, "run"),
                }
            ),
            201,
        ),
        Link(
            "POST /apps/{app}/dynos/{dyno}",
            "Run Inside",
            "Run a command inside a running dyno.",
            ref("dyno"),
            body({"command": like(FILLED, "ls"), "env": _ENV, "time_to_live": _TIME_LIMIT}, needs=("command",)),
            201,
        ),
        Link(
            "POST /apps/{app}/dynos/{dyno}/actions/copy",
            "Copy",
            "Copy a file out of a running dyno.",
            ref("dyno"),
            body(
                {"path": like(FILLED, "/app/app.py"), "archive": MAYBE_FLAG, "time_to_live": _TIME_LIMIT},
                needs=("path",),
            ),
            201,
        ),
        Link(
            "POST /apps/{app}/dynos/{dyno}/actions/forward",
            "Forward",
            "One connection to a port inside a running dyno.",
            ref("dyno"),
            body({"port": between(1, 65535)}, needs=("port",)),
            201,
        ),
        Link("DELETE /apps/{app}/dynos", "Restart All", "Restart every dyno of the formation.", record({}), status=202),
        Link("DELETE /apps/{app}/dynos/{dyno}", "Restart", "Restart a dyno.", record({}), status=202),
        Link(
            "DELETE /apps/{app}/formations/{dyno}",
            "Restart Formation",
            "Restart the dynos of a process type.",
            record({}),
            status=202,
        ),
        Link("POST /apps/{app}/dynos/{dyno}/actions/stop", "Stop", "Stop a dyno.", record({}), status=202),
        Link(
            "POST /apps/{app}/formations/{dyno}/actions/stop",
            "Stop Formation",
            "Stop the dynos of a process type.",
            record({}),
            status=202,
        ),
        Link(
            "GET /hostd/apps/{app}/dynos/missing",
            "Missing",
            "The wanted dynos that are not up; waits up to `seconds` until there are none.",
            many(record({"name": TEXT, "reason": TEXT, "state": TEXT})),
            query={"type": TEXT, "seconds": between(0, 60)},
        ),
    ),
)

FORMATION = Resource(
    "formation",
    "A process type with its quantity and size.",
    record(
        {
            "app": NAMED,
            "command": TEXT,
            "created_at": TIME,
            "dyno_size": NAMED,
            "id": UUID,
            "quantity": WHOLE,
            "size": TEXT,
            "type": TEXT,
            "updated_at": TIME,
        }
    ),
    (
        Link("GET /apps/{app}/formation", "List", "Every process type of the current release.", many(ref("formation"))),
        Link("GET /apps/{app}/formation/{type}", "Info", "One process type.", ref("formation")),
        Link(
            "PATCH /apps/{app}/formation",
            "Batch Update",
            "Scale several process types at once.",
            many(ref("formation")),
            body(
                {"updates": {**many(body({"type": like(FILLED, "web"), **_UPDATE}, needs=("type",))), "minItems": 1}},
                needs=("updates",),
            ),
        ),
        Link(
            "PATCH /apps/{app}/formation/{type}",
            "Update",
            "Scale one process type.",
            ref("formation"),
            body(dict(_UPDATE)),
        ),
    ),
)

DYNO_SIZE = Resource(
    "dyno-size",
    "What a dyno of a size may use: `memory` in GB, `compute` its share of the processor against others.",
    record(
        {
            "architecture": TEXT,
            "compute": WHOLE,
            "cost": {"type": "null"},
            "dedicated": FLAG,
            "extended": record({"cores": MAYBE_NUMBER, "memory_bytes": WHOLE, "tasks": WHOLE}),
            "generation": NAMED,
            "id": UUID,
            "memory": NUMBER,
            "name": TEXT,
            "precise_dyno_units": NUMBER,
            "private_space_only": FLAG,
        }
    ),
    (
        Link("GET /dyno-sizes", "List", "The sizes that have a name.", many(ref("dyno-size"))),
        Link(
            "GET /apps/{app}/available-dyno-sizes",
            "List By App",
            "Those that the dynos of an app can have: all.",
            many(ref("dyno-size")),
        ),
        Link("GET /dyno-sizes/{size}", "Info", "One size, by its name or as an amount of memory.", ref("dyno-size")),
    ),
)

RELEASE = Resource(
    "release",
    "A release: a slug with config vars, by whom, when and why.",
    record(
        {
            "addon_plan_names": many(TEXT),
            "app": NAMED,
            "artifacts": many(IDENTIFIED),
            "created_at": TIME,
            "current": FLAG,
            "description": TEXT,
            "eligible_for_rollback": FLAG,
            "id": UUID,
            "output_stream_url": MAYBE_TEXT,
            "slug": maybe(IDENTIFIED),
            "stack": MAYBE_TEXT,
            "status": choice("expired", "failed", "pending", "succeeded"),
            "updated_at": TIME,
            "user": record({"email": TEXT, "id": UUID}),
            "version": WHOLE,
        }
    ),
    (
        Link("GET /apps/{app}/releases", "List", "Releases, oldest first.", many(ref("release"))),
        Link(
            "GET /apps/{app}/releases/{release}",
            "Info",
            "One release, by id, by version, or `current`.",
            ref("release"),
        ),
        Link(
            "GET /apps/{app}/releases/{release}/output", "Output", "What the release phase printed.", media="text/plain"
        ),
        Link(
            "GET /hostd/signed/releases/{app}/{release}",
            "Signed Output",
            "The same at a signed address.",
            media="text/plain",
            query={"expires": WHOLE, "signature": TEXT},
            open=True,
        ),
        Link(
            "POST /apps/{app}/releases",
            "Create",
            "A new release with the slug and the config vars of an older one, or with a slug of the app.",
            ref("release"),
            body(
                {
                    "release": said(like(one_of(FILLED, WHOLE, NOTHING), "v2"), "the version or id of a release"),
                    "slug": like(MAYBE_TEXT, None),
                    "description": said(maybe({**TEXT, "maxLength": 1000}), "a text of at most 1000 characters"),
                },
            ),
            201,
        ),
        Link(
            "GET /hostd/releases/verify",
            "Verify",
            "Check the hash chain of every app's releases; for admins.",
            record({"ok": FLAG, "problems": many(TEXT)}),
        ),
    ),
)

RESOURCES = (DYNO, FORMATION, DYNO_SIZE, RELEASE)
