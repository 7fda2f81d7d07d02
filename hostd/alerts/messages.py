"""Messages: what is said of an alert, in the log and to whom it goes. Pure."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any

from hostd.alerts.evaluating import MINUTE, Episode
from hostd.alerts.rules import Rule, length, number

_LATE = 300
"""Seconds after which it is said when it was."""


class Event(enum.Enum):
    """What a message is about."""

    FIRING = "firing"
    ENDED = "ended"
    TEST = "test"


def firing(rule: Rule, episode: Episode, now: int) -> str:
    """`Alert web p95>500ms for 5m is firing: p95 was 812 ms for 5 minutes (now 812 ms)`."""
    is_late = now - episode.fired > _LATE
    if rule.counts:
        said = f"{_many(rule, episode.high)} within {_minutes(rule.minutes)}"
    elif not rule.figure.timed:
        said = f"{rule.figure.name} has {rule.value(episode.high)} left"
    else:
        low, high = number(episode.low), rule.value(episode.high)
        was = high if low == number(episode.high) else f"{low} to {high}"
        last = "" if is_late or episode.last is None else f" (now {rule.value(episode.last)})"
        said = f"{rule.figure.name} {'were' if _is_plural(rule) else 'was'} {was} for {_minutes(_held(episode))}{last}"
    late = f", at {moment(episode.fired)}" if is_late else ""
    return f"Alert {rule} is firing: {said}{late}"


def ended(rule: Rule, episode: Episode, now: int) -> str:
    """`Alert web p95>500ms for 5m has ended after 12 minutes: p95 is 210 ms`."""
    if episode.silence:
        said = ": nothing is known of it any more"
    elif episode.last is None:
        said = ""
    elif rule.counts:
        said = f": {_many(rule, episode.last)} within {_minutes(rule.minutes)}"
    elif not rule.figure.timed:
        said = f": {rule.figure.name} has {rule.value(episode.last)} left"
    else:
        said = f": {rule.figure.name} {'are' if _is_plural(rule) else 'is'} {rule.value(episode.last)}"
    late = f", at {moment(episode.ended)}" if episode.ended and now - episode.ended > _LATE else ""
    return f"Alert {rule} has ended after {_minutes(episode.minutes or 1)}{said}{late}"


def message(
    event: Event,
    text: str,
    *,
    rule: Rule,
    alert: int,
    app: str | None,
    server: str,
    episode: Episode | None = None,
) -> dict[str, Any]:
    """All that a receiver is told but for the message's id; `app` is its name, None for the platform."""
    whose = f"-a {app}" if app else "--platform"
    told: dict[str, Any] = {
        "event": event.value,
        "text": f"{app or server}: {text}",
        "app": app,
        "server": server,
        "alert": alert,
        "condition": str(rule),
        "hint": f"More: hostctl alerts:info {alert} {whose}",
    }
    if episode is not None:
        told |= {
            "began_at": moment(episode.began),
            "fired_at": moment(episode.fired),
            "over_at": moment(episode.over),
            "ended_at": moment(episode.ended),
            "low": round(episode.low, 3),
            "high": round(episode.high, 3),
            "last": None if episode.last is None else round(episode.last, 3),
            "unit": rule.measure.shown.strip(),
        }
    return told


def moment(second: int | None) -> str | None:
    """A second as `2026-01-27T10:48:00Z`."""
    return None if second is None else f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _is_plural(rule: Rule) -> bool:
    return rule.figure.name in ("requests", "errors")


def _held(episode: Episode) -> int:
    return (episode.fired - episode.began) // MINUTE + 1


def _minutes(count: int) -> str:
    if count >= 120 and count % 60 == 0:
        return f"{count // 60} hours"
    return length(count) if count > 120 else f"{count} minute{'s' * (count != 1)}"


def _many(rule: Rule, count: float) -> str:
    name = rule.figure.name
    if name == "crashes":
        return f"{number(count)} crash{'es' * (count != 1)}"
    often = "once" if count == 1 else f"{number(count)} times"
    return f"drains lost messages {often}" if name == "drain-loss" else f"{often} {name}"
