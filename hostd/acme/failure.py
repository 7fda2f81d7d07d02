"""Failure: why there is no certificate, in words for people, as the ACME library and the authority say it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = 500
"""Characters of a reason."""
LONGEST_WAIT = timedelta(days=8)
"""What an authority may ask for; Let's Encrypt's longest limit is a week."""
_OF_THE_NAME = frozenset(
    {"badCSR", "caa", "compound", "connection", "dns", "dnssec", "incorrectResponse", "rateLimited",
     "rejectedIdentifier", "tls", "unauthorized", "unknownHost", "unsupportedIdentifier"}
)  # fmt: skip
"""Problems (RFC 8555, 6.7) that another name need not have."""
_OF_THE_PROOF = frozenset({"connection", "incorrectResponse", "tls", "unauthorized"})
"""Problems that another proof of the same name need not have."""


class Failure(Exception):  # noqa: N818 - says what happened
    """There is no certificate. `reason` has no full stop.

    `retry_at` is when the authority wants to be asked again. `general`: it is not because of the name. `unproven`: it
    may be because of how it was to be proven. `unknown`: the authority does not know our account any more. `output`:
    what a program of the admin's said.
    """

    def __init__(
        self,
        reason: str,
        *,
        retry_at: datetime | None = None,
        general: bool = False,
        unproven: bool = False,
        unknown: bool = False,
        output: Sequence[str] = (),
    ) -> None:
        self.reason = readable(reason)
        self.retry_at = retry_at
        self.general = general
        self.unproven = unproven
        self.unknown = unknown
        self.output = tuple(output)
        super().__init__(self.reason)


def problem(kind: str, detail: str, retry_at: datetime | None = None) -> Failure:
    """What an authority says of a request (RFC 7807), `kind` being the problem's type."""
    code = kind.rpartition(":")[2]
    text = f"{readable(detail) or 'no reason given'} ({code})"
    if code == "rateLimited":
        return Failure(text, retry_at=retry_at)
    return Failure(
        text,
        retry_at=retry_at,
        general=code not in _OF_THE_NAME,
        unproven=code in _OF_THE_PROOF,
        unknown=code == "accountDoesNotExist",
    )


def moment_of(retry_after: str | None, now: datetime) -> datetime | None:
    """What the field Retry-After says (RFC 9110, 10.2.3): seconds or a date; None if it says nothing of use."""
    if not retry_after:
        return None
    if (digits := retry_after.strip()).isascii() and digits.isdigit():
        # They may be more than a time can have.
        return now + min(timedelta(seconds=int(digits[:9])), LONGEST_WAIT)
    try:
        then = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return min(then.astimezone(UTC), now + LONGEST_WAIT) if then > now else None


def readable(text: str) -> str:
    """A text of somebody else's in one line, without what a terminal would take for itself."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split()).rstrip(".")
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
