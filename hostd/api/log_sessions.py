"""Log sessions: the right to read an app's log, as a signed address of the logplex."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web

from hostd.api import log_streams, shapes, signed
from hostd.api.caller import Door
from hostd.api.requests import (
    answer,
    app_for,
    body_of,
    caller_of,
    context_of,
    flag_field,
    optional_text,
)
from hostd.errors import Invalid
from hostd.logplex.filters import checked_request_id, parted
from hostd.logplex.names import checked_source
from hostd.logplex.patterns import compile_pattern
from hostd.logplex.rendering import Form
from hostd.logplex.sessions import DEFAULT_LINES, LIFETIME, MOST_LINES, Session, sign
from hostd.logplex.times import MICROSECONDS, checked_span, moment

routes = web.RouteTableDef()


@routes.post("/apps/{app}/log-sessions")
async def create(request: web.Request) -> web.Response:
    """An address for reading the log, good for five minutes; a tail begun in time goes on."""
    context, app = context_of(request), app_for(request)
    body = await body_of(request)
    now = time.time()
    session = replace(_session(body, app.id, now), user=caller_of(request).holder)
    created = shapes.moment(now)
    return answer(
        {
            "created_at": created,
            "id": str(uuid.uuid4()),
            "logplex_url": _address(request, sign(session, context.log_key)),
            "updated_at": created,
        },
        201,
    )


def _address(request: web.Request, query: str) -> str:
    """Who is on this machine reads at the logplex's socket; all others at the door by which they came."""
    if caller_of(request).door is Door.SOCKET:
        return f"http://logplex/streams?{query}"
    return signed.here(request, f"{log_streams.PATH}?{query}")


def _session(body: dict[str, Any], app_id: str, now: float) -> Session:
    micro = int(now * MICROSECONDS)
    since, until = (_moment(body, name, micro) for name in ("since", "until"))
    checked_span(since, until, micro)
    tail = flag_field(body, "tail")
    if tail and until is not None:
        raise Invalid("until ends a log, and tail never does: leave one of them out.")
    only, without = parted(_processes(body))
    grep, ignore_case = optional_text(body, "grep"), flag_field(body, "ignore_case")
    if grep is not None:
        compile_pattern(grep, ignore_case=ignore_case)
    return Session(
        app=app_id,
        expires=int(now) + LIFETIME,
        lines=_lines(body, None if since is not None else DEFAULT_LINES),
        tail=tail,
        source=checked_source(optional_text(body, "source")),
        only=only,
        without=without,
        since=since,
        until=until,
        grep=grep,
        ignore_case=ignore_case,
        request_id=checked_request_id(optional_text(body, "request_id")),
        form=_form(optional_text(body, "format")),
    )


def _lines(body: dict[str, Any], default: int | None) -> int | None:
    lines: int | None = body.get("lines")
    return default if lines is None else min(lines, MOST_LINES)


def _processes(body: dict[str, Any]) -> list[str]:
    """Heroku's three fields, each one process, and ours, which is a list."""
    named = [name for field in ("dyno", "dyno_name", "type") if (name := optional_text(body, field))]
    return [*named, *body.get("processes", [])]


def _moment(body: dict[str, Any], name: str, now: int) -> int | None:
    text = optional_text(body, name)
    return None if text is None else moment(text, now)


def _form(name: str | None) -> Form:
    try:
        return Form(name or Form.TEXT)
    except ValueError:
        raise Invalid(f"There is no format {name!r}: say text, raw or json.") from None
