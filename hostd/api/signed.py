"""Addresses that anybody may read who has them: signed by hostd, and good for an hour or two."""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
import time
from urllib.parse import urlencode

from aiohttp import web

from hostd.api.caller import Door
from hostd.api.requests import caller_of, context_of
from hostd.errors import Forbidden

STEP = 3600
"""Seconds. An address is good until the hour after the next begins: answers that name it stay the same for an hour."""

RENDEZVOUS_HEADER = "Hostd-Rendezvous"
_TUNNEL = re.compile(r"localhost:([1-9][0-9]{0,4})")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")


class Kind(enum.Enum):
    """What can be read so."""

    BUILD = "builds"
    RELEASE = "releases"


def here(request: web.Request, path: str) -> str:
    """A path as an address at the door by which the client came: that is where it can be asked for again."""
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
    host = request.host if _HOST.fullmatch(request.host) else "hostd"
    return f"{'https' if scheme == 'https' else 'http'}://{host}{path}"


def meeting_place(request: web.Request, port: int) -> tuple[str, int]:
    """Where the caller reaches another port of this server: at the name by which they have reached this one.

    Who comes through a tunnel says where its other end is (`Hostd-Rendezvous: localhost:PORT`).
    """
    if caller_of(request).door is Door.ROUTER:
        name = request.host.partition(":")[0]
        return (name if _HOST.fullmatch(name) else context_of(request).settings.domain), port
    tunnel = _TUNNEL.fullmatch(request.headers.get(RENDEZVOUS_HEADER, ""))
    return "localhost", int(tunnel[1]) if tunnel else port


def address(request: web.Request, kind: Kind, app_id: str, id: str) -> str:
    """Where what the caller may see of an app can be read without saying who asks."""
    path = f"/hostd/signed/{kind.value}/{app_id}/{id}"
    expires = (int(time.time()) // STEP + 2) * STEP
    query = urlencode({"expires": expires, "signature": _signature(context_of(request).log_key, path, expires)})
    return here(request, f"{path}?{query}")


def check(request: web.Request) -> None:
    """Raise Forbidden unless hostd has signed the address that is asked for, and its time is not over."""
    expires = request.query.get("expires", "")
    until = int(expires) if expires.isascii() and expires.isdigit() and len(expires) < 16 else 0
    wanted = _signature(context_of(request).log_key, request.path, until)
    if not hmac.compare_digest(wanted.encode(), request.query.get("signature", "").encode()):
        raise Forbidden("This address was not signed by this server.")
    if until < time.time():
        raise Forbidden("This address has expired. Ask for the build or release again: it has a new one.")


def _signature(key: bytes, path: str, expires: int) -> str:
    return hmac.new(key, f"{path}?{expires}".encode(), hashlib.sha256).hexdigest()
