# ruff: noqa: N818 - the names say what happened; `raise NotFound` reads better than `raise NotFoundError`.
"""Every refusal hostd makes, and the two places where one becomes an API answer or a line on a terminal.

A message names the cause and the next step, and is fit to be shown to the person who asked: it never holds a
config value, a key or a path that only root may know. Ids and statuses are those of Heroku's Platform API v3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

UNEXPECTED = "Something went wrong inside hostd. The cause is in its log: journalctl --namespace='*' -u hostd -e"


class HostdError(Exception):
    """A refusal or failure that hostd can explain.

    `id` and `status` are what an API client sees, `exit_code` what a shell sees.
    """

    id: str = "internal_server_error"
    status: int = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequest(HostdError):
    """The request could not be read at all: not JSON, a field missing or of the wrong type."""

    id = "bad_request"
    status = 400


class Unauthorized(HostdError):
    """hostd does not know who is asking."""

    id = "unauthorized"
    status = 401


class Forbidden(HostdError):
    """hostd knows who is asking, and they may not."""

    id = "forbidden"
    status = 403


class NotFound(HostdError):
    """No such app, release, dyno, key or user, or none that the caller may see."""

    id = "not_found"
    status = 404

    def __init__(self, message: str, *, resource: str | None = None) -> None:
        """`resource`: what was not found, in Heroku's words for clients: `app`, `authorization`, ..."""
        super().__init__(message)
        self.resource = resource


class NotAcceptable(HostdError):
    """The client wants the answer in a version that there is not."""

    id = "not_acceptable"
    status = 406


class BadRange(HostdError):
    """A Range header of which no page of a list can be made."""

    id = "requested_range_not_satisfiable"
    status = 416


class Conflict(HostdError):
    """The key, address or domain is taken, or the thing has changed in the meantime."""

    id = "conflict"
    status = 409


class Busy(HostdError):
    """Somebody else's deploy holds the app; the same request may work later."""

    id = "busy"
    status = 409


class Invalid(HostdError):
    """The request was understood, and a value in it breaks a rule."""

    id = "invalid_params"
    status = 422


class RateLimited(HostdError):
    """Too many requests from one caller."""

    id = "rate_limit"
    status = 429

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        """`retry_after`: seconds until it is worth trying again, if that is known."""
        super().__init__(message)
        self.retry_after = retry_after


class Internal(HostdError):
    """hostd itself failed: a fault to be reported, not the caller's mistake."""

    exit_code = 70  # EX_SOFTWARE of sysexits(3)


class Unavailable(HostdError):
    """A part that is needed does not answer now: the daemon, systemd, the pool."""

    id = "unavailable"
    status = 503
    exit_code = 69  # EX_UNAVAILABLE of sysexits(3)


def to_api(error: BaseException) -> tuple[int, dict[str, str]]:
    """The HTTP status and JSON body for an error; one that hostd did not raise itself reveals nothing."""
    if isinstance(error, HostdError):
        body = {"id": error.id, "message": error.message}
        if isinstance(error, NotFound) and error.resource is not None:
            body["resource"] = error.resource
        return error.status, body
    return Internal.status, {"id": Internal.id, "message": UNEXPECTED}


def from_api(status: int, body: Mapping[str, Any] | None) -> HostdError:
    """The error behind an API answer: the inverse of `to_api`, for clients of the API."""
    known = body or {}
    name = str(known.get("id") or "")
    message = str(known.get("message") or f"hostd answered with HTTP status {status} and no reason.")
    kind = next((kind for kind in _KINDS if kind.id == name and kind.status == status), None)
    if kind is None:
        kind = next((kind for kind in _KINDS if kind.status == status), Internal)
    error = kind(message)
    error.id, error.status = name or kind.id, status
    return error


def to_terminal(error: BaseException) -> tuple[str, int]:
    """The text for stderr, each line starting with ` !    ` as Heroku's do, and the exit code."""
    if isinstance(error, KeyboardInterrupt):
        return "", 130
    if isinstance(error, HostdError):
        message, code = error.message, error.exit_code
    else:
        message, code = UNEXPECTED, Internal.exit_code
    return "\n".join(f" !    {_printable(line)}".rstrip() for line in message.splitlines() or [""]), code


_KINDS: tuple[type[HostdError], ...] = (
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    NotAcceptable,
    BadRange,
    Conflict,
    Busy,
    Invalid,
    RateLimited,
    Internal,
    Unavailable,
)


def _printable(line: str) -> str:
    # A message may quote what somebody else typed; escape sequences in it must not reach a terminal.
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
