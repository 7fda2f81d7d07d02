"""Log sessions: what somebody may read, written into an address that only hostd can sign. Pure."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from hostd.errors import BadRequest, Forbidden

DEFAULT_LINES = 100
MOST_LINES = 1500
"""Lines of history one session shows at most; as Heroku keeps."""
LIFETIME = 300
"""Seconds within which a session must be opened. A tail begun in time goes on."""


@dataclass(frozen=True, slots=True)
class Session:
    """The right to read one app's log.

    `lines` of history; `tail` to follow; `source` is `app` or `heroku`; `process` is a dyno (`web.1`), a process type
    (`web`) or a component (`router`, `api`); `expires` in seconds since the epoch.
    """

    app: str
    lines: int
    tail: bool
    source: str | None
    process: str | None
    expires: int


def sign(session: Session, key: bytes) -> str:
    """The query of a stream's address, with its signature (HMAC-SHA256)."""
    query = urlencode(_fields(session))
    return f"{query}&signature={_signature(query, key)}"


def verify(query: str, key: bytes, now: float) -> Session:
    """The session that a query grants.

    Raises Forbidden if the signature is not ours or the session expired, BadRequest if it cannot be read.
    """
    signed, _, signature = query.rpartition("&signature=")
    if not hmac.compare_digest(_signature(signed, key).encode(), signature.encode()):
        raise Forbidden("This is not a log session of this server.")
    fields = dict(parse_qsl(signed, keep_blank_values=True))
    try:
        session = Session(
            app=fields["app"],
            lines=int(fields["lines"]),
            tail=fields["tail"] == "true",
            source=fields.get("source"),
            process=fields.get("process"),
            expires=int(fields["expires"]),
        )
    except (KeyError, ValueError):
        raise BadRequest("This log session was made by another version of hostd. Ask for a new one.") from None
    if session.expires < now:
        raise Forbidden("This log session has expired. Ask for a new one.")
    return session


def _fields(session: Session) -> dict[str, str]:
    fields = {
        "app": session.app,
        "lines": str(session.lines),
        "tail": "true" if session.tail else "false",
        "expires": str(session.expires),
    }
    optional = {"source": session.source, "process": session.process}
    return fields | {name: value for name, value in optional.items() if value is not None}


def _signature(query: str, key: bytes) -> str:
    return hmac.new(key, query.encode(), hashlib.sha256).hexdigest()
