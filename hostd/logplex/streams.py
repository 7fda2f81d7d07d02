"""One stream: history, then live lines, without a gap or a repeat between the two."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from hostd.errors import Unavailable
from hostd.logplex.history import Backward, Start
from hostd.logplex.lines import overflow_text
from hostd.logplex.patterns import Pattern, TooCostly, compile_pattern
from hostd.logplex.reading import Follow, OpenJournal, OpenKept, Trusted, is_cursor, is_newer, time_of
from hostd.logplex.rendering import Renderer, Rows, renderer, rows_of
from hostd.logplex.search import Past, Progress, Searches
from hostd.logplex.sessions import Session
from hostd.logplex.tails import Tail, Tails, unavailable_text

FEW = 1000
"""Entries that are read in no time, so that the queue of a tail that waits meanwhile does not overflow."""
PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Openers:
    """The ways to open an app's journal: with its index, to look at each entry, and to follow it."""

    indexed: OpenJournal
    kept: OpenKept
    live: Follow


class Streams:
    """Opens streams.

    `openers` open the journal of an app; `trusted` knows the platform's uids; `hear` is told what is said to one reader
    alone, with the id of the app (L11, L15); `clock` in seconds.
    """

    def __init__(
        self,
        openers: Openers,
        trusted: Trusted,
        hear: Callable[[str, str], None] = lambda app_id, text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.hear = hear
        self.clock = clock
        self.searches = Searches(openers.indexed, openers.kept, trusted)
        self.tails = Tails(openers.live, trusted)

    def read(self, session: Session, *, events: bool, after: str | None = None) -> AsyncGenerator[bytes, None]:
        """The pieces of a stream's body; endless for a tail. The first comes when the stream is open.

        `after` is the cursor a returning reader has seen: it gets all that came since instead of `lines` of history.
        Raises Invalid for a pattern that cannot be read; the first piece raises Unavailable (L15).
        """
        pattern = compile_pattern(session.grep, ignore_case=session.ignore_case) if session.grep else None
        stream = _Stream(self, session, pattern, renderer(session.form, events))
        return stream.read(after if after is not None and is_cursor(after) else None)

    def close(self) -> None:
        """End all tails."""
        self.tails.close()


class _Stream:
    def __init__(self, streams: Streams, session: Session, pattern: Pattern | None, render: Renderer) -> None:
        self._searches = streams.searches
        self._tails = streams.tails
        self._session = session
        self._wanted = replace(session.filter, pattern=pattern)
        self._pattern = pattern
        self._render = render
        self._hear = streams.hear
        self._clock = streams.clock
        self._place = Start(since=session.since)
        """Behind what the reader has."""

    async def read(self, after: str | None) -> AsyncGenerator[bytes, None]:
        try:
            if self._session.tail:
                self._tails.check()
            async for piece in self._past(after):
                yield piece
            if self._session.tail:
                async for piece in self._live():
                    yield piece
        except TooCostly as error:
            yield self._render.failure(self._now, error.message)
        except Unavailable as error:
            self._hear(self._session.app, error.message)
            raise

    async def _past(self, after: str | None) -> AsyncGenerator[bytes, None]:
        session, few = self._session, False
        if after is not None:
            self._place = Start(after=after)
        backward = after is None and session.lines is not None
        while not few:
            async with self._opened(after) as past:
                yield b""
                if past.missing and after is not None:
                    yield self._lost(overflow_text(None, time_of(after)))
                async for piece in self._back(past) if backward else self._forward(past):
                    yield piece
                # What came while all that was read and sent; a tail that waits for this too would have to drop lines.
                few = past.entries < FEW or not session.tail
            after, backward = None, False

    async def _back(self, past: Past) -> AsyncGenerator[bytes, None]:
        session = self._session
        assert session.lines is not None
        rows = rows_of(session.form)
        async for found in past.back(rows, session.lines, since=session.since, until=session.until):
            if isinstance(found, Progress):
                yield self._render.progress(str(found))
                continue
            if found.cut:
                count = len(found.lines)
                yield self._render.notice(f"These are only the last {count:,} lines: for more, say since when.")
            for piece in newest(found, rows, session.lines, self._render):
                yield piece
        # Not what was behind a time: a tail has no end, and only a tail goes on from here.
        self._place = Start(after=past.end)

    async def _forward(self, past: Past, end: str | None = None) -> AsyncGenerator[bytes, None]:
        async for found in past.forward(self._place, until=self._session.until, end=end):
            if isinstance(found, Progress):
                yield self._render.progress(str(found))
            else:
                for piece in _joined(map(self._render.line, found)):
                    yield piece
        if past.end is not None:
            self._place = Start(after=end or past.end)

    async def _live(self) -> AsyncGenerator[bytes, None]:
        # The past is searched in another thread.
        tail = Tail(replace(self._wanted, pattern=self._pattern and self._pattern.again()), self._clock)
        place, seen = self._tails.add(tail), self._place.after
        behind = place is not None and (seen is None or is_newer(place, seen))
        # The follower may also be a little behind what was read here.
        tail.seen = None if behind else seen
        try:
            if behind:
                async with self._opened() as past:
                    async for piece in self._forward(past, place):
                        yield piece
            while True:
                missing, shown = await tail.take()
                head = self._lost(missing) if missing else b""
                yield head + b"".join(one.by(self._render) for one in shown)
        finally:
            self._tails.remove(tail)

    def _lost(self, text: str) -> bytes:
        self._hear(self._session.app, text)
        return self._render.said(self._now, text)

    @asynccontextmanager
    async def _opened(self, after: str | None = None) -> AsyncGenerator[Past, None]:
        try:
            async with self._searches.past(self._wanted, after) as past:
                yield past
        except OSError as error:
            raise Unavailable(unavailable_text(f"the journal cannot be read: {error.strerror}")) from error

    @property
    def _now(self) -> int:
        return int(self._clock() * 1_000_000)


def newest(found: Backward, rows: Rows, most: int, render: Renderer) -> Iterator[bytes]:
    """The last `most` rows of what was found, the oldest first: of the first entry perhaps not all."""
    count, left = 0, most
    for line in found.lines:
        count += 1
        left -= len(rows(line))
        if left <= 0:
            break
    shown = [(line, rows(line)) for line in reversed(found.lines[:count])]
    if left < 0:
        shown[0] = (shown[0][0], shown[0][1][-left:])
    return _joined(render.rows(made, line.cursor) for line, made in shown)


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of some size."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
