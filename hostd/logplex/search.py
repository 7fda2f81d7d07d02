"""Searches through what is kept, in slices off the loop: tails go on meanwhile, and readers are told how far it is."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from hostd.logplex.filters import Filter
from hostd.logplex.history import Backward, Forward, Prepared, Slice, Start, prepare, prepare_whole
from hostd.logplex.lines import Line, stamp
from hostd.logplex.reading import OpenJournal, OpenKept, Trusted
from units.journal_header import UnknownFormat

AT_ONCE = 2
"""Slices that are read at the same time, of all searches."""
PROGRESS_SECONDS = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is: entries looked at, and the time (microseconds) of the last of them."""

    entries: int
    time: int

    def __str__(self) -> str:
        return f"Searching at {stamp(self.time)[:19]}, {self.entries:,} lines looked at"


class Past:
    """One app's kept log, open for one reader. The journal belongs to one thread, as libsystemd demands."""

    def __init__(self, searches: Searches, wanted: Filter, prepared: Prepared, thread: ThreadPoolExecutor) -> None:
        self.end = prepared.end
        self.missing = prepared.missing
        self._searches = searches
        self._wanted = wanted
        self._journal = prepared.journal
        self._thread = thread
        self._progress = Progress(0, 0)
        self._told = searches.clock()

    async def back(
        self, rows: Callable[[Line], list[bytes]], most: int, *, since: int | None, until: int | None
    ) -> AsyncGenerator[Progress | Backward, None]:
        """The last rows up to the end, or up to a time: now and then how far it is, and last what was found."""
        end = self.end if until is None else None
        job = Backward(
            self._journal, self._wanted, self._searches.trusted, rows, most, end=end, since=since, until=until
        )
        async for done in self._slices(job.slice):
            if isinstance(done, Progress):
                yield done
        yield job

    async def forward(
        self, start: Start, *, until: int | None = None, end: str | None = None
    ) -> AsyncGenerator[Progress | list[Line], None]:
        """What is wanted from a place on, up to the end, or up to the entry `end`, or up to a time."""
        job = Forward(self._journal, self._wanted, self._searches.trusted, start, end or self.end, until)
        async for done in self._slices(job.slice):
            if isinstance(done, Progress):
                yield done
            elif done.lines:
                yield done.lines

    @property
    def entries(self) -> int:
        """Entries looked at so far."""
        return self._progress.entries

    async def _slices(self, look: Callable[[], Slice]) -> AsyncGenerator[Progress | Slice, None]:
        while True:
            found = await self._searches.run(self._thread, look)
            self._progress = Progress(self._progress.entries + found.entries, found.time or self._progress.time)
            yield found
            if found.done:
                return
            now = self._searches.clock()
            if found.lines:
                self._told = now
            elif now - self._told >= PROGRESS_SECONDS:
                self._told = now
                yield self._progress


class Searches:
    """Opens kept logs, and shares the processor out among those who search them."""

    def __init__(
        self,
        open_journal: OpenJournal,
        open_kept: OpenKept,
        trusted: Trusted,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trusted = trusted
        self.clock = clock
        self._open = open_journal
        self._open_kept = open_kept
        self._slots = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def past(self, wanted: Filter, after: str | None = None) -> AsyncGenerator[Past, None]:
        """The kept log of the filter's app; `after` is the entry to begin after. Raises OSError."""
        with _thread() as thread:
            prepared = await self.run(thread, lambda: self._prepared(wanted, after))
            try:
                yield Past(self, wanted, prepared, thread)
            finally:
                # In its thread, after the slice that may still be under way; nobody waits for it.
                thread.submit(prepared.journal.close)

    def _prepared(self, wanted: Filter, after: str | None) -> Prepared:
        """With its index where that helps, else the way in which an entry costs least."""
        if not wanted.has_index:
            with contextlib.suppress(UnknownFormat):
                return prepare_whole(self._open_kept(wanted.app), after)
        return prepare(self._open(wanted.app, {}), wanted, after)

    async def run(self, thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        """Do a slice of work in a thread, when it is its turn."""
        async with self._slots:
            return await asyncio.get_running_loop().run_in_executor(thread, work)


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    thread = ThreadPoolExecutor(1, thread_name_prefix="search")
    try:
        yield thread
    finally:
        thread.shutdown(wait=False)
