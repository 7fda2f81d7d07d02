"""Reading for drains: an app's journal once for all of its drains that keep up, and apart for each that is behind.

A drain whose buffer is full leaves the others and reads on by itself when it has room: the journal is what it is behind
by, and nobody waits for it. After `patience` seconds of that its oldest messages give way until it is up to date.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from hostd.logplex.drains.buffer import Buffer
from hostd.logplex.drains.choices import Choice
from hostd.logplex.drains.messages import Item, item_of
from hostd.logplex.reading import Trusted, is_cursor, is_newer, line_of
from units.cursors import cursor_of
from units.journal import Entry

AT_ONCE = 128
"""Entries read before others get their turn."""
BROKEN_SECONDS = 1.0
"""How long a journal that cannot be read is left alone."""

_log = logging.getLogger(__name__)


class Journal(Protocol):
    """What is needed of `units.live_journal.LiveJournal`."""

    def seek_realtime(self, microseconds: int) -> None:
        """To before the first entry at or after a time."""

    def seek_after(self, cursor: str) -> bool:
        """To after the entry with this cursor; False when it is gone, then to before the next one kept."""

    def read(self, limit: int = ...) -> list[Entry]:
        """The next entries, oldest first."""

    def take_missed(self) -> int:
        """How many entries in front of those that were just read journald had removed already."""

    async def wait(self) -> None:
        """Return when there may be new entries."""

    def close(self) -> None:
        """Close the journal's files."""


class Lane:
    """What the reader knows of one drain: its buffer, what it wants, and how far it has read (`cursor`).

    `begin`: from when on a drain without a cursor gets entries (microseconds).
    """

    def __init__(self, token: str, buffer: Buffer, choice: Choice, begin: int = 0) -> None:
        self.buffer = buffer
        self._place: str | bytes | None = buffer.cursor
        self.begin = begin
        self.behind_since: float | None = None
        self.is_cut = False
        """The entry at the cursor is gone from the journal, and perhaps those behind it."""
        self._choice = choice
        self._own = f"-> Drain {token}"
        self._from: str | None = None

    @property
    def cursor(self) -> str | None:
        """The last entry that was read for it."""
        return None if self._place is None else cursor_of(self._place)

    def join(self) -> None:
        """From now on entries come that are perhaps not behind the cursor."""
        self._from = self.cursor

    def take(self, entry: Entry, item: Item | None) -> None:
        """One entry, and what it is for drains (None: nothing)."""
        if self._from is not None:
            if not is_newer(entry.cursor, self._from):
                return
            self._from = None
        if self.is_cut:
            self.is_cut = False
            self._count_missed(entry)
        self._place = entry.place
        if item is not None and self._wants(item):
            self.buffer.offer(item)
        else:
            self.buffer.passed(entry.place)

    def _count_missed(self, following: Entry) -> None:
        """Count those between the cursor and the following entry by their numbers, if they are of one numbering."""
        old, new = numbers_of(self.cursor), numbers_of(following.cursor)
        if old and new and old.numbering == new.numbering and new.number > old.number + 1:
            self.miss(new.number - old.number - 1, following)

    def miss(self, count: int, following: Entry) -> None:
        """So many entries between the cursor and the following entry are gone."""
        last = numbers_of(self.cursor)
        self.buffer.lose(count, last.microseconds if last else following.realtime_us)

    def _wants(self, item: Item) -> bool:
        # What the log says of a drain the drain is told otherwise, or would be told for ever.
        of_itself = item.process == "logplex" and item.source == "heroku" and self._own in item.texts[0]
        return not of_itself and self._choice.accepts(item.source, item.process, item.about)


