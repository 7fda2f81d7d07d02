"""Lines that came to hostd instead of to the journal, as a build's: on their way there, in order, holding up nobody.

They go as fast as journald takes them. What waits is bounded: beyond that the oldest are dropped, and the log says how
many where they are missing (L12).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from hostd.logplex.suppressed import dropped
from units.journal import JournalUnavailable

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of lines that wait for one process."""
AGAIN_SECONDS = 0.5
"""After how long a journald that is not there is tried again."""
PATIENCE_SECONDS = 15.0
"""How long the end of a process waits for its lines to be written."""
_LINE = 64
"""Bytes that a line takes besides its text."""
_AT_ONCE = 100
"""Lines written before others get their turn."""

log = logging.getLogger(__name__)


class Opened(Protocol):
    """What is needed of `units.journal_sender.Sender`."""

    async def send(self, message: str, **fields: str) -> None:
        """Write one entry, waiting while journald is behind. Raises JournalUnavailable."""

    def close(self) -> None:
        """Close the socket."""


class Relay:
    """The lines of one process of an app; for one event loop."""

    def __init__(
        self,
        sender: Opened,
        app_id: str,
        process: str,
        clock: Callable[[], float] = time.time,
        heard: Callable[[str, str, str], None] = lambda app_id, process, text: None,
    ) -> None:
        """`heard` is told what is said of lost lines: the app's id, of which process, and the text."""
        self._sender = sender
        self._heard = heard
        self._app_id = app_id
        self._process = process
        self._clock = clock
        self._lines: deque[str] = deque()
        self._size = 0
        self._lost = 0
        self._since = 0
        self._task: asyncio.Task[None] | None = None

    def say(self, line: str) -> None:
        """Write a line when it is its turn."""
        self._lines.append(line)
        self._size += len(line) + _LINE
        while self._size > MOST_BYTES and len(self._lines) > 1:
            self._since = self._since or int(self._clock() * 1_000_000)
            self._size -= len(self._lines.popleft()) + _LINE
            self._lost += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write())

    async def end(self) -> None:
        """There are no more lines: return when all are written. Those that cannot be within 15 s are lost."""
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=PATIENCE_SECONDS)
            if late:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)
                lost = len(self._lines) + self._lost
                log.warning("the journal takes no lines: %d of %s are lost", lost, self._process)
        self._sender.close()

    async def _write(self) -> None:
        try:
            count = 0
            while self._lines:
                try:
                    await self._next()
                except JournalUnavailable:
                    await asyncio.sleep(AGAIN_SECONDS)
                count += 1
                if count % _AT_ONCE == 0:
                    await asyncio.sleep(0)
        finally:
            self._task = None

    async def _next(self) -> None:
        if self._lost:
            lost, text = self._lost, dropped(self._lost, self._process, self._since)
            await self._send(text, "heroku", "logplex")
            self._heard(self._app_id, self._process, text)
            self._lost -= lost
            self._since = self._since if self._lost else 0
        line = self._lines.popleft()
        self._size -= len(line) + _LINE
        try:
            await self._send(line, "app", self._process)
        except JournalUnavailable:
            self._lines.appendleft(line)
            self._size += len(line) + _LINE
            raise

    async def _send(self, text: str, source: str, process: str) -> None:
        await self._sender.send(text, HOSTD_APP=self._app_id, HOSTD_SOURCE=source, HOSTD_PROCESS=process)
