"""One stream: history, then live lines, without a gap or a repeat between the two."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from functools import partial

from hostd.logplex.lines import overflow, written
from hostd.logplex.reading import Filter, History, OpenJournal, Trusted, history, is_cursor
from hostd.logplex.sessions import Session
from hostd.logplex.tails import Follower, Tail

HISTORIES_AT_ONCE = 4

Render = Callable[[list[str], str | None], bytes]


class Streams:
    """Opens streams.

    `open_journal` opens an app's journal anew; `trusted` knows the platform's uids.
    """

    def __init__(self, open_journal: OpenJournal, trusted: Trusted, clock: Callable[[], float] = time.time) -> None:
        self._open = open_journal
        self._trusted = trusted
        self._clock = clock
        self._slots = asyncio.Semaphore(HISTORIES_AT_ONCE)
        self._followers: dict[str, Follower] = {}

    async def read(self, session: Session, render: Render, after: str | None = None) -> AsyncGenerator[bytes, None]:
        """The pieces of a stream's body; endless for a tail.

        `after` is the cursor a returning reader has seen: it gets all that came since instead of `lines` of history.
        """
        wanted = Filter(session.app, session.source, session.process)
        after = after if after is not None and is_cursor(after) else None
        if not session.tail:
            past = await self._history(wanted, None, session.lines, after)
            yield self._past(past, render, None if after else session.lines)
            return
        tail = Tail(wanted, self._clock)
        follower = self._followers.get(session.app)
        if follower is None:
            follower = self._followers[session.app] = Follower(partial(self._open, session.app), self._trusted)
        until = follower.add(tail)
        try:
            # The first piece comes at once, whatever the log holds: it tells the reader that the stream is open.
            past = await self._history(wanted, until, session.lines, after) if until is not None else History([])
            yield self._past(past, render, None if after else session.lines)
            while True:
                missing, lines = await tail.take()
                head = render([missing], None) if missing else b""
                yield head + b"".join(render(written(line), line.cursor) for line in lines)
        finally:
            follower.remove(tail)
            if follower.idle and self._followers.get(session.app) is follower:
                del self._followers[session.app]

    def close(self) -> None:
        """End all tails."""
        for follower in self._followers.values():
            follower.close()

    async def _history(self, wanted: Filter, until: str | None, count: int, after: str | None) -> History:
        async with self._slots:
            return await asyncio.to_thread(self._read_history, wanted, until, count, after)

    def _read_history(self, wanted: Filter, until: str | None, count: int, after: str | None) -> History:
        journal = self._open(wanted.app, wanted.matches())
        try:
            return history(journal, wanted, self._trusted, until=until, lines=count, after=after)
        finally:
            journal.close()

    def _past(self, past: History, render: Render, most: int | None) -> bytes:
        head = b""
        if past.incomplete and past.lines:
            head = render([overflow(int(self._clock() * 1e6), None, past.lines[0].microseconds)], None)
        return head + b"".join(render(rows, cursor) for cursor, rows in newest(past, most))


def newest(past: History, most: int | None) -> list[tuple[str, list[str]]]:
    """The last `most` rows (None: all), each entry's together with its cursor: one entry may be several rows."""
    found: list[tuple[str, list[str]]] = []
    left = most
    for line in reversed(past.lines):
        if left is not None and left <= 0:
            break
        rows = written(line)[-left:] if left is not None else written(line)
        left = None if left is None else left - len(rows)
        found.append((line.cursor, rows))
    return found[::-1]


def as_text(said: list[str], _cursor: str | None) -> bytes:
    """Plain lines."""
    return "".join(f"{line}\n" for line in said).encode()


def as_event(said: list[str], cursor: str | None) -> bytes:
    """A server-sent event; its id is the journal's cursor, with which a reader that was cut off comes back."""
    data = "".join(f"data: {line}\n" for line in said)
    return (f"id: {cursor}\n{data}\n" if cursor else f"{data}\n").encode()
