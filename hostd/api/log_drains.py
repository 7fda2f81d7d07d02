"""Log drains, in Heroku's shapes. Their addresses are masked, for everybody: who has lost one adds another drain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hostd.api.requests import answer, answer_list, app_for, body_of, by_fields, context_of, text_field, user_of
from hostd.api.shapes import app_ref, moment
from hostd.errors import Forbidden
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.drains import Drain
from hostd.logplex.drains.choices import choice
from hostd.logplex.drains.destinations import OPERATORS, destination

routes = web.RouteTableDef()


@routes.get("/apps/{app}/log-drains")
async def index(request: web.Request) -> web.Response:
    """The app's drains; with `?extended=true` also how it stands with each, null if the logplex does not say."""
    context, app = context_of(request), app_for(request)
    drains = context.ledger.drains.list(app.id)
    statuses = await _statuses(request) if drains else None
    shown = [_json(app, drain, statuses) for drain in drains]
    return answer_list(request, shown, sortable=by_fields("id"), default="id")


@routes.post("/apps/{app}/log-drains")
async def create(request: web.Request) -> web.Response:
    """Send the app's lines on: `{"url", "filters"?: {"source"?, "processes"?: [...], "excluded"?: [...]}}`."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    url, filters = text_field(body, "url"), body.get("filters") or {}
    where, wanted = destination(url), choice(filters)
    if where.kind in OPERATORS and not user.admin:
        raise Forbidden(
            f"Only an admin may add a drain to {where.kind.value}://, which is for operators of this server."
        )
    context.draining.refuse(where)
    drain = context.ledger.drains.add(app.id, url, wanted.to_json())
    context.events.api(app, f"Add drain {drain.token} to {drain.shown} by {user.email}")
    await context.draining.tell()
    return answer(_json(app, drain), 201)


@routes.get("/apps/{app}/log-drains/{drain}")
async def show(request: web.Request) -> web.Response:
    """One drain by its id, token or address; `?extended=true` as in the list."""
    context, app = context_of(request), app_for(request)
    drain = context.ledger.drains.get(app.id, request.match_info["drain"])
    return answer(_json(app, drain, await _statuses(request)))


@routes.delete("/apps/{app}/log-drains/{drain}")
async def remove(request: web.Request) -> web.Response:
    """Send lines there no more. What the drain has not taken yet is not sent."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    drain = context.ledger.drains.remove(app.id, request.match_info["drain"])
    context.events.api(app, f"Remove drain {drain.token} to {drain.shown} by {user.email}")
    await context.draining.tell()
    return answer(_json(app, drain))


async def _statuses(request: web.Request) -> Mapping[str, Any] | None:
    """How it stands with the drains, if that is asked for."""
    return await context_of(request).draining.statuses() if request.query.get("extended") == "true" else None


def _json(app: App, drain: Drain, statuses: Mapping[str, Any] | None = None) -> dict[str, Any]:
    # Heroku's command line prints what is extended wherever it finds it, so only who asks gets it.
    status = None if statuses is None else _status(statuses.get(drain.id))
    extended = {"drain_id": drain.id, "filters": dict(drain.filters), "status": status}
    return {
        **({} if statuses is None else {"extended": extended}),
        "addon": None,
        "app": app_ref(app),
        "created_at": moment(drain.created_at),
        "id": drain.id,
        "token": drain.token,
        "updated_at": moment(drain.created_at),
        "url": drain.shown,
    }


def _status(status: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Times as the API writes them."""
    if status is None:
        return None
    error = status["last_error"]
    return {
        **status,
        "last_delivery": moment(status["last_delivery"]),
        "last_error": {"at": moment(error["at"]), "message": error["message"]} if error else None,
        "oldest_waiting": moment(status["oldest_waiting"]),
    }
