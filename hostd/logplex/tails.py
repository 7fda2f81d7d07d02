"""Live lines: one follower of each app's journal while somebody tails it, and a bounded queue for each reader."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from hostd.errors import Unavailable
from hostd.logplex.filters import Filter
from hostd.logplex.lines import overflow_text
from hostd.logplex.patterns import Pattern, TooCostly
from hostd.logplex.reading import Follow, Live, Trusted, is_newer, line_of
from hostd.logplex.rendering import Shown
from units.cursors import cursor_of

MOST_TAILS = 500
MOST_QUEUED = 1024 * 1024
"""Bytes waiting for one slow reader; beyond that its oldest lines are dropped and counted."""
LEAST_QUEUED = 64 * 1024
ALL_QUEUED = 32 * 1024 * 1024
"""Bytes waiting for all of them; each has an equal share, but the least."""
TAKEN_AT_ONCE = 64 * 1024
AT_ONCE = 256
"""Entries read before others get their turn."""
PATTERN_SECONDS = 0.5
PATTERN_SHARE = 0.25
"""Of one processor, what a tail's pattern may take, measured over so many seconds of its work."""

_log = logging.getLogger(__name__)


class Tail:
    """One reader's queue. Lines come in through `offer`, batches go out through `take`.

    `seen` is the cursor of the last entry that the reader has got otherwise.
    """

    def __init__(
        self, wanted: Filter, clock: Callable[[], float] = time.time, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self.wanted = wanted
        self.limit = MOST_QUEUED
        self.seen: str | None = None
        self._clock = clock
        self._timer = timer
        self._queue: deque[Shown] = deque()
        self._size = 0
        self._lost = 0
        self._lost_since = 0
        self._uncounted = False
        self._ended: Exception | None = None
        self._filled = asyncio.Event()
        self._pattern_mark = (timer(), 0.0)

    def offer(self, shown: Shown) -> None:
        """Queue a line if this reader wants it; never waits."""
        line = shown.line
        if self.seen is not None:
            if not is_newer(line.cursor, self.seen):
                return
            self.seen = None
        try:
            if not self.wanted.accepts(line):
                return
        except TooCostly as error:
            self.end(error)
            return
        self._queue.append(shown)
        self._size += shown.cost
        while self._size > self.limit and len(self._queue) > 1:
            oldest = self._queue.popleft()
            self._size -= oldest.cost
            self._lost_since = self._lost_since or oldest.line.microseconds
            self._lost += 1
        self._filled.set()

    def miss(self, count: int, since: int) -> None:
        """The journal has lost so many entries behind this time (microseconds) before they were read.

        Of those that a filter would have left out nobody knows how many were among them.
        """
        self._uncounted = self._uncounted or self.wanted.narrows
        self._lost += count
        self._lost_since = self._lost_since or since
        self._filled.set()

    def end(self, reason: Exception) -> None:
        """`take` raises this from now on."""
        self._ended = self._ended or reason
        self._filled.set()

    def check_pattern(self) -> None:
        """End the tail if its pattern takes more of the processor than it may."""
        if not isinstance(self.wanted.pattern, Pattern):
            return
        (begun, before), now, spent = self._pattern_mark, self._timer(), self.wanted.pattern.spent
        if spent - before < PATTERN_SECONDS:
            return
        if spent - before > PATTERN_SHARE * (now - begun):
            self.end(TooCostly("The pattern takes too long for as many lines as are logged. Make it simpler."))
        self._pattern_mark = (now, spent)

    async def take(self) -> tuple[str | None, list[Shown]]:
        """Wait for lines and take some; the text, if any, says how many are missing in front of them.

        Raises what the tail was ended with.
        """
        await self._filled.wait()
        if self._ended is not None:
            raise self._ended
        missing = self._missing()
        shown: list[Shown] = []
        size = 0
        while self._queue and size < TAKEN_AT_ONCE:
            shown.append(self._queue.popleft())
            size += shown[-1].cost
        self._size -= size
        if not self._queue:
            self._filled.clear()
        return missing, shown

    def _missing(self) -> str | None:
        if not self._lost:
            return None
        text = overflow_text(None if self._uncounted else self._lost, self._lost_since)
        self._lost = self._lost_since = 0
        self._uncounted = False
        return text


class Tails:
    """All tails, and the followers that feed them: each app's journal is read once, and only while it has tails."""

    def __init__(self, follow: Follow, trusted: Trusted) -> None:
        self._follow = follow
        self._trusted = trusted
        self._followers: dict[str, Follower] = {}
        self._count = 0

    def check(self) -> None:
        """Raises Unavailable if there are as many tails as there may be."""
        if self._count >= MOST_TAILS:
            raise Unavailable(unavailable_text(f"{MOST_TAILS} tails are open on this server already"))

    def add(self, tail: Tail) -> str | None:
        """Begin to feed a tail. Returns the cursor of the last entry it will not get; None for an empty journal.

        So history up to that cursor and the tail together have every line once. Raises Unavailable beyond
        `MOST_TAILS`, and when the journal cannot be opened.
        """
        self.check()
        app = tail.wanted.app
        follower = self._followers.get(app)
        if follower is None:
            try:
                follower = self._followers[app] = Follower(self._follow(app), self._trusted, partial(self._failed, app))
            except OSError as error:
                raise Unavailable(unavailable_text(f"the journal cannot be opened: {error.strerror}")) from error
        follower.tails.add(tail)
        self._counted(1)
        return follower.cursor

    def remove(self, tail: Tail) -> None:
        """Stop feeding a tail; with an app's last one its journal is closed."""
        app = tail.wanted.app
        follower = self._followers.get(app)
        if follower is None or tail not in follower.tails:
            return
        follower.tails.remove(tail)
        self._counted(-1)
        if not follower.tails:
            del self._followers[app]
            follower.close()

    def end_gone(self, is_there: Callable[[str], bool]) -> None:
        """End the tails of apps whose journal was there and is not any more, as after their end.

        Readers come back, and are told that there is no such app. `is_there` is asked with an app's id.
        """
        for app, follower in list(self._followers.items()):
            if follower.cursor is not None and not is_there(app):
                self._failed(app)

    def close(self) -> None:
        """Stop reading; tails that are left fail."""
        for app in list(self._followers):
            self._failed(app)

    def _counted(self, change: int) -> None:
        self._count += change
        share = ALL_QUEUED // max(1, self._count)
        for follower in self._followers.values():
            for tail in follower.tails:
                tail.limit = max(LEAST_QUEUED, min(MOST_QUEUED, share))

    def _failed(self, app: str) -> None:
        """Readers come back with the cursor they have, and the journal is opened anew."""
        follower = self._followers.pop(app)
        for tail in follower.tails:
            tail.end(Unavailable("The journal cannot be read."))
        self._counted(-len(follower.tails))
        follower.close()


class Follower:
    """Reads on in one app's journal for all its tails. `failed` is called when that cannot go on."""

    def __init__(self, journal: Live, trusted: Trusted, failed: Callable[[], None]) -> None:
        self.tails: set[Tail] = set()
        self._journal = journal
        self._trusted = trusted
        self._failed = failed
        last = journal.last(1)
        self._place: str | bytes | None = last[0].place if last else None
        self._time = last[0].realtime_us if last else 0
        if not last:
            journal.seek_head()
        self._task = asyncio.create_task(self._run())

    @property
    def cursor(self) -> str | None:
        """That of the last entry which was read."""
        return None if self._place is None else cursor_of(self._place)

    def close(self) -> None:
        """Stop, and close the journal."""
        self._task.cancel()
        self._journal.close()

    async def _run(self) -> None:
        try:
            while True:
                if self._read():
                    await asyncio.sleep(0)
                else:
                    await self._journal.wait()
        except OSError:
            _log.exception("an app's journal cannot be followed")
            self._failed()

    def _read(self) -> bool:
        """Feed the tails with some of what is new, if there is anything."""
        entries = self._journal.read(AT_ONCE)
        if missed := self._journal.take_missed():
            for tail in self.tails:
                tail.miss(missed, self._time)
        for entry in entries:
            line = line_of(entry, self._trusted)
            if line is not None:
                shown = Shown(line)
                for tail in self.tails:
                    tail.offer(shown)
        if entries:
            self._place, self._time = entries[-1].place, entries[-1].realtime_us
            for tail in self.tails:
                tail.check_pattern()
        return bool(entries)


def unavailable_text(reason: str) -> str:
    """Heroku's L15, and what to do."""
    return f"Error L15 (Tail buffer temporarily unavailable) -> {reason}. Close other tails, or try again in a moment."
