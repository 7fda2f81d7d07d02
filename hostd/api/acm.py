"""ACM: whether an app gets its certificates by itself, and how it stands with each of its names."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hostd.acme.planner import Method, Status
from hostd.api.apps import shown_app
from hostd.api.requests import answer, app_for, body_of, context_of, flag_field, optional_text, user_of
from hostd.api.shapes import app_ref, moment
from hostd.context import Context
from hostd.domain_names import domain_name
from hostd.errors import Invalid
from hostd.ledger.access import Right
from hostd.ledger.apps import App

routes = web.RouteTableDef()


@routes.get("/hostd/apps/{app}/acm")
async def show(request: web.Request) -> web.Response:
    """Whether it is `enabled`, and its domains: `status` (`ok`, `verifying`, `failing`), `reason`, `retry_at`."""
    context, app = context_of(request), app_for(request)
    enabled = context.ledger.acm.enabled(app.id)
    method = context.automatic.method(app)
    return answer(
        {
            "app": app_ref(app),
            "challenge": method.value if method else None,
            "directory": context.automatic.terms.directory,
            "domains": [_json(status) for status in context.automatic.statuses(app)],
            "enabled": enabled,
        }
    )


@routes.post("/apps/{app}/acm")
async def enable(request: web.Request) -> web.Response:
    """Let an app get its certificates by itself, with `challenge` proven in this way only; 422 if the server's admin
    has not made that possible."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    method = _method(await body_of(request))
    context.automatic.enable(app, method)
    how = f" with {method.value}" if method else ""
    context.events.api(app, f"Enable automatic certificates{how} by {user.email}")
    return answer(shown_app(context, app))


@routes.patch("/apps/{app}/acm")
async def refresh(request: web.Request) -> web.Response:
    """Try at once what waits: `{"acm_refresh": true}`; with `hostname`, get a new certificate for that name. 429 for
    what was tried or got a short while ago, unless `force` is true, and for what the authority wants to wait."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    if not flag_field(body, "acm_refresh"):
        raise Invalid("The field acm_refresh must be true.")
    hostname = _hostname(context, body)
    context.automatic.refresh(app, hostname, force=flag_field(body, "force"))
    what = f"the certificate for {hostname}" if hostname else "automatic certificates"
    context.events.api(app, f"Refresh {what} by {user.email}")
    return answer(shown_app(context, app))


@routes.delete("/apps/{app}/acm")
async def disable(request: web.Request) -> web.Response:
    """Let an app get no certificates by itself, and drop those that it got so."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    context.events.api(app, f"Disable automatic certificates by {user.email}")
    await context.automatic.disable(app)
    return answer(shown_app(context, app))


def acm_of(context: Context, app: App) -> dict[str, Status]:
    """How it stands with the names of an app that gets certificates by itself."""
    return {status.hostname: status for status in context.automatic.statuses(app)}


def _method(body: dict[str, Any]) -> Method | None:
    name = optional_text(body, "challenge")
    known = {method.value: method for method in Method}
    if name and name not in known:
        raise Invalid(f"There is no challenge {name}. Those that there are: {', '.join(known)}.")
    return known[name] if name else None


def _hostname(context: Context, body: dict[str, Any]) -> str | None:
    name = optional_text(body, "hostname")
    return domain_name(name, context.settings.domain) if name else None


def _json(status: Status) -> dict[str, Any]:
    has = status.certificate
    return {
        "certificate": has.name if has else None,
        "expires_at": moment(has.expires_at) if has else None,
        "hostname": status.hostname,
        "reason": status.reason,
        "retry_at": moment(status.retry_at),
        "status": status.state.value.lower(),
    }
