"""What every request passes through before it is known who asks, and every answer after it was made.

Outermost first: it gets a number, its answer is packed, its failures are explained, its method may be another than it
looks. Within `identify`: it is counted, and a client that has the answer already is told so.
"""

from __future__ import annotations

import hashlib
import re
import uuid

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web import ContentCoding

from hostd.api.caller import Door
from hostd.api.requests import CALLER, QUOTA, REQUEST_ID, link_for, pattern_of
from hostd.errors import BadRequest, NotAcceptable, RateLimited

JSON = "application/json"
PACKED_FROM = 1400
"""Bytes; a shorter answer fits a packet as it is."""
OVERRIDES = ("GET", "PUT", "PATCH", "DELETE")
UNCOUNTED = "/account/rate-limits"

_REMAINING: web.RequestKey[int] = web.RequestKey("remaining", int)
_OVERRIDDEN: web.RequestKey[bool] = web.RequestKey("overridden", bool)
_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_NONE = re.compile(r"q=0(\.0*)?")
_VERSION = re.compile(r"3(\.[a-z0-9_.-]+)?", re.IGNORECASE)


@web.middleware
async def number(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, by which it is found in the log: its own if it brings a single one, else the router's."""
    brought = request.headers.get("Request-Id") or request.headers.get("X-Request-Id") or ""
    request[REQUEST_ID] = brought if _ID.fullmatch(brought) else str(uuid.uuid4())
    return await handler(request)


async def sign(request: web.Request, response: web.StreamResponse) -> None:
    """Put on an answer what all have: the request's id, what is left of the limit, that nobody else may keep it."""
    headers = response.headers
    headers["Server"] = "hostd"
    if REQUEST_ID in request:
        headers["Request-Id"] = request[REQUEST_ID]
    if _REMAINING in request:
        headers["RateLimit-Remaining"] = str(request[_REMAINING])
    headers.setdefault("Cache-Control", "private, no-cache")
    headers.setdefault("X-Content-Type-Options", "nosniff")


@web.middleware
async def pack(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compress JSON for who takes it so."""
    response = await handler(request)
    if (
        isinstance(response, web.Response)
        and not response.prepared
        and response.content_type == JSON
        and isinstance(response.body, bytes)
        and len(response.body) >= PACKED_FROM
    ):
        response.headers["Vary"] = "Accept-Encoding"
        if takes_gzip(request.headers.get("Accept-Encoding", "")):
            response.enable_compression(ContentCoding.gzip)
    return response


@web.middleware
async def override(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a POST be another method, for clients that have no other (`X-Http-Method-Override`)."""
    if not acceptable(request.headers.getall("Accept", [])):
        raise NotAcceptable(
            "This is version 3 of the API, and no other. Set the header Accept: application/vnd.heroku+json; version=3"
        )
    wanted = request.headers.get("X-Http-Method-Override", "").upper()
    if request.method != "POST" or not wanted or wanted == "POST":
        return await handler(request)
    if wanted not in OVERRIDES:
        raise BadRequest(f"X-Http-Method-Override must be one of {', '.join(OVERRIDES)}.")
    changed = request.clone(method=wanted)
    found = await request.app.router.resolve(changed)
    found.add_app(request.app)
    found.freeze()
    # As the application itself does it: the route that it found is that of the method which is not meant.
    changed._match_info = found
    changed[_OVERRIDDEN] = True
    return await handler(changed)


@web.middleware
async def dispatch(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The innermost: call the handler of the method that is meant, once all of a JSON body is there.

    Handlers would else wait for the body between what they read in the ledger and what they change there by it.
    """
    link = link_for(request)
    if link is not None and link.body is not None and link.takes is None:
        await request.read()
    return await (request.match_info.handler if _OVERRIDDEN in request else handler)(request)


@web.middleware
async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the calls that an account makes with tokens, and refuse those that are too many."""
    caller = request.get(CALLER)
    if caller is None or caller.door is Door.SOCKET:
        return await handler(request)
    quota, account = request.app[QUOTA], caller.user.id
    taken = pattern_of(request) == UNCOUNTED or quota.take(account)
    request[_REMAINING] = quota.remaining(account)
    if not taken:
        raise RateLimited(
            "Your account reached the API rate limit\nPlease wait a few minutes before making new requests",
            retry_after=quota.wait(account),
        )
    return await handler(request)


@web.middleware
async def spare(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell a client that has the answer already (`If-None-Match`) just that."""
    response = await handler(request)
    if (
        request.method not in ("GET", "HEAD")
        or not isinstance(response, web.Response)
        or response.prepared
        or response.status not in (200, 206)
        or response.content_type != JSON
        or not isinstance(response.body, bytes)
    ):
        return response
    tag = f'W/"{hashlib.blake2b(response.body, digest_size=16).hexdigest()}"'
    response.headers["ETag"] = tag
    if not matches(request.headers.get("If-None-Match", ""), tag):
        return response
    kept = {name: value for name, value in response.headers.items() if not name.lower().startswith("content-")}
    return web.Response(status=304, headers=kept)


def acceptable(accept: list[str]) -> bool:
    """Whether `Accept` headers take version 3: they may say so (`; version=3.sdk` too), or nothing of versions."""
    ranges = [each for header in accept for each in header.split(",") if each.strip()]
    return not ranges or any(_takes_us(each) for each in ranges)


def takes_gzip(header: str) -> bool:
    """Whether an `Accept-Encoding` header names gzip, and not to refuse it."""
    for each in header.split(","):
        name, _, quality = each.partition(";")
        if name.strip().lower() in ("gzip", "x-gzip", "*"):
            return _NONE.fullmatch(quality.replace(" ", "")) is None
    return False


def matches(header: str, tag: str) -> bool:
    """Whether an `If-None-Match` header has a tag, compared weakly (RFC 9110, 8.8.3.2)."""
    known = [each.strip() for each in header.split(",")]
    return "*" in known or tag in known or tag.removeprefix("W/") in known


def _takes_us(media: str) -> bool:
    name, _, parameters = media.partition(";")
    if name.strip().lower() != "application/vnd.heroku+json":
        return True
    for each in parameters.split(";"):
        key, _, value = each.partition("=")
        if key.strip().lower() == "version":
            return _VERSION.fullmatch(value.strip().strip('"')) is not None
    return True
