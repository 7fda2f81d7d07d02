"""Log sessions: what somebody may read, written into an address that only hostd can sign. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hostd.errors import BadRequest, Forbidden
from hostd.holders import belongs
from hostd.logplex.filters import Filter
from hostd.logplex.rendering import Form

DEFAULT_LINES = 100
MOST_LINES = 10_000
"""Lines that can be asked for by their number; since a time, there is no limit."""
LIFETIME = 300
"""Seconds within which a session must be opened. A tail begun in time goes on."""


@dataclass(frozen=True, slots=True)
class Session:
    """The right to read one app's log.

    `lines` of history (None: all since `since`); `tail` to follow; `source` is `app` or `heroku`; `only` and `without`
    are dynos, types or components; `since` and `until` in microseconds, `expires` in seconds since the epoch; `grep` is
    a pattern of PCRE2.
    """

    app: str
    expires: int
    lines: int | None = DEFAULT_LINES
    tail: bool = False
    source: str | None = None
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    grep: str | None = None
    ignore_case: bool = False
    request_id: str | None = None
    form: Form = Form.TEXT
    user: str | None = None
    """Who asked for it (`hostd.holders`): it ends when they lose the right to it, or their token."""

    @property
    def filter(self) -> Filter:
        """Which lines it shows, but for the pattern, which has to be compiled."""
        return Filter(self.app, self.source, self.only, self.without, self.request_id)


def sign(session: Session, key: bytes) -> str:
    """The query of a stream's address, with its signature (HMAC-SHA256)."""
    known = asdict(session)
    given = {each.name: known[each.name] for each in fields(session) if known[each.name] != each.default}
    query = urlencode({"app": session.app, "session": json.dumps(given, separators=(",", ":"), ensure_ascii=False)})
    return f"{query}&signature={_signature(query, key)}"


def verify(query: str, key: bytes, now: float) -> Session:
    """The session that a query grants.

    Raises Forbidden if the signature is not ours or the session expired, BadRequest if it cannot be read.
    """
    signed, _, signature = query.rpartition("&signature=")
    # There are clients that quote anew what they are given: as it was written when it was signed it is the same.
    forms = {signed, urlencode(parse_qsl(signed, keep_blank_values=True))}
    if not any(hmac.compare_digest(_signature(form, key).encode(), signature.encode()) for form in forms):
        raise Forbidden("This is not a log session of this server.")
    try:
        session = _session(json.loads(dict(parse_qsl(signed, keep_blank_values=True))["session"]))
    except (KeyError, TypeError, ValueError):
        raise BadRequest("This log session was made by another version of hostd. Ask for a new one.") from None
    if session.expires < now:
        raise Forbidden("This log session has expired. Ask for a new one.")
    return session


@dataclass(frozen=True, slots=True)
class Ending:
    """What a user, or a user with a token (`hostd.holders`), may read no more: the log of an app, or with None any.

    `at` in seconds since the epoch.
    """

    user: str
    app: str | None
    at: int

    def covers(self, session: Session) -> bool:
        """Whether it is a session of this user that was granted until then."""
        granted = session.expires - LIFETIME
        return belongs(session.user, self.user) and self.app in (None, session.app) and granted <= self.at

    @property
    def over(self) -> int:
        """When no session that it covers can be begun any more, in seconds since the epoch."""
        return self.at + LIFETIME


def sign_ending(ending: Ending, key: bytes) -> str:
    """The query that has such sessions ended, with its signature."""
    query = urlencode({"ending": json.dumps(asdict(ending), separators=(",", ":"))})
    return f"{query}&signature={_signature(query, key)}"


def verify_ending(query: str, key: bytes) -> Ending:
    """What a query wants ended. Raises Forbidden, BadRequest."""
    signed, _, signature = query.rpartition("&signature=")
    if not hmac.compare_digest(_signature(signed, key).encode(), signature.encode()):
        raise Forbidden("Only hostd may end log sessions.")
    try:
        return Ending(**json.loads(dict(parse_qsl(signed))["ending"]))
    except (KeyError, TypeError, ValueError):
        raise BadRequest("This was asked by another version of hostd.") from None


def _session(given: Any) -> Session:
    if not isinstance(given, dict):
        raise TypeError("not a session of this version")
    values: dict[str, Any] = given | {"form": Form(given.get("form", Form.TEXT))}
    session = Session(**(values | {name: tuple(given.get(name, ())) for name in ("only", "without")}))
    # It is signed, so it is what hostd wrote: only an older or newer hostd can have meant something else by it.
    if not isinstance(session.expires, int) or not isinstance(session.lines, int | None):
        raise TypeError("not a session of this version")
    return session


def _signature(query: str, key: bytes) -> str:
    return hmac.new(key, query.encode(), hashlib.sha256).hexdigest()
