"""Alerts: on what somebody wants to be told, of an app or of the platform. Heroku has no such resource."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from hostd import names
from hostd.alerts import rules
from hostd.alerts.alerts import shown_targets
from hostd.alerts.evaluating import Episode
from hostd.alerts.keeper import Past
from hostd.alerts.messages import moment as minute
from hostd.alerts.notify.targets import Target, Way, parse_all
from hostd.alerts.outbox import Tried
from hostd.api.identity import known_owner
from hostd.api.requests import (
    admin_of,
    answer,
    app_for,
    body_of,
    context_of,
    flag_field,
    text_field,
    user_of,
)
from hostd.api.shapes import app_ref, moment
from hostd.context import Context
from hostd.errors import Forbidden, NotFound
from hostd.ledger.access import Right
from hostd.ledger.alert_firings import Firing, Notice
from hostd.ledger.alerts import Alert
from hostd.ledger.apps import App
from hostd.ledger.users import User

log = logging.getLogger(__name__)
routes = web.RouteTableDef()

_OF_APPS, _OF_PLATFORM = "/hostd/apps/{app}/alerts", "/hostd/alerts"
_ONE_OFF = ("run", "release", "scheduler")
"""Process types that no Procfile has to have."""
_SHOWN_EPISODES = 10


@routes.get(_OF_APPS)
@routes.get(_OF_PLATFORM)
async def index(request: web.Request) -> web.Response:
    """The alerts by their numbers, each with its last firing."""
    context, app = context_of(request), _whose(request)
    found = context.ledger.alerts.list(app.id if app else None)
    return answer([_json(context, app, alert, 1) for alert in found])


@routes.post(_OF_APPS)
@routes.post(_OF_PLATFORM)
async def create(request: web.Request) -> web.Response:
    """Set an alert: `{"condition", "notify"?: [...], "dry_run"?}`; `past` in the answer says when it would have fired.

    With `dry_run` none is set.
    """
    context, app, user = context_of(request), _whose(request), known_owner(user_of(request))
    body = await body_of(request)
    rule = rules.parse(text_field(body, "condition"), platform=app is None)
    if app is not None and rule.process is not None:
        _refuse_unknown_type(context, app, rule.process)
    targets = _targets(context, user, body)
    past = await context.alerts.past(rule, app.id if app else None)
    if flag_field(body, "dry_run"):
        return answer({"condition": str(rule), "past": _past(past)})
    alert = context.ledger.alerts.add(
        app.id if app else None,
        condition=str(rule),
        targets=[target.text for target in targets],
        most=context.settings.alerts_per_app,
    )
    to = f", to {', '.join(map(str, targets))}" if targets else ""
    _say(context, app, f"Add alert {alert.number} ({alert.condition}{to}) by {user.email}")
    context.alerts.nudge()
    return answer(
        {**_json(context, app, alert, 1), "past": _past(past)}, 201, warning=context.alerts.warning(targets)
    )


@routes.get(f"{_OF_APPS}/{{alert}}")
@routes.get(f"{_OF_PLATFORM}/{{alert}}")
async def show(request: web.Request) -> web.Response:
    """One alert: its firings and notices that are remembered, and when it would have fired in the last week."""
    context, app = context_of(request), _whose(request)
    alert = _alert(request, app)
    rule = rules.parse(alert.condition, platform=app is None)
    past = await context.alerts.past(rule, alert.app_id)
    return answer({**_json(context, app, alert), "past": _past(past)})


@routes.patch(f"{_OF_APPS}/{{alert}}")
@routes.patch(f"{_OF_PLATFORM}/{{alert}}")
async def update(request: web.Request) -> web.Response:
    """Pause or resume an alert: `{"paused": true or false}`."""
    context, app, user = context_of(request), _whose(request), user_of(request)
    body = await body_of(request)
    alert, paused = _alert(request, app), flag_field(body, "paused")
    if paused:
        context.alerts.pause(alert)
    else:
        context.ledger.alerts.resume(alert)
    _say(context, app, f"{'Pause' if paused else 'Resume'} alert {alert.number} ({alert.condition}) by {user.email}")
    context.alerts.nudge()
    return answer(_json(context, app, _alert(request, app), 1))


@routes.delete(f"{_OF_APPS}/{{alert}}")
@routes.delete(f"{_OF_PLATFORM}/{{alert}}")
async def remove(request: web.Request) -> web.Response:
    """Remove an alert with the record of its firings; what of it was not sent yet is not."""
    context, app, user = context_of(request), _whose(request), user_of(request)
    alert = _alert(request, app)
    shown = _json(context, app, alert, 1)
    context.ledger.alerts.remove(alert)
    _say(context, app, f"Remove alert {alert.number} ({alert.condition}) by {user.email}")
    context.alerts.nudge()
    return answer(shown)


@routes.post(f"{_OF_APPS}/{{alert}}/tests")
@routes.post(f"{_OF_PLATFORM}/{{alert}}/tests")
async def test(request: web.Request) -> web.Response:
    """Send a test to all targets of an alert, and tell how that went."""
    context, app, user = context_of(request), _whose(request), known_owner(user_of(request))
    alert = _alert(request, app)
    tried = await context.alerts.test(alert)
    _say(context, app, f"Test alert {alert.number} ({alert.condition}) by {user.email}")
    return answer([_tried(each) for each in tried])


def _whose(request: web.Request) -> App | None:
    """The app that the path names; None for the platform, which is the admins'. Any change is its operators'."""
    if "app" in request.match_info:
        return app_for(request, Right.VIEW if request.method == "GET" else Right.OPERATE)
    admin_of(request)
    return None


def _alert(request: web.Request, app: App | None) -> Alert:
    number = request.match_info["alert"]
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        whose = f"-a {app.name}" if app else "--platform"
        raise NotFound(f"There is no alert {number[:40]!r}: alerts have numbers. See: hostctl alerts {whose}")
    return context_of(request).ledger.alerts.get(app.id if app else None, int(number))


def _refuse_unknown_type(context: Context, app: App, process: str) -> None:
    if known := context.ledger.formation.get(app.id):
        names.known_type(process, [*known, *_ONE_OFF], app.name)


def _targets(context: Context, user: User, body: dict[str, Any]) -> list[Target]:
    texts = body.get("notify") or []
    targets = parse_all(texts)
    if any(target.way is Way.EXEC for target in targets) and not user.admin:
        raise Forbidden("Only an admin may have alerts run programs of this server (exec:).")
    context.alerts.refuse_programs(targets)
    return targets


def _say(context: Context, app: App | None, text: str) -> None:
    if app is None:
        log.info("%s", text)
    else:
        context.events.api(app, text)


def _json(context: Context, app: App | None, alert: Alert, limit: int | None = None) -> dict[str, Any]:
    """An alert with its newest firings, and if all are wanted with what was sent."""
    table = context.ledger.alert_firings
    firings = table.list(alert.id) if limit is None else table.list(alert.id, limit)
    notices, shown = table.notices(alert.id), shown_targets(alert)
    more = {} if limit else {"notices": [_notice(each, shown) for each in notices]}
    return {
        "app": app_ref(app) if app else None,
        "condition": alert.condition,
        "created_at": moment(alert.created_at),
        "firings": [_firing(each) for each in firings],
        "id": alert.id,
        "notify": [{"target": target, "trouble": _trouble(notices, place)} for place, target in enumerate(shown)],
        **more,
        "number": alert.number,
        "paused": alert.paused_at is not None,
        "state": "paused" if alert.paused_at else context.alerts.state(alert).value,
    }


def _trouble(notices: Sequence[Notice], place: int) -> str | None:
    """Why the newest notice to a target did not arrive, if it did not."""
    newest = next((each for each in notices if each.target == place), None)
    return newest.reason if newest and newest.sent_at is None else None


def _firing(firing: Firing) -> dict[str, Any]:
    return {
        "began_at": moment(firing.began_at),
        "ended_at": moment(firing.ended_at),
        "fired_at": moment(firing.fired_at),
        "high": firing.high,
        "low": firing.low,
        "over_at": moment(firing.over_at),
        "reason": firing.reason,
    }


def _notice(notice: Notice, shown: Sequence[str]) -> dict[str, Any]:
    waits = notice.next_at is not None
    return {
        "created_at": moment(notice.created_at),
        "event": notice.message["event"],
        "id": notice.id,
        "next_at": moment(notice.next_at),
        "reason": notice.reason,
        "sent_at": moment(notice.sent_at),
        "status": "sent" if notice.sent_at else "waiting" if waits else "failed",
        "target": shown[notice.target],
        "tries": notice.tries,
    }


def _past(past: Past) -> dict[str, Any]:
    return {
        "episodes": [_episode(each) for each in past.episodes[:_SHOWN_EPISODES]],
        "minutes": sum(each.minutes or 0 for each in past.episodes),
        "since": minute(past.since),
        "times": len(past.episodes),
    }


def _episode(episode: Episode) -> dict[str, Any]:
    return {
        "began_at": minute(episode.began),
        "high": round(episode.high, 3),
        "low": round(episode.low, 3),
        "minutes": episode.minutes,
        "over_at": minute(episode.over),
    }


def _tried(tried: Tried) -> dict[str, Any]:
    return {
        "reason": tried.reason,
        "seconds": round(tried.seconds, 3),
        "sent": tried.reason is None,
        "target": str(tried.target),
    }


