"""Times as people write them: `90s`, `30m`, `2h`, or a number of seconds."""

from __future__ import annotations

import re

from hostd.cli.command import Option, Usage

BUILD_TIMEOUT = Option("build-timeout", None, "how long the build may take: 90s, 30m, 2h", "TIME")
LONGEST = 86400
"""Seconds."""

_TIME = re.compile(r"([0-9]{1,6})([smh]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def seconds_of(text: str) -> int:
    """The seconds that a text means, from one to a day; raises Usage."""
    found = _TIME.fullmatch(text)
    count = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 1 <= count <= LONGEST:
        raise Usage(f"{text!r} must be a time from 1s to 24h: 90s, 30m, 2h.")
    return count


def written(seconds: float) -> str:
    """A number of seconds in words: `15m`, `1m30s`, `2h`."""
    whole = int(seconds)
    parts = [(whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s")]
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
