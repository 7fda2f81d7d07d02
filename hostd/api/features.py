"""Features of apps, which can be switched on and off, as Heroku has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from hostd.api.requests import answer, answer_list, app_for, body_of, by_fields, context_of, flag_field, user_of
from hostd.api.shapes import moment, stable_id
from hostd.errors import NotFound
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.features import RUNTIME_METRICS, SESSION_AFFINITY

routes = web.RouteTableDef()


_GENERAL = "general"
"""The state of what clients show as features; all else they show as labs."""
_LABS = "beta"


@dataclass(frozen=True, slots=True)
class _Feature:
    name: str
    display_name: str
    description: str
    state: str = _GENERAL


_FEATURES = (
    _Feature(SESSION_AFFINITY, "Session Affinity", "Send the requests of a browser to the same web dyno, by a cookie"),
    _Feature(
        RUNTIME_METRICS,
        "Log Runtime Metrics",
        "Say in the app's log every 20 seconds what each dyno uses: load averages and memory",
        _LABS,
    ),
)
_ALWAYS_ON = "preboot"


@routes.get("/apps/{app}/features")
async def index(request: web.Request) -> web.Response:
    """Every feature that apps can have, with `enabled`."""
    app = app_for(request)
    enabled = context_of(request).ledger.features.enabled(app.id)
    found = [_json(app, feature, enabled.get(feature.name)) for feature in _FEATURES]
    return answer_list(request, found, sortable=by_fields("name", "id"), default="name")


@routes.get("/apps/{app}/features/{feature}")
async def show(request: web.Request) -> web.Response:
    """One feature, by its name or id."""
    app = app_for(request)
    feature = _named(app, request.match_info["feature"])
    return answer(_json(app, feature, context_of(request).ledger.features.enabled(app.id).get(feature.name)))


@routes.patch("/apps/{app}/features/{feature}")
async def update(request: web.Request) -> web.Response:
    """Enable a feature, or disable it: `{"enabled": true}`."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    feature, body = _named(app, request.match_info["feature"]), await body_of(request)
    on, before = flag_field(body, "enabled"), context.ledger.features.enabled(app.id)
    if on != (feature.name in before):
        context.ledger.features.set(app.id, feature.name, on)
        await context.manager.route(app.id)
        context.events.api(app, f"Feature {feature.name} {'enabled' if on else 'disabled'} by {user.email}")
    return answer(_json(app, feature, context.ledger.features.enabled(app.id).get(feature.name)))


@routes.get("/account/features")
async def of_account(_request: web.Request) -> web.Response:
    """Features of a person: none here, but clients ask for them before those of an app."""
    return answer([])


@routes.get("/account/features/{feature}")
@routes.patch("/account/features/{feature}")
async def of_account_named(request: web.Request) -> web.Response:
    """One of them: 404, by which clients see that an app's is meant."""
    raise NotFound(f"There is no feature {request.match_info['feature'][:40]!r} of a person here, only of apps.")


def _named(app: App, name: str) -> _Feature:
    for feature in _FEATURES:
        if name in (feature.name, stable_id(app.id, "feature", feature.name)):
            return feature
    if name == _ALWAYS_ON:
        raise NotFound(
            "There is nothing to switch: preboot is always on here. A new release gets requests when all its web dynos "
            "are up, and until then the old ones do."
        )
    known = ", ".join(feature.name for feature in _FEATURES)
    raise NotFound(f"There is no feature {name[:40]!r} here. There are: {known}.")


def _json(app: App, feature: _Feature, since: datetime | None) -> dict[str, Any]:
    return {
        "created_at": moment(app.created_at),
        "description": feature.description,
        "display_name": feature.display_name,
        "doc_url": "",
        "enabled": since is not None,
        "feedback_email": "",
        "id": stable_id(app.id, "feature", feature.name),
        "name": feature.name,
        "state": feature.state,
        "updated_at": moment(since or app.created_at),
    }
