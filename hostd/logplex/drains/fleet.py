"""All drains of the logplex: those that hostd's document names run, others end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hostd.errors import HostdError
from hostd.logplex.drains.buffer import MOST_BYTES, Buffer
from hostd.logplex.drains.destinations import Destination, Kind, destination
from hostd.logplex.drains.dialing import Dialer, Judge, Resolver
from hostd.logplex.drains.document import FILE, Document, Wanted, document
from hostd.logplex.drains.drain import Drain
from hostd.logplex.drains.feeds import Feed, Journal, Lane
from hostd.logplex.drains.files import FileSender
from hostd.logplex.drains.places import Place, Places
from hostd.logplex.drains.sending import Sender
from hostd.logplex.drains.syslog import SyslogSender
from hostd.logplex.drains.web import WebSender
from hostd.logplex.reading import Trusted
from units.journal import JournalUnavailable

ACCOUNT_EVERY = 5.0
"""Seconds between two looks at what drains have lost, and how far they came."""
ALL_BYTES = 64 * 1024 * 1024
"""What all buffers together may take in memory: with more than a hundred drains each has less than its 1,024 messages
if they are all full."""
YOUNG = 600.0
"""Seconds for which a drain without a place is a new one."""

OpenJournal = Callable[[str], Journal]
Tell = Callable[[str, str], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Running:
    wanted: Wanted
    drain: Drain
    lane: Lane
    task: asyncio.Task[None]


class Fleet:
    """Runs drains. `open_journal` opens an app's journal, `tell` writes a line of the logplex to it (it may block)."""

    def __init__(
        self,
        *,
        open_journal: OpenJournal,
        trusted: Trusted,
        places: Places,
        tell: Tell,
        path: Path = FILE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._open = open_journal
        self._trusted = trusted
        self._places = places
        self._tell = tell
        self._path = path
        self._clock = clock
        self._resolver = Resolver()
        self._known = Document()
        self._read: tuple[int, int] | None = None
        self._running: dict[str, _Running] = {}
        self._feeds: dict[str, Feed] = {}
        self._turn = asyncio.Lock()
        self._accounting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin with the drains of the last document."""
        await self.refresh()
        self._accounting = asyncio.create_task(self._account())

    async def close(self) -> None:
        """End all drains; their places are kept."""
        if self._accounting is not None:
            self._accounting.cancel()
            await asyncio.gather(self._accounting, return_exceptions=True)
        async with self._turn:
            for drain in list(self._running):
                await self._end(drain)
        self._resolver.close()

    async def refresh(self) -> None:
        """Read the document, if it is another, and do what it says. One that cannot be read changes nothing."""
        async with self._turn:
            try:
                found = self._path.stat()
                read = (found.st_ino, found.st_mtime_ns)
                if read == self._read:
                    return
                wanted = document(self._path.read_bytes())
            except FileNotFoundError:
                # hostd has not come up since the machine did.
                return
            except (OSError, ValueError, KeyError, HostdError) as error:
                _log.error("%s cannot be read (%s): drains stay as they are", self._path, type(error).__name__)
                return
            self._read = read
            await self._become(wanted)

    def statuses(self) -> Mapping[str, Any]:
        """How it stands with each drain, by its id."""
        return {drain: running.drain.status for drain, running in self._running.items()}

    async def _become(self, wanted: Document) -> None:
        old, self._known = self._known, wanted
        shared = (old.networks, old.directory) != (wanted.networks, wanted.directory)
        drains = {drain.id: drain for drain in wanted.drains}
        for drain, running in list(self._running.items()):
            if shared or drains.get(drain) != running.wanted:
                await self._end(drain)
        for feed in self._feeds.values():
            feed.patience = wanted.patience
        for each in wanted.drains:
            if each.id not in self._running:
                self._begin(each)
        self._places.keep(drains)
        for running in self._running.values():
            running.drain.buffer.most_bytes = min(MOST_BYTES, ALL_BYTES // len(self._running))

    def _begin(self, wanted: Wanted) -> None:
        try:
            where = destination(wanted.url)
        except HostdError as error:
            _log.error("drain %s has an address that cannot be used: %s", wanted.token, error.message)
            return
        place = self._places.load(wanted.id) or self._first_place(wanted)
        buffer = Buffer(place.cursor, place.lost, place.since)
        drain = Drain(
            token=wanted.token,
            buffer=buffer,
            sender=self._sender(where, wanted),
            place=place,
            tell=partial(self._say, wanted.app),
            save=partial(self._places.save, wanted.id),
        )
        lane = Lane(wanted.token, buffer, wanted.choice, place.begin)
        self._running[wanted.id] = _Running(wanted, drain, lane, asyncio.create_task(self._watched(wanted, drain)))
        self._feed(wanted.app).add(lane)

    def _first_place(self, wanted: Wanted) -> Place:
        """A new drain gets what was written since it was added; one whose place is lost, what is written from now."""
        now = self._clock()
        place = Place(begin=int((wanted.created if now - wanted.created < YOUNG else now) * 1e6))
        try:
            self._places.save(wanted.id, place)
        except OSError as error:
            _log.warning("the place of drain %s cannot be kept: %s", wanted.token, error.strerror)
        return place

    def _sender(self, where: Destination, wanted: Wanted) -> Sender:
        if where.kind is Kind.FILE:
            return FileSender(Path(self._known.directory), where.target)
        dialer = Dialer(Judge(self._known.networks), self._resolver)
        over = SyslogSender if where.kind in (Kind.SYSLOG, Kind.SYSLOG_TLS) else WebSender
        return over(where, wanted.token, wanted.app, dialer)

    def _feed(self, app: str) -> Feed:
        if app not in self._feeds:
            self._feeds[app] = Feed(app, partial(self._open, app), self._trusted, self._known.patience)
        return self._feeds[app]

    async def _end(self, drain: str) -> None:
        running = self._running.pop(drain)
        feed = self._feeds[running.wanted.app]
        await feed.remove(running.lane)
        if feed.idle:
            del self._feeds[running.wanted.app]
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)

    async def _watched(self, wanted: Wanted, drain: Drain) -> None:
        try:
            await drain.run()
        except Exception:  # noqa: BLE001 - logged, and the other drains go on
            # Nobody waits for this task: what it does not log itself nobody would ever hear of.
            _log.exception("drain %s of app %s has ended: a fault of the logplex", wanted.token, wanted.app)

    async def _account(self) -> None:
        while True:
            await asyncio.sleep(ACCOUNT_EVERY)
            for feed in self._feeds.values():
                feed.hurry()
            for running in list(self._running.values()):
                await running.drain.account()

    async def _say(self, app: str, text: str) -> None:
        # A journald that is behind lets writers wait.
        with contextlib.suppress(JournalUnavailable):
            await asyncio.to_thread(self._tell, app, text)
