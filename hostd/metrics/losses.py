"""Losses: what journald dropped of dynos that wrote too much (L12), found in apps' journals.

It is journald's own entry, which becomes a line of the log when somebody reads it. So it is looked for where it stands:
the journal's index knows where, and only journals are opened that were written to since the last look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from hostd.journals import Places, namespace
from hostd.logplex.suppressed import MESSAGE_ID, told
from units.journal import Entry, Reader

log = logging.getLogger(__name__)

CODE = "L12"
_PAUSE = 10.0
"""Seconds that pass between two looks, however often somebody asks: each opens the journals of all apps that write."""
_SETTLED = 10.0
"""Seconds after which an entry is sure to be there, and its file to be newer: journald gives it the time at which it
woke, and on a busy machine it takes seconds until it sleeps again."""


class Loss(NamedTuple):
    """That journald told a loss: of which app (its id) and dyno, and when, in seconds since the epoch."""

    app_id: str
    dyno: str
    at: int


class Journal(Protocol):
    """What is needed of `units.journal.Reader`."""

    def seek_realtime(self, microseconds: int) -> None:
        """To before the first entry at or after a time."""

    def read(self, limit: int = ...) -> list[Entry]:
        """The next entries, oldest first; empty at the end."""

    def close(self) -> None:
        """Close the journal's files."""


def open_losses(app_id: str) -> Journal:
    """An app's journal, only with what journald itself has said of losses: no dyno can write that. Raises OSError."""
    return Reader(namespace(app_id), matches={"MESSAGE_ID": MESSAGE_ID, "_TRANSPORT": "driver"})


class Losses:
    """Looks for losses; each is found once. `files` is the folder of an app's journal.

    `until` is how far it has looked, in microseconds since the epoch; 0 if it has not, and then it begins with now.
    """

    def __init__(
        self,
        app_ids: Callable[[], Iterable[str]],
        files: Callable[[str], Path] | None = None,
        open_journal: Callable[[str], Journal] = open_losses,
    ) -> None:
        self.until = 0
        self._app_ids = app_ids
        self._files = files or Places().files
        self._open = open_journal
        self._unread: dict[str, int] = {}
        """Since when journals were not read that could not be."""

    async def look(self, now: float) -> list[Loss]:
        """Those since the last look; 40 µs for an app, 0.1 ms and more for one that wrote something."""
        since, until = self.until, int((now - _SETTLED) * 1e6)
        if 0 <= until - since < _PAUSE * 1e6:
            return []
        self.until = until
        if not 0 < since <= until:
            return []  # the first look, or the clock was set back
        return await asyncio.to_thread(self._look, list(self._app_ids()), since)

    def _look(self, app_ids: list[str], since: int) -> list[Loss]:
        found: list[Loss] = []
        for app_id in app_ids:
            begin = self._unread.get(app_id, since)
            try:
                if _written(self._files(app_id)) * 1e6 >= begin:
                    found += self._of_app(app_id, begin)
            except OSError as error:
                if app_id not in self._unread:
                    log.warning("whether journald dropped lines of an app cannot be read: %s", error)
                self._unread[app_id] = begin
            else:
                self._unread.pop(app_id, None)
        return found

    def _of_app(self, app_id: str, since: int) -> Iterator[Loss]:
        journal = self._open(app_id)
        try:
            journal.seek_realtime(since)
            while entries := journal.read():
                for entry in entries:
                    if entry.realtime_us >= self.until:
                        return
                    if (loss := told(entry.message)) is not None:
                        yield Loss(app_id, loss[1], entry.realtime_us // 1_000_000)
        finally:
            journal.close()


def _written(folder: Path) -> float:
    """When a journal was last written to, or a second later: journald notes that up to 250 ms afterwards."""
    try:
        return max((path.stat().st_mtime for path in folder.glob("*.journal")), default=0.0) + 1.0
    except FileNotFoundError:
        return float("inf")  # a file was removed just now: others are there
