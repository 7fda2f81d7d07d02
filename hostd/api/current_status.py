"""How the platform is, for everybody and without details, as Heroku's status site says it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from hostd.api.requests import answer, context_of
from hostd.api.status import survey
from hostd.context import Context

routes = web.RouteTableDef()

SYSTEMS = {
    "Apps": frozenset({"router", "network", "pool", "https", "acme", "dynos"}),
    "Data": frozenset[str](),
    "Tools": frozenset({"hostd", "logplex", "logs", "journal", "sshd", "ledger"}),
}
"""Heroku's three systems, and which of our components they are; nothing here keeps data yet."""
KEPT = 10.0
"""Seconds for which what was found is told again: anybody may ask, as often as they like."""


@dataclass(slots=True)
class _Last:
    at: float = float("-inf")
    found: list[dict[str, str]] = field(default_factory=list)


LAST: web.AppKey[_Last] = web.AppKey("last_status", _Last)


@routes.get("/api/v4/current-status")
async def show(request: web.Request) -> web.Response:
    """Green if all is well, else yellow; what is wrong is for admins (`/hostd/status`)."""
    last = request.app[LAST]
    if time.monotonic() - last.at > KEPT:
        last.found, last.at = await _look(context_of(request)), time.monotonic()
    return answer({"incidents": [], "scheduled": [], "status": last.found})


def prepare(application: web.Application) -> None:
    """Give an application its memory of what was found."""
    application[LAST] = _Last()


async def _look(context: Context) -> list[dict[str, Any]]:
    components = survey(context, await context.router.problems(context.settings.router_workers))
    unwell = {component.name for component in components if not component.ok}
    return [
        {"status": "yellow" if unwell & components_of else "green", "system": system}
        for system, components_of in SYSTEMS.items()
    ]
