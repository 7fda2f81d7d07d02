"""The access gate: who may come to an app. Heroku has no such resource."""

from __future__ import annotations

import asyncio
import re
from ipaddress import ip_network
from typing import Any

from aiohttp import web

from hostd.api.requests import answer, app_for, body_of, context_of, user_of
from hostd.api.shapes import moment
from hostd.errors import Invalid
from hostd.ledger.access import Right
from hostd.ledger.gates import Gate
from router.passwords import hashed

routes = web.RouteTableDef()

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_SHORTEST, _LONGEST = 8, 256
"""Characters of a password."""


@routes.get("/hostd/apps/{app}/gate")
async def show(request: web.Request) -> web.Response:
    """Who may come: `closed`, `users` with `name` and `created_at`, `networks`. No hash is in it."""
    return answer(_json(context_of(request).ledger.gates.get(app_for(request).id)))


@routes.post("/hostd/apps/{app}/gate")
async def add(request: web.Request) -> web.Response:
    """Let a user and networks in: `{"user"?: {"name", "password"}, "networks"?: ["192.0.2.0/24"]}`."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    networks = _networks(body)
    hashes = await _hashes(body)
    if not hashes and not networks:
        raise Invalid("A gate needs a user, or networks.")
    gate = context.ledger.gates.add(app.id, hashes, networks)
    await context.manager.route(app.id)
    context.events.api(app, f"Let {_told(list(hashes), networks)} through the access gate by {user.email}")
    return answer(_json(gate))


@routes.delete("/hostd/apps/{app}/gate")
async def remove(request: web.Request) -> web.Response:
    """Let users and networks in no more: `{"users"?: [...], "networks"?: [...]}`; without either, everybody in."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    users, networks = body.get("users") or [], _networks(body)
    if users or networks:
        gate = context.ledger.gates.remove(app.id, users, networks)
        said = f"Remove {_told(users, networks)} from the access gate by {user.email}"
    else:
        context.ledger.gates.clear(app.id)
        gate, said = Gate(), f"Disable the access gate by {user.email}"
    await context.manager.route(app.id)
    context.events.api(app, said)
    return answer(_json(gate))


async def _hashes(body: dict[str, Any]) -> dict[str, str]:
    user = body.get("user")
    if user is None:
        return {}
    name, password = user["name"], user["password"]
    if not _NAME.fullmatch(name):
        raise Invalid("A user's name has up to 64 letters, digits and . _ @ + -, and begins with a letter or digit.")
    if not _SHORTEST <= len(password) <= _LONGEST or not password.isprintable():
        raise Invalid(f"A password has {_SHORTEST} to {_LONGEST} characters that can be seen, or blanks.")
    return {name: await asyncio.to_thread(hashed, password)}


def _networks(body: dict[str, Any]) -> list[str]:
    return [_network(text) for text in body.get("networks") or []]


def _network(text: str) -> str:
    """A network as it is written best: an address alone is one of its own. Raises Invalid."""
    try:
        return str(ip_network(text.strip()))
    except ValueError:
        pass
    try:
        meant = f" Did you mean {ip_network(text.strip(), strict=False)}?"
    except ValueError:
        meant = " Write it so: 192.0.2.0/24, 2001:db8::/32, or 192.0.2.7 for one address."
    raise Invalid(f"{text[:64]!r} is not a network.{meant}")


def _told(users: list[str], networks: list[str]) -> str:
    names = [f"user {name}" for name in users]
    return ", ".join([*names, *networks])


def _json(gate: Gate) -> dict[str, Any]:
    return {
        "closed": gate.closed,
        "networks": list(gate.networks),
        "users": [{"created_at": moment(user.created_at), "name": user.name} for user in gate.users],
    }
