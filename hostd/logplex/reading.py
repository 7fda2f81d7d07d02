"""Reading one app's entries out of the journal: whose they are, which are wanted, and the last of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from hostd.logplex.lines import Line
from units.journal import Entry

FIELDS = ("HOSTD_APP", "HOSTD_SOURCE", "HOSTD_PROCESS", "_TRANSPORT", "_UID")
MOST_LOOKED_AT = 100_000
"""Entries of an app that a search for a process type goes through before it gives up (a second or two)."""
MOST_BYTES = 4 * 1024 * 1024
"""Bytes of history held in memory for one session."""
MOST_RESUMED = 10_000
"""Entries a reader that was cut off gets on its return; beyond that it is told that lines are missing."""
AT_ONCE = 500

_CURSOR = re.compile(
    r"s=(?P<stream>[0-9a-f]{32});i=(?P<number>[0-9a-f]{1,16});b=[0-9a-f]{32};m=[0-9a-f]{1,16};"
    r"t=(?P<time>[0-9a-f]{1,16});x=[0-9a-f]{1,16}"
)

Trusted = Callable[[int], bool]


class Journal(Protocol):
    """What is needed of `units.journal.Reader`."""

    def seek_head(self) -> None:
        """To before the oldest entry."""

    def seek_after(self, cursor: str) -> bool:
        """To after the entry with this cursor."""

    def read(self, limit: int = ...) -> list[Entry]:
        """The next entries, oldest first."""

    def read_back(self, limit: int) -> list[Entry]:
        """The entries before this place, oldest first."""

    def last(self, limit: int) -> list[Entry]:
        """The newest entries, oldest first; `read` goes on behind them."""

    async def wait(self) -> None:
        """Return when there may be new entries."""

    def close(self) -> None:
        """Close the journal's files."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines a session shows."""

    app: str
    source: str | None = None
    process: str | None = None

    def accepts(self, line: Line) -> bool:
        """True if the line is of the app, the source, and the process or process type."""
        return (
            line.app == self.app
            and self.source in (None, line.source)
            and self.process in (None, line.process, line.process.partition(".")[0])
        )

    def matches(self) -> dict[str, str]:
        """What of this the journal's own index can do."""
        exact = self.process if self.process and "." in self.process else None
        fields = {"HOSTD_APP": self.app, "HOSTD_SOURCE": self.source, "HOSTD_PROCESS": exact}
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class History:
    """Lines in the journal's order; `incomplete` if a returning reader misses some in front of them."""

    lines: list[Line]
    incomplete: bool = False


OpenJournal = Callable[[str, Mapping[str, str]], Journal]
"""Opens the journal of an app (its id), narrowed to entries with some values."""


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
    if app is None or not is_believed(fields, trusted):
        return None
    source, process = fields.get("HOSTD_SOURCE", "app"), fields.get("HOSTD_PROCESS", "unknown")
    return Line(entry.place, entry.realtime_us, app, source, process, entry.message)


def is_cursor(text: str) -> bool:
    """True for the text of a journal cursor."""
    return _CURSOR.fullmatch(text) is not None


def is_newer(cursor: str, than: str) -> bool:
    """Whether an entry came into the journal after another one.

    By journald's own numbers where both are of one numbering, which lasts as long as the journal's files do.
    """
    one, other = _CURSOR.fullmatch(cursor), _CURSOR.fullmatch(than)
    if one is None or other is None:
        raise ValueError(f"not a journal cursor: {cursor if one is None else than}")
    by = "number" if one["stream"] == other["stream"] else "time"
    return int(one[by], 16) > int(other[by], 16)


def history(
    journal: Journal, wanted: Filter, trusted: Trusted, *, until: str | None, lines: int, after: str | None = None
) -> History:
    """The last lines up to the cursor `until`, which counts too (None: all there are).

    `lines` of them, or with the cursor `after` all that came behind it. Walks backward, so the cost is that of what is
    shown, not of what is stored. Blocking.
    """
    most = lines if after is None else MOST_RESUMED
    found: list[Line] = []
    size, incomplete = 0, False
    for looked_at, entry in enumerate(_backward(journal, min(most + 1, AT_ONCE))):
        if looked_at == MOST_LOOKED_AT or (after is not None and not is_newer(entry.cursor, after)):
            break
        line = line_of(entry, trusted)
        if line is None or not wanted.accepts(line) or (until is not None and is_newer(entry.cursor, until)):
            continue
        if len(found) == most or size > MOST_BYTES:
            incomplete = after is not None
            break
        found.append(line)
        size += len(line.message)
    return History(found[::-1], incomplete)


def _backward(journal: Journal, at_once: int) -> Iterator[Entry]:
    entries = journal.last(at_once)
    while entries:
        yield from reversed(entries)
        journal.seek_after(entries[0].cursor)
        entries = journal.read_back(AT_ONCE)
