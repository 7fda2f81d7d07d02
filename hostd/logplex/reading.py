"""One app's entries in the journal: whose they are, and which came before which."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from hostd.logplex.lines import Line
from hostd.logplex.suppressed import dropped, told
from units.journal import Entry
from units.journal_pace import LOG_RATE_SECONDS

FIELDS = ("HOSTD_APP", "HOSTD_SOURCE", "HOSTD_PROCESS", "_TRANSPORT", "_UID")

JOURNALD = "driver"
"""The `_TRANSPORT` of what journald says itself; nobody else can have it."""

_CURSOR = re.compile(
    r"s=(?P<stream>[0-9a-f]{32});i=(?P<number>[0-9a-f]{1,16});b=(?P<boot>[0-9a-f]{32});m=(?P<uptime>[0-9a-f]{1,16});"
    r"t=(?P<time>[0-9a-f]{1,16});x=[0-9a-f]{1,16}"
)

Trusted = Callable[[int], bool]


class Kept(Protocol):
    """What is needed of `units.kept_journal.KeptJournal`: all that is kept of an app's log."""

    def seek_head(self) -> None:
        """To before the oldest entry."""

    def seek_realtime(self, microseconds: int) -> None:
        """To before the first entry at or after a time."""

    def seek_after(self, cursor: str) -> bool:
        """To after the entry with this cursor; False if it is gone, then to before the next one kept."""

    def read(self, limit: int = ...) -> list[Entry]:
        """The next entries, oldest first."""

    def read_back(self, limit: int) -> list[Entry]:
        """The entries before this place, oldest first."""

    def last(self, limit: int) -> list[Entry]:
        """The newest entries, oldest first; `read` goes on behind them."""

    def close(self) -> None:
        """Close the journal's files."""


class Journal(Kept, Protocol):
    """What is needed of `units.journal.Reader`, which has an index."""

    def narrow(self, matches: Mapping[str, str | Sequence[str]]) -> None:
        """Read only entries with these values; seek after it."""

    def values(self, field: str) -> set[str]:
        """All values that a field has."""


class Live(Protocol):
    """What is needed of `units.live_journal.LiveJournal`."""

    def seek_head(self) -> None:
        """To before the oldest entry."""

    def last(self, limit: int) -> list[Entry]:
        """The newest entries, oldest first; `read` goes on behind them."""

    def read(self, limit: int = ...) -> list[Entry]:
        """The next entries, oldest first."""

    def take_missed(self) -> int:
        """How many entries in front of those that were just read journald had removed already."""

    async def wait(self) -> None:
        """Return when there may be new entries."""

    def close(self) -> None:
        """Close the journal's files."""


Follow = Callable[[str], Live]
"""Opens the journal of an app (its id), to be read forward as it grows. Raises OSError."""

OpenKept = Callable[[str], Kept]
"""Opens all that is kept of an app's log (its id), to be looked through. Raises OSError."""

OpenJournal = Callable[[str, Mapping[str, str]], Journal]
"""Opens the journal of an app (its id) anew: only its entries, and only those with these values. Raises OSError."""


def is_believed(fields: Mapping[str, str], trusted: Trusted) -> bool:
    """True if the fields of an entry say who sent it, and not what an app claims.

    A dyno can reach the journal's native socket and then chooses the fields itself: there only the platform's own
    processes are believed (`trusted`, by uid). The fields of what a dyno prints are set by systemd.
    """
    return fields.get("_TRANSPORT") != "journal" or trusted(int(fields.get("_UID", "-1")))


def line_of(entry: Entry, trusted: Trusted) -> Line | None:
    """The line that an entry is; None if it is no app's, or somebody else's claim to be one."""
    fields = entry.fields
    app = fields.get("HOSTD_APP")
    if app is None:
        return _loss(entry) if fields.get("_TRANSPORT") == JOURNALD else None
    if not is_believed(fields, trusted):
        return None
    source, process = fields.get("HOSTD_SOURCE", "app"), fields.get("HOSTD_PROCESS", "unknown")
    return Line(entry.place, entry.realtime_us, app, source, process, entry.message)


def _loss(entry: Entry) -> Line | None:
    """What journald says itself of lines that it dropped, in the words of the log."""
    found = told(entry.message)
    if found is None:
        return None
    lost, dyno = found
    since = entry.realtime_us - LOG_RATE_SECONDS * 1_000_000
    text = dropped(lost, dyno, since).encode()
    return Line(entry.place, entry.realtime_us, "", "heroku", "logplex", text, about=dyno)


def is_cursor(text: str) -> bool:
    """True for the text of a journal cursor."""
    return _CURSOR.fullmatch(text) is not None


def is_newer(cursor: str, than: str) -> bool:
    """Whether an entry came into the journal after another one.

    By journald's own numbers where both are of one numbering, which lasts until a file is found to be broken; else by
    the time since the boot, and only of different boots by the clock, which may have been set back.
    """
    one, other = _CURSOR.fullmatch(cursor), _CURSOR.fullmatch(than)
    if one is None or other is None:
        raise ValueError(f"not a journal cursor: {cursor if one is None else than}")
    by = "number" if one["stream"] == other["stream"] else "uptime" if one["boot"] == other["boot"] else "time"
    return int(one[by], 16) > int(other[by], 16)


def time_of(cursor: str) -> int:
    """When the entry of a cursor came, in microseconds; raises ValueError for what is no cursor."""
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise ValueError(f"not a journal cursor: {cursor}")
    return int(found["time"], 16)
