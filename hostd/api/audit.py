"""The audit log: each request that changes something is recorded as it is answered; and reading what is recorded."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from hostd.api.caller import Door
from hostd.api.identity import address_said
from hostd.api.requests import (
    ASKED,
    CALLER,
    REQUEST_ID,
    USER,
    admin_of,
    answer_list,
    app_for,
    by_fields,
    context_of,
    pattern_of,
    user_of,
)
from hostd.api.shapes import moment
from hostd.errors import BadRequest, HostdError, NotFound, RateLimited, to_api
from hostd.ledger.access import Right
from hostd.ledger.trail import MOST, Deed, Entry
from hostd.ledger.users import User
from hostd.logplex.times import MICROSECONDS
from hostd.logplex.times import moment as moment_of

routes = web.RouteTableDef()

WHAT: web.RequestKey[str] = web.RequestKey("what", str)
"""What was asked for, where the path does not say it: a handler sets it, for example `git-upload-pack`."""

RECORDED: web.RequestKey[bool] = web.RequestKey("recorded", bool)
"""Set by a handler whose request goes on with one that is recorded already: if it succeeds it is not, once more."""

USUAL = 100
"""Entries that are answered with if nothing else is asked for."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_CLIENT_GONE = 499
_log = logging.getLogger(__name__)


@web.middleware
async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Write down who asked for what, once it is answered. Who is not known has nothing written down: that is the
    lock-out's affair, and strangers could fill the disk."""
    if request.method in _READING:
        return await handler(request)
    try:
        response = await handler(request)
    except RateLimited:
        raise  # who asks too much would fill the disk with it
    except asyncio.CancelledError:
        _write(request, _CLIENT_GONE)
        raise
    except web.HTTPException as error:
        _write(request, error.status)
        raise
    except Exception as error:
        _write(request, to_api(error)[0])
        raise
    if RECORDED not in request:
        _write(request, response.status)
    return response


@routes.get("/hostd/audit")
async def index(request: web.Request) -> web.Response:
    """What was done by the caller, newest first; for an admin by everybody.

    Parameters: `user`, an address or id, for admins; `since`, a time; `max`, how many.
    """
    user = user_of(request)
    wanted = request.query.get("user")
    if wanted is not None and wanted.lower() not in (user.id, user.email):
        admin_of(request)
    mine = None if user.admin or wanted else user
    return _answer(request, _entries(request, app_id=None, user=mine))


@routes.get("/hostd/apps/{app}/audit")
async def of_app(request: web.Request) -> web.Response:
    """What was done to an app, or tried, newest first; for who may manage it. Parameters as above."""
    return _answer(request, _entries(request, app_id=app_for(request, Right.MANAGE).id, user=None))


def _write(request: web.Request, status: int) -> None:
    user, caller, asked = request.get(USER), request.get(CALLER), request.get(ASKED)
    if user is None:
        return
    try:
        context_of(request).ledger.trail.add(
            Deed(
                user_id=user.id,
                user_email=user.email,
                # hostd's own programs name their user only in the request: they come from sshd.
                door=(caller.door if caller else Door.SOCKET).value,
                address=caller.address if caller else address_said(request) or "ssh",
                authorization_id=caller.authorization.id if caller and caller.authorization else None,
                method=request.method,
                route=pattern_of(request) or "none",
                app_id=asked.app.id if asked else None,
                app_name=asked.app.name if asked else None,
                target=request.get(WHAT) or target(request),
                status=status,
                request_id=request[REQUEST_ID],
            )
        )
    except HostdError as error:
        # What was done is done: an answer that hides it would help nobody.
        _log.error("%s %s by %s is not in the audit log: %s", request.method, request.path, user.email, error.message)


def target(request: web.Request) -> str:
    """The path that was asked for. An address in it may hold a password: that of a drain is named by one."""
    path = pattern_of(request) or request.path
    for name, value in request.match_info.items():
        shown = "***" if "://" in value else value
        path = path.replace(f"{{{name}}}", shown)
    return "".join(char if char.isprintable() else "?" for char in path)


def _entries(request: web.Request, *, app_id: str | None, user: User | None) -> list[Entry]:
    query = request.query
    ledger, wanted, most = context_of(request).ledger, query.get("user"), query.get("max", str(USUAL))
    if not (most.isascii() and most.isdigit() and 1 <= int(most[:6]) <= MOST):
        raise BadRequest(f"max must be a number from 1 to {MOST}.")
    since = None
    if text := query.get("since"):
        now = datetime.now(UTC).timestamp()
        since = datetime.fromtimestamp(moment_of(text, int(now * MICROSECONDS)) / MICROSECONDS, UTC)
    email = None
    if wanted:
        try:
            user = ledger.users.get(wanted)
        except NotFound:
            email = wanted.lower()  # of somebody who was removed: the log goes on naming them
    return list(ledger.trail.list(app_id=app_id, user=user, email=email, since=since, most=int(most)))


def _answer(request: web.Request, entries: list[Entry]) -> web.Response:
    rows = [_json(entry) for entry in entries]
    return answer_list(request, rows, sortable=by_fields("number"), default="number")


def _json(entry: Entry) -> dict[str, Any]:
    deed = entry.deed
    return {
        "address": deed.address,
        "app": {"id": deed.app_id, "name": deed.app_name} if deed.app_id else None,
        "authorization": {"id": deed.authorization_id} if deed.authorization_id else None,
        "created_at": moment(entry.created_at),
        "door": deed.door,
        "method": deed.method,
        "number": entry.sequence,
        "request_id": deed.request_id,
        "route": deed.route,
        "status": deed.status,
        "target": deed.target,
        "user": {"email": deed.user_email, "id": deed.user_id},
    }
