"""Moments as people write them: `10m` ago, `yesterday`, `2026-01-27T10:48`. Pure. Times in microseconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from hostd.errors import Invalid

MICROSECONDS = 1_000_000

_AGO = re.compile(r"([0-9]{1,9})\s*(s|m|h|d|w)(?:\s*ago)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:?[0-9]{2})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(text: str, now: int) -> int:
    """The moment that a text means, seen from `now`.

    `90s`, `10m`, `2h`, `1d`, `1w` are so long ago; `now`, `today` and `yesterday` (at 00:00); `10:48` is today; else
    ISO 8601, of which the end may be missing. What names no zone is UTC, as everything in the log. Raises Invalid.
    """
    words = text.strip().lower()
    if found := _AGO.fullmatch(words):
        # Whoever asks for a hundred thousand years means everything.
        return max(0, now - int(found[1]) * _SECONDS[found[2]] * MICROSECONDS)
    today = datetime.fromtimestamp(now // MICROSECONDS, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    named = {"now": now, "today": _micro(today), "yesterday": _micro(today - timedelta(days=1))}
    if words in named:
        return named[words]
    if _CLOCK.fullmatch(text.strip()):
        text = f"{today.date().isoformat()}T{text.strip()}"
    try:
        found_time = datetime.fromisoformat(text.strip())
        if found_time.tzinfo is None:
            found_time = found_time.replace(tzinfo=UTC)
        return max(0, _micro(found_time))
    except (ValueError, OverflowError):
        raise Invalid(
            f"{text[:60]!r} is not a time. Times are 10m, 2h or 1d (ago), yesterday, 10:48, 2026-01-27, "
            "2026-01-27T10:48:08 (UTC) or 2026-01-27T10:48:08+01:00."
        ) from None


def checked_span(since: int | None, until: int | None, now: int) -> None:
    """Raises Invalid if nothing can lie between the two."""
    if since is not None and since > now:
        raise Invalid("since is still to come: nothing has been logged after it.")
    if since is not None and until is not None and since > until:
        raise Invalid("since is later than until: nothing lies between them.")


def _micro(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(microseconds=1)