class Feed:
    """Reads the journal of one app (its id) for its drains. `open_journal` opens it anew; `trusted` knows the
    platform's uids."""

    def __init__(
        self,
        app: str,
        open_journal: Callable[[], Journal],
        trusted: Trusted,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patience = patience
        self._app = app
        self._open = open_journal
        self._trusted = trusted
        self._clock = clock
        self._together: set[Lane] = set()
        self._reading: asyncio.Task[None] | None = None
        self._place: str | bytes | None = None
        self._apart: dict[Lane, asyncio.Task[None]] = {}

    @property
    def idle(self) -> bool:
        """Whether it reads for nobody."""
        return not self._together and not self._apart

    def add(self, lane: Lane) -> None:
        """Begin to read for a drain."""
        self._part(lane)

    async def remove(self, lane: Lane) -> None:
        """Stop to read for a drain; with the last one the journal is closed."""
        self._together.discard(lane)
        ended = [task for task in (self._apart.pop(lane, None),) if task is not None]
        if not self._together and self._reading is not None:
            ended.append(self._reading)
            self._reading = None
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)

    def hurry(self) -> None:
        """Let go of what drains are behind by, where it was long enough; to be called every few seconds."""
        for lane in self._apart:
            if lane.behind_since is not None and self._clock() - lane.behind_since >= self.patience:
                lane.buffer.drop_oldest()

    def _part(self, lane: Lane) -> None:
        self._together.discard(lane)
        self._apart[lane] = asyncio.create_task(self._read_apart(lane))

    async def _read_apart(self, lane: Lane) -> None:
        while True:
            await lane.buffer.room()
            journal: Journal | None = None
            try:
                journal = self._open()
                self._seek(journal, lane)
                await self._catch_up(journal, lane)
                if self._rejoin(lane, journal):
                    journal = None
                return
            except OSError as error:
                _log.warning("the journal of an app with drains cannot be read: %s", error)
                await asyncio.sleep(BROKEN_SECONDS)
            except Exception:  # noqa: BLE001 - a fault of ours in reading one entry must not end a drain in silence
                _log.exception("the journal of an app with drains was not read: a fault of the logplex")
                await asyncio.sleep(BROKEN_SECONDS)
            finally:
                if journal is not None:
                    journal.close()

    async def _catch_up(self, journal: Journal, lane: Lane) -> None:
        while True:
            if lane.buffer.full and not lane.buffer.dropping:
                lane.behind_since = lane.behind_since or self._clock()
                await lane.buffer.room()
            entries = journal.read(AT_ONCE if lane.buffer.dropping else max(1, min(AT_ONCE, lane.buffer.free)))
            if entries and (missed := journal.take_missed()):
                lane.miss(missed, entries[0])
            for entry in entries:
                lane.take(entry, self._item(entry))
            if entries:
                await asyncio.sleep(0)
            elif self._is_level(lane):
                return
            else:
                await journal.wait()

    def _is_level(self, lane: Lane) -> bool:
        """Whether a drain at the end of what it sees of the journal is not behind the others."""
        if self._reading is None or self._place is None:
            return True
        return lane.cursor is not None and not is_newer(cursor_of(self._place), lane.cursor)

    def _rejoin(self, lane: Lane, journal: Journal) -> bool:
        """Read for the drain together with the others; whether the journal is used for that."""
        lane.behind_since = None
        lane.buffer.drop_none()
        del self._apart[lane]
        self._together.add(lane)
        if self._reading is not None:
            lane.join()
            return False
        self._place = lane.cursor
        self._reading = asyncio.create_task(self._read_together(journal))
        return True

    async def _read_together(self, journal: Journal) -> None:
        try:
            while True:
                entries = journal.read(AT_ONCE)
                if entries and (missed := journal.take_missed()):
                    for lane in self._together:
                        lane.miss(missed, entries[0])
                for entry in entries:
                    self._offer(entry)
                if entries:
                    await asyncio.sleep(0)
                else:
                    await journal.wait()
        except Exception as error:  # noqa: BLE001 - each drain opens the journal anew and says what it meets
            _log.warning("the journal of an app with drains cannot be followed: %r", error)
            self._reading = None
            for lane in list(self._together):
                self._part(lane)
        finally:
            journal.close()

    def _offer(self, entry: Entry) -> None:
        item = self._item(entry)
        full = [lane for lane in self._together if lane.buffer.full and not lane.buffer.dropping]
        for lane in full:
            lane.behind_since = self._clock()
            self._part(lane)
        for lane in self._together:
            lane.take(entry, item)
        self._place = entry.place

    def _item(self, entry: Entry) -> Item | None:
        line = line_of(entry, self._trusted)
        # What journald says of the app's lines is of no app.
        return item_of(line) if line is not None and line.app in (self._app, "") else None

    def _seek(self, journal: Journal, lane: Lane) -> None:
        if lane.cursor is not None and is_cursor(lane.cursor):
            lane.is_cut = not journal.seek_after(lane.cursor)
        else:
            journal.seek_realtime(lane.begin)


class Numbers(NamedTuple):
    """What a cursor says of its entry: its number, in which numbering, and when it was written."""

    numbering: str
    number: int
    microseconds: int


def numbers_of(cursor: str | None) -> Numbers | None:
    """What a cursor says; None for what is no cursor."""
    if cursor is None or not is_cursor(cursor):
        return None
    fields = dict(part.partition("=")[::2] for part in cursor.split(";"))
    return Numbers(fields["s"], int(fields["i"], 16), int(fields["t"], 16))
