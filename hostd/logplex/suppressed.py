"""What is said where lines were dropped on this machine, before they were in any log (L12). Pure.

journald counts what a unit writes beyond its rate, and tells it before the next line of that unit, in an entry of its
own (MESSAGE_ID): `Suppressed 4213 messages from UNIT`. Its fields name the unit, and
have none of the app's; the text has all that is needed.
"""

from __future__ import annotations

import re

from hostd.logplex.lines import stamp

MESSAGE_ID = "a596d6fe7bfa4994828e72309e95d61e"
"""What journald says of lines that it dropped has this id (systemd/sd-messages.h)."""

_TEXT = re.compile(rb"Suppressed (?P<lost>\d+) messages from hostd-(?P<dyno>[a-z0-9][a-z0-9.-]*)-v\d+\.service")


def dropped(lost: int, process: str, since: int) -> str:
    """What the log says of lines that were dropped; `since` is in microseconds."""
    return f"Error L12 (Local buffer overflow) -> {lost} message{_s(lost)} of {process} dropped since {stamp(since)}."


def told(message: bytes) -> tuple[int, str] | None:
    """How many lines of which dyno an entry of journald's own says to be dropped; None for any other entry."""
    match = _TEXT.fullmatch(message)
    if match is None:
        return None
    # In a unit's name a dash of the process type is a dot, and the last dash is the one behind the app's name.
    process_type, _, number = match["dyno"].decode().rpartition("-")[2].rpartition(".")
    return int(match["lost"]), f"{process_type.replace('.', '-')}.{number}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
