"""Live lines: one follower of an app's journal, and a bounded queue for each reader."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping

from hostd.errors import Unavailable
from hostd.logplex.lines import Line, overflow
from hostd.logplex.reading import Filter, Journal, Trusted, line_of

MOST_QUEUED = 1024 * 1024
"""Bytes waiting for one slow reader; beyond that its oldest lines are dropped and counted."""
MOST_TAILS = 200
AT_ONCE = 256
"""Entries read before writers get their turn."""

_log = logging.getLogger(__name__)


class Tail:
    """One reader's queue. Lines come in through `offer`, batches go out through `take`."""

    def __init__(self, wanted: Filter, clock: Callable[[], float] = time.time) -> None:
        self.wanted = wanted
        self._clock = clock
        self._queue: deque[Line] = deque()
        self._size = 0
        self._lost = 0
        self._lost_since = 0
        self._failed = False
        self._filled = asyncio.Event()

    def offer(self, line: Line) -> None:
        """Queue a line if this reader wants it; never waits."""
        if not self.wanted.accepts(line):
            return
        self._queue.append(line)
        self._size += _cost(line)
        while self._size > MOST_QUEUED and len(self._queue) > 1:
            oldest = self._queue.popleft()
            self._size -= _cost(oldest)
            self._lost_since = self._lost_since or oldest.microseconds
            self._lost += 1
        self._filled.set()

    def fail(self) -> None:
        """The journal can no longer be read: `take` raises from now on."""
        self._failed = True
        self._filled.set()

    async def take(self) -> tuple[str | None, list[Line]]:
        """Wait for lines and take all there are; the text, if any, says how many are missing in front of them.

        Raises Unavailable when there will be no more.
        """
        await self._filled.wait()
        if self._failed:
            raise Unavailable("The journal cannot be read.")
        self._filled.clear()
        missing = None
        if self._lost:
            missing = overflow(int(self._clock() * 1_000_000), self._lost, self._lost_since)
            self._lost = self._lost_since = 0
        lines = list(self._queue)
        self._queue.clear()
        self._size = 0
        return missing, lines


class Follower:
    """Reads an app's journal once for all its tails, and only while there are any."""

    def __init__(self, open_journal: Callable[[Mapping[str, str]], Journal], trusted: Trusted) -> None:
        self._open = open_journal
        self._trusted = trusted
        self._tails: set[Tail] = set()
        self._task: asyncio.Task[None] | None = None
        self._place: str | None = None

    @property
    def idle(self) -> bool:
        """Whether nobody listens."""
        return not self._tails

    def add(self, tail: Tail) -> str | None:
        """Begin to feed a tail. Returns the cursor of the last entry it will not get; None for an empty journal.

        So history up to that cursor and the tail together have every line once. Raises Unavailable beyond
        `MOST_TAILS`.
        """
        if len(self._tails) >= MOST_TAILS:
            raise Unavailable(f"{MOST_TAILS} log streams of this app are open already. Close some and try again.")
        if self._task is None:
            self._start()
        self._tails.add(tail)
        return self._place

    def remove(self, tail: Tail) -> None:
        """Stop feeding a tail; with the last one the journal is closed."""
        self._tails.discard(tail)
        if not self._tails:
            self.close()

    def close(self) -> None:
        """Stop reading; tails that are left fail."""
        for tail in self._tails:
            tail.fail()
        self._tails.clear()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _start(self) -> None:
        journal = self._open({})
        last = journal.last(1)
        self._place = last[0].cursor if last else None
        if not last:
            journal.seek_head()
        self._task = asyncio.create_task(self._follow(journal))

    async def _follow(self, journal: Journal) -> None:
        try:
            while True:
                entries = journal.read(AT_ONCE)
                for entry in entries:
                    line = line_of(entry, self._trusted)
                    if line is not None:
                        for tail in self._tails:
                            tail.offer(line)
                if entries:
                    self._place = entries[-1].cursor
                    await asyncio.sleep(0)
                else:
                    await journal.wait()
        except OSError:
            # Readers come back with the cursor they have, and the journal is opened anew.
            _log.exception("the journal cannot be followed")
            self._task = None
            self.close()
        finally:
            journal.close()


def _cost(line: Line) -> int:
    return len(line.message) + 256  # what a Line and its texts take besides the message
