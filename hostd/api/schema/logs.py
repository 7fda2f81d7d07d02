"""Logs: sessions, drains, limits; alerts and metrics."""

from hostd.api.schema.model import Link, Resource
from hostd.api.schema.words import (
    FILLED,
    FLAG,
    MAYBE_FLAG,
    MAYBE_NUMBER,
    MAYBE_TEXT,
    MAYBE_TIME,
    MAYBE_WHOLE,
    NAMED,
    NUMBER,
    TEXT,
    TIME,
    URI,
    UUID,
    WHOLE,
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

LOG_SESSION = Resource(
    "log-session",
    "The right to read an app's log, as a signed address.",
    record({"created_at": TIME, "id": UUID, "logplex_url": URI, "updated_at": TIME}),
    (
        Link(
            "POST /apps/{app}/log-sessions",
            "Create",
            "An address for reading the log, good for five minutes.",
            ref("log-session"),
            # The official CLI sends dyno, a dyno's name or a process type; the schema of Heroku has the two others.
            body(
                {
                    "dyno": MAYBE_TEXT,
                    "dyno_name": MAYBE_TEXT,
                    "format": like(MAYBE_TEXT, "text"),
                    "grep": MAYBE_TEXT,
                    "ignore_case": MAYBE_FLAG,
                    "lines": said(maybe({"type": "integer", "minimum": 0}), "a number, 0 or more"),
                    "processes": many(TEXT),
                    "request_id": like(MAYBE_TEXT, None),
                    "since": like(MAYBE_TEXT, "1h"),
                    "source": like(MAYBE_TEXT, "app"),
                    "tail": MAYBE_FLAG,
                    "type": MAYBE_TEXT,
                    "until": like(MAYBE_TEXT, None),
                }
            ),
            201,
        ),
        Link(
            "GET /hostd/signed/logs",
            "Stream",
            "The lines of a session, at the address that it has; as events for who takes text/event-stream.",
            media="text/plain",
            query={"app": TEXT, "session": TEXT, "signature": TEXT},
            open=True,
        ),
    ),
)

_FILTERS = record({"excluded": many(TEXT), "processes": many(TEXT), "source": MAYBE_TEXT})

_EXTENDED = {"extended": choice("true", "false")}

LOG_DRAIN = Resource(
    "log-drain",
    "Where an app's lines are sent. Secrets in its address are masked.",
    record(
        {
            "addon": maybe(NAMED),
            "app": NAMED,
            "created_at": TIME,
            "id": UUID,
            "token": TEXT,
            "updated_at": TIME,
            "url": TEXT,
        },
        {
            "extended": record(
                {
                    "drain_id": UUID,
                    "filters": _FILTERS,
                    "status": maybe(
                        record(
                            {
                                "behind": FLAG,
                                "delivered": WHOLE,
                                "last_delivery": MAYBE_TIME,
                                "last_error": maybe(record({"at": TIME, "message": TEXT})),
                                "lost": WHOLE,
                                "oldest_waiting": MAYBE_TIME,
                                "state": TEXT,
                                "waiting": WHOLE,
                            }
                        )
                    ),
                }
            ),
        },
    ),
    (
        Link(
            "GET /apps/{app}/log-drains",
            "List",
            "The app's drains; extended with how it stands with each.",
            many(ref("log-drain")),
            query=_EXTENDED,
        ),
        Link(
            "POST /apps/{app}/log-drains",
            "Create",
            "Send the app's lines on.",
            ref("log-drain"),
            body(
                {
                    "url": like(FILLED, "https://logs.example.com/in"),
                    "filters": maybe(
                        body(
                            {
                                "source": like(MAYBE_TEXT, "app"),
                                "processes": like(maybe(many(TEXT)), ["web"]),
                                "excluded": like(maybe(many(TEXT)), []),
                            },
                            closed=True,
                        )
                    ),
                },
                needs=("url",),
            ),
            201,
        ),
        Link(
            "GET /apps/{app}/log-drains/{drain}",
            "Info",
            "One drain by its id, token or address.",
            ref("log-drain"),
            query=_EXTENDED,
        ),
        Link("DELETE /apps/{app}/log-drains/{drain}", "Delete", "Send lines there no more.", ref("log-drain")),
    ),
)

LOG_LIMITS = Resource(
    "log",
    "Where an app's log is, how much is in it, and how much of it is kept.",
    record(
        {
            "lines": WHOLE,
            "namespace": TEXT,
            "newest_at": MAYBE_TIME,
            "oldest_at": MAYBE_TIME,
            "own": record({"retention_days": MAYBE_WHOLE, "size_mb": MAYBE_WHOLE}),
            "rate": WHOLE,
            "retention_days": MAYBE_WHOLE,
            "size_bytes": WHOLE,
            "size_mb": WHOLE,
        }
    ),
    (
        Link("GET /hostd/apps/{app}/logs", "Info", "What is in the log, and its limits.", ref("log")),
        Link(
            "PATCH /hostd/apps/{app}/logs",
            "Update",
            "Change the limits; null is the default.",
            ref("log"),
            {**body({"size_mb": MAYBE_WHOLE, "retention_days": MAYBE_WHOLE}, closed=True), "minProperties": 1},
        ),
    ),
)

_PAST = record(
    {
        "episodes": many(
            record(
                {
                    "began_at": MAYBE_TEXT,
                    "high": NUMBER,
                    "low": NUMBER,
                    "minutes": MAYBE_NUMBER,
                    "over_at": MAYBE_TEXT,
                }
            )
        ),
        "minutes": NUMBER,
        "since": MAYBE_TEXT,
        "times": WHOLE,
    }
)
_NOTICE = record(
    {
        "created_at": TIME,
        "event": TEXT,
        "id": one_of(TEXT, WHOLE),
        "next_at": MAYBE_TIME,
        "reason": MAYBE_TEXT,
        "sent_at": MAYBE_TIME,
        "status": choice("sent", "waiting", "failed"),
        "target": TEXT,
        "tries": WHOLE,
    }
)
_ALERT_BODY = body(
    {
        "condition": like(FILLED, "web p95 above 0.5s"),
        "notify": like(maybe(many(TEXT)), ["mail:you@example.com"]),
        "dry_run": MAYBE_FLAG,
    },
    needs=("condition",),
)


def _alert_links(path: str, whose: str, more: str) -> tuple[Link, ...]:
    alert = ref("alert")
    dry = record({"condition": TEXT, "past": _PAST})
    return (
        Link(f"GET {path}", f"List{more}", f"The alerts of {whose}, each with its last firing.", many(alert)),
        Link(
            f"POST {path}",
            f"Create{more}",
            f"Set an alert of {whose}; with dry_run say only when it would have fired, with the status 200.",
            one_of(alert, dry),
            _ALERT_BODY,
            201,
            others=(200,),
        ),
        Link(f"GET {path}/{{alert}}", f"Info{more}", "One alert with its firings and notices.", alert),
        Link(
            f"PATCH {path}/{{alert}}",
            f"Update{more}",
            "Pause or resume an alert.",
            alert,
            body({"paused": FLAG}, needs=("paused",), closed=True),
        ),
        Link(f"DELETE {path}/{{alert}}", f"Delete{more}", "Remove an alert.", alert),
        Link(
            f"POST {path}/{{alert}}/tests",
            f"Test{more}",
            "Send a test to all targets of an alert.",
            many(record({"reason": MAYBE_TEXT, "seconds": NUMBER, "sent": FLAG, "target": TEXT})),
        ),
    )


ALERT = Resource(
    "alert",
    "On what somebody wants to be told, of an app or of the platform.",
    record(
        {
            "app": maybe(NAMED),
            "condition": TEXT,
            "created_at": TIME,
            "firings": many(
                record(
                    {
                        "began_at": MAYBE_TIME,
                        "ended_at": MAYBE_TIME,
                        "fired_at": TIME,
                        "high": MAYBE_NUMBER,
                        "low": MAYBE_NUMBER,
                        "over_at": MAYBE_TIME,
                        "reason": MAYBE_TEXT,
                    }
                )
            ),
            "id": one_of(TEXT, WHOLE),
            "notify": many(record({"target": TEXT, "trouble": MAYBE_TEXT})),
            "number": WHOLE,
            "paused": FLAG,
            "state": TEXT,
        },
        {"notices": many(_NOTICE), "past": _PAST},
    ),
    (
        *_alert_links("/hostd/apps/{app}/alerts", "an app", ""),
        *_alert_links("/hostd/alerts", "the platform", " Of Platform"),
    ),
)

_SUM = {
    "codes": table(WHOLE),
    "cpu": MAYBE_NUMBER,
    "cpu_max": MAYBE_NUMBER,
    "errors": WHOLE,
    "load": MAYBE_NUMBER,
    "memory": MAYBE_NUMBER,
    "memory_max": MAYBE_NUMBER,
    "memory_quota": MAYBE_NUMBER,
    "p50": MAYBE_NUMBER,
    "p95": MAYBE_NUMBER,
    "p99": MAYBE_NUMBER,
    "requests": WHOLE,
    "restarts": WHOLE,
}
_WHEN = said(one_of(TEXT, WHOLE), "a time such as 2026-01-27T10:48:08Z, or seconds since 1970")
_STRETCH = {"since": _WHEN, "until": _WHEN, "step": WHOLE}

METRICS = Resource(
    "metrics",
    "What an app and its dynos used: memory in MB, times in ms, cpu in per cent of one processor.",
    record(
        {
            "app": NAMED,
            "at": many(WHOLE),
            "codes": table(many(MAYBE_NUMBER)),
            "dynos": many(record({"name": TEXT, **_SUM})),
            "metrics": table(many(MAYBE_NUMBER)),
            "releases": many(
                record({"at": WHOLE, "description": TEXT, "user": record({"email": TEXT}), "version": WHOLE})
            ),
            "since": WHOLE,
            "step": WHOLE,
            "total": record(_SUM),
            "until": WHOLE,
        }
    ),
    (
        Link(
            "GET /apps/{app}/metrics",
            "Info",
            "An app's metrics in steps of a stretch of time.",
            ref("metrics"),
            query={**_STRETCH, "type": TEXT, "dyno": TEXT},
        ),
        Link(
            "GET /hostd/metrics/apps",
            "List",
            "Each app in sum.",
            many(record({"app": NAMED, "dynos": WHOLE, "seconds": NUMBER, **_SUM})),
            query=_STRETCH,
        ),
        Link(
            "GET /hostd/metrics", "Prometheus", "Everything in Prometheus' text format; for admins.", media="text/plain"
        ),
    ),
)

DYNO_USAGE = Resource(
    "dyno-usage",
    "What a dyno uses at this moment: memory in MB, cpu in per cent of one processor.",
    record(
        {
            "app": NAMED,
            "cpu": MAYBE_NUMBER,
            "cpu_seconds": MAYBE_NUMBER,
            "load": maybe(many(NUMBER)),
            "memory": MAYBE_NUMBER,
            "memory_quota": MAYBE_NUMBER,
            "name": TEXT,
            "quota": MAYBE_NUMBER,
            "release": WHOLE,
            "since": MAYBE_TIME,
            "size": TEXT,
            "state": TEXT,
            "swap": MAYBE_NUMBER,
            "type": TEXT,
        }
    ),
    (
        Link("GET /hostd/apps/{app}/usage", "List", "What the app's dynos use now.", many(ref("dyno-usage"))),
        Link("GET /hostd/usage", "List All", "What the dynos of all apps use now.", many(ref("dyno-usage"))),
    ),
)

RESOURCES = (LOG_SESSION, LOG_DRAIN, LOG_LIMITS, ALERT, METRICS, DYNO_USAGE)
