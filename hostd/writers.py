"""The platform's lines on their way to the journals of apps: never waiting for one, and never losing one unsaid.

A journald that is not there, or is behind, holds up nobody: lines for it wait here, in order. When too many wait, the
oldest are dropped; how many is said in the app's own log as soon as its journald takes lines again (L13).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from hostd.journals import namespace
from hostd.logplex.lines import stamp
from units.journal import JournalUnavailable, Writer

MOST_WAITING = 1000
"""Lines that wait for one journald."""
MOST_BYTES = 4 * 1024 * 1024
"""Bytes that wait for one journald, unless it is a single line."""
MOST_OPEN = 256
"""Sockets that stay open."""
AGAIN_SECONDS = 0.1
"""After how long lines that wait are tried again; each time none can be written the pause doubles."""
LONGEST_PAUSE = 5.0

log = logging.getLogger(__name__)


class Opened(Protocol):
    """What is needed of `units.journal.Writer`, of one that does not wait."""

    def send(self, message: str, **fields: str) -> None:
        """Write one entry. Raises JournalUnavailable."""

    def close(self) -> None:
        """Close the socket, which the next line opens again."""


def undelivered(lost: int, since: int) -> str:
    """What is said where lines are missing; `since` in microseconds."""
    return f"Error L13 (Local delivery error) -> {lost} messages could not be delivered since {stamp(since)}."


@dataclass(slots=True)
class _Waiting:
    """What could not be written to one journal yet."""

    lines: deque[tuple[str, dict[str, str]]] = field(default_factory=deque)
    size: int = 0
    lost: int = 0
    since: int = 0
    pause: float = AGAIN_SECONDS
    again: asyncio.TimerHandle | None = None


class Writers:
    """Writes to the journals of all apps. `open_writer` opens one by its namespace."""

    def __init__(
        self,
        open_writer: Callable[[str], Opened] = lambda name: Writer(name, patience=0.0),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._open = open_writer
        self._clock = clock
        self._writers: OrderedDict[str, Opened] = OrderedDict()
        self._waiting: dict[str, _Waiting] = {}
        self.heard: Callable[[str, str, str], None] = lambda app_id, process, text: None
        """Told of each line that is said here: the app's id, of which process, and the text."""

    def send(self, message: str, **fields: str) -> None:
        """Write one entry to the journal of the app that its `HOSTD_APP` says (without one, the platform's), or keep it
        until that can be done; never waits."""
        app_id = fields.get("HOSTD_APP", "")
        waiting = self._waiting.get(app_id)
        if waiting is None and self._write(app_id, message, fields):
            return
        if waiting is None:
            waiting = self._waiting[app_id] = _Waiting()
        waiting.lines.append((message, fields))
        waiting.size += len(message)
        while len(waiting.lines) > MOST_WAITING or (waiting.size > MOST_BYTES and len(waiting.lines) > 1):
            self._drop(app_id, waiting)
        if waiting.again is None:
            self._try_later(app_id, waiting)

    def forget(self, app_id: str) -> None:
        """Drop what waits for an app that was destroyed, and its socket."""
        if (waiting := self._waiting.pop(app_id, None)) is not None and waiting.again is not None:
            waiting.again.cancel()
        if (writer := self._writers.pop(app_id, None)) is not None:
            writer.close()

    def close(self) -> None:
        """Try once more to write what waits; the rest is lost with this process, which its own log says."""
        for app_id, waiting in list(self._waiting.items()):
            self._flush(app_id, waiting)
            if waiting.lines:
                log.warning("%d lines for the journal %s were lost", len(waiting.lines), namespace(app_id))
        for app_id in {*self._waiting, *self._writers}:
            self.forget(app_id)

    def _try_later(self, app_id: str, waiting: _Waiting) -> None:
        waiting.again = asyncio.get_running_loop().call_later(waiting.pause, self._try, app_id, waiting)
        waiting.pause = min(waiting.pause * 2, LONGEST_PAUSE)

    def _try(self, app_id: str, waiting: _Waiting) -> None:
        waiting.again, before = None, len(waiting.lines)
        self._flush(app_id, waiting)
        if waiting.lines:
            if len(waiting.lines) < before:
                # It is there, and takes a few lines at once.
                waiting.pause = AGAIN_SECONDS
            self._try_later(app_id, waiting)
        else:
            del self._waiting[app_id]

    def _flush(self, app_id: str, waiting: _Waiting) -> None:
        if waiting.lost:
            said = {"HOSTD_APP": app_id, "HOSTD_SOURCE": "heroku", "HOSTD_PROCESS": "logplex"}
            text = undelivered(waiting.lost, waiting.since)
            if not self._write(app_id, text, said):
                return
            self.heard(app_id, "logplex", text)
            waiting.lost = 0
        while waiting.lines and self._write(app_id, *waiting.lines[0]):
            waiting.size -= len(waiting.lines.popleft()[0])

    def _drop(self, app_id: str, waiting: _Waiting) -> None:
        message, _ = waiting.lines.popleft()
        waiting.size -= len(message)
        if not waiting.lost:
            waiting.since = int(self._clock() * 1_000_000)
            log.warning("the journal %s takes no lines: from now on the oldest that wait are lost", namespace(app_id))
        waiting.lost += 1

    def _write(self, app_id: str, message: str, fields: dict[str, str]) -> bool:
        """Whether the line is written."""
        writer = self._writers.get(app_id)
        if writer is None:
            writer = self._writers[app_id] = self._open(namespace(app_id))
        self._writers.move_to_end(app_id)
        while len(self._writers) > MOST_OPEN:
            _, oldest = self._writers.popitem(last=False)
            oldest.close()
        try:
            writer.send(message, **fields)
        except JournalUnavailable:
            return False
        return True
