"""Log sessions: the right to read an app's log, as a signed address of the logplex."""

from __future__ import annotations

import time
import uuid

from aiohttp import web

from hostd.api.requests import answer, app_for, body_of, context_of, flag_field, optional_text
from hostd.api.shapes import moment
from hostd.errors import BadRequest, Invalid
from hostd.logplex.sessions import DEFAULT_LINES, LIFETIME, MOST_LINES, Session, sign

routes = web.RouteTableDef()


@routes.post("/apps/{app}/log-sessions")
async def create(request: web.Request) -> web.Response:
    """An address for reading the log, good for five minutes; a tail begun in time goes on."""
    context, app = context_of(request), app_for(request)
    body = await body_of(request)
    lines = body.get("lines")
    if lines is None:
        lines = DEFAULT_LINES
    if isinstance(lines, bool) or not isinstance(lines, int):
        raise BadRequest("The field lines must be a number.")
    if lines < 0:
        raise Invalid(f"lines must be 0 to {MOST_LINES}.")
    now = time.time()
    session = Session(
        app=app.id,
        lines=min(lines, MOST_LINES),
        tail=flag_field(body, "tail"),
        source=_source(optional_text(body, "source")),
        process=optional_text(body, "dyno") or optional_text(body, "dyno_name") or optional_text(body, "type"),
        expires=int(now) + LIFETIME,
    )
    created = moment(now)
    return answer(
        {
            "created_at": created,
            "id": str(uuid.uuid4()),
            "logplex_url": f"http://logplex/streams?{sign(session, context.log_key)}",
            "updated_at": created,
        },
        201,
    )


def _source(name: str | None) -> str | None:
    if name not in (None, "app", "heroku"):
        raise Invalid(f"There is no log source {name!r}. Sources are app and heroku.")
    return name
