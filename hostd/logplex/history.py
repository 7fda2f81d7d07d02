"""Reading back what is kept of an app's log, a slice at a time: from a place on, or back from a place. Blocking.

Each slice takes a bounded time, however much is stored and however little of it is wanted, so that whoever reads can be
told how far it is, and can be let go when it has left.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hostd.logplex.filters import Filter
from hostd.logplex.lines import Line
from hostd.logplex.reading import Journal, Kept, Trusted, is_newer, line_of
from units.journal import Entry

AT_ONCE = 200
"""Entries between two looks at the clock."""
SLICE_SECONDS = 0.05
MOST_BYTES = 4 * 1024 * 1024
"""Bytes of lines that are held in memory while it is read back, and that one slice hands over."""

_FAR = 2**62
"""Microseconds: a time behind everything."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: after an entry, or at a time (microseconds), or, of neither, with the oldest."""

    after: str | None = None
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """What a look at the journal brought: lines, and how far it got. `time` is of the last entry seen."""

    lines: list[Line]
    entries: int
    time: int
    done: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A journal, narrowed to what is wanted; `end` is its last entry of any kind, None if it is empty.

    All that is wanted up to `end` is found. What came behind it cannot be relied on: a dyno that had not written yet is
    not among those that the journal is narrowed to.
    """

    journal: Kept
    end: str | None
    missing: bool
    """The entry to begin after is gone, and others may be with it."""


def prepare(journal: Journal, wanted: Filter, after: str | None = None) -> Prepared:
    """Narrow a journal that was just opened to what is wanted; `after` is the entry to begin after, if there is one."""
    found = prepare_whole(journal, after)
    journal.narrow(wanted.matches(lambda: journal.values("HOSTD_PROCESS")))
    return found


def prepare_whole(journal: Kept, after: str | None = None) -> Prepared:
    """The same for a journal of which all entries are looked at."""
    last = journal.last(1)
    missing = after is not None and not journal.seek_after(after)
    return Prepared(journal, last[0].cursor if last else None, missing)


@dataclass(slots=True)
class Backward:
    """Collects the last `most` rows up to a place: the end of a journal, the entry `end`, or a time."""

    journal: Kept
    wanted: Filter
    trusted: Trusted
    rows: Callable[[Line], list[bytes]]
    most: int
    end: str | None = None
    since: int | None = None
    until: int | None = None
    clock: Clock = time.monotonic
    lines: list[Line] = field(default_factory=list)
    """What was found, the newest first."""
    cut: bool = False
    """More was asked for than is held in memory."""
    _count: int = 0
    _size: int = 0
    _begun: bool = False

    def slice(self) -> Slice:
        """Look at some more entries; the lines stay in `lines`. Raises OSError, and what the pattern raises."""
        stop = self.clock() + SLICE_SECONDS
        seen, at, done = 0, 0, self.most <= 0
        while not done and not (seen and self.clock() >= stop):
            entries = self._older()
            done = not entries
            for entry in reversed(entries):
                seen, at = seen + 1, entry.realtime_us
                if self.since is not None and at < self.since:
                    done = True
                elif (self.until is None or at <= self.until) and not self._is_behind(entry):
                    done = self._take(line_of(entry, self.trusted))
                if done:
                    break
        return Slice([], seen, at, done)

    def _take(self, line: Line | None) -> bool:
        """Keep a line if it is wanted; True when it is enough."""
        if line is None or not self.wanted.accepts(line):
            return False
        self.lines.append(line)
        self._count += len(self.rows(line))
        self._size += len(line.message) + 256
        self.cut = self._count < self.most and self._size >= MOST_BYTES
        return self.cut or self._count >= self.most

    def _older(self) -> list[Entry]:
        if self._begun:
            return self.journal.read_back(AT_ONCE)
        self._begun = True
        self.journal.seek_realtime(_FAR if self.until is None else self.until)
        return self.journal.read_back(AT_ONCE)

    def _is_behind(self, entry: Entry) -> bool:
        if self.end is None or not is_newer(entry.cursor, self.end):
            self.end = None  # nor is any older one
            return False
        return True


@dataclass(slots=True)
class Forward:
    """Hands over what is wanted from a place on, up to the entry `end` (None: nothing), and to a time."""

    journal: Kept
    wanted: Filter
    trusted: Trusted
    start: Start
    end: str | None
    until: int | None = None
    clock: Clock = time.monotonic
    _begun: bool = False

    def slice(self) -> Slice:
        """The next lines. Raises OSError, and what the pattern raises."""
        lines: list[Line] = []
        seen, at, size = 0, 0, 0
        done = self.end is None
        if not done and not self._begun:
            self._begun = True
            self._seek()
        stop = self.clock() + SLICE_SECONDS
        while not done and not (seen and self.clock() >= stop) and size < MOST_BYTES:
            entries = self.journal.read(AT_ONCE)
            done = not entries
            # To compare places costs as much as all else, and order is that of places.
            near = bool(entries) and (self.until is not None or self._is_behind(entries[-1]))
            for entry in entries:
                seen, at = seen + 1, entry.realtime_us
                if near and self._is_behind(entry):
                    done = True
                    break
                line = line_of(entry, self.trusted)
                if line is not None and self.wanted.accepts(line):
                    lines.append(line)
                    size += len(line.message) + 256
        return Slice(lines, seen, at, done)

    def _is_behind(self, entry: Entry) -> bool:
        assert self.end is not None
        return is_newer(entry.cursor, self.end) or (self.until is not None and entry.realtime_us > self.until)

    def _seek(self) -> None:
        if self.start.after is not None:
            self.journal.seek_after(self.start.after)
        elif self.start.since is not None:
            self.journal.seek_realtime(self.start.since)
        else:
            self.journal.seek_head()
