"""The router: how its workers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hostd.api.requests import answer, context_of

routes = web.RouteTableDef()


@routes.get("/hostd/router")
async def show(request: web.Request) -> web.Response:
    """What each worker says of itself, with `answers`; one that should be there and is not does not answer."""
    context = context_of(request)
    found = await context.router.status()
    wanted: dict[str, Mapping[str, Any]] = {str(number): {} for number in range(1, context.settings.router_workers + 1)}
    return answer([_json(number, said) for number, said in sorted({**wanted, **found}.items())])


def _json(number: str, said: Mapping[str, Any]) -> dict[str, Any]:
    return {**said, "worker": int(number) if number.isdigit() else number, "answers": bool(said)}
