"""What is kept of a log, in memory: with the manners of `units.journal.Reader`, and of a journal that is followed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from units.journal import Entry

APP, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
START = 1_769_510_888_000_000


def cursor(number: int, stream: str = "a" * 32, time: int | None = None, boot: str = "b" * 32) -> str:
    at = START + number if time is None else time
    return f"s={stream};i={number:x};b={boot};m={number:x};t={at:x};x=abc{number:x}"


class Store:
    """What journald keeps; `open` gives readers of it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.gone = 0
        self.opened = self.closed = 0
        self.broken = self.unreadable = False

    def write(self, message: str | bytes, process: str = "web.1", app: str | None = APP, **fields: str) -> Entry:
        text = message.encode() if isinstance(message, str) else message
        known = {"HOSTD_SOURCE": "app", "HOSTD_PROCESS": process, "_TRANSPORT": "stdout"} | fields
        if app is not None:
            known["HOSTD_APP"] = app
        number = self.gone + len(self.entries) + 1
        entry = Entry(cursor(number), START + number, text, known)
        self.entries.append(entry)
        return entry

    def open(self, app: str, matches: Mapping[str, str]) -> FakeReader:
        if self.unreadable:
            raise PermissionError(13, "Permission denied")
        self.opened += 1
        return FakeReader(self, {"HOSTD_APP": app, **matches})

    def open_kept(self, app: str) -> FakeReader:
        return self.open(app, {})

    def follow(self, app: str) -> FakeLive:
        if self.unreadable:
            raise PermissionError(13, "Permission denied")
        self.opened += 1
        return FakeLive(self, {"HOSTD_APP": app})

    def vacuum(self, count: int) -> None:
        """The oldest entries go, whether they were read or not."""
        self.gone += count
        del self.entries[:count]


class FakeReader:
    """Stands between two entries, or on one: `_next` and `_before` are the numbers of its neighbours, from 0."""

    def __init__(self, store: Store, matches: Mapping[str, str]) -> None:
        self._store = store
        self._matches: dict[str, tuple[str, ...]] = {}
        self.narrow(matches)
        self._between(store.gone)

    def narrow(self, matches: Mapping[str, str | Sequence[str]]) -> None:
        for name, values in matches.items():
            self._matches[name] = (values,) if isinstance(values, str) else tuple(values)

    def values(self, field: str) -> set[str]:
        return {entry.fields[field] for entry in self._store.entries if field in entry.fields}

    def seek_head(self) -> None:
        self._between(self._store.gone)

    def seek_realtime(self, microseconds: int) -> None:
        older = [entry for entry in self._store.entries if entry.realtime_us < microseconds]
        self._between(self._store.gone + len(older))
        if older[-1:] != self._store.entries[-1:]:
            self._before += self._store.entries[len(older)].realtime_us == microseconds

    def seek_after(self, cursor: str) -> bool:
        cursors = [entry.cursor for entry in self._store.entries]
        if cursor in cursors:
            self._on(self._store.gone + cursors.index(cursor))
            return True
        self._between(self._store.gone)
        return False

    def read(self, limit: int = 500) -> list[Entry]:
        if self._store.broken:
            raise OSError("the journal is gone")
        found: list[Entry] = []
        self._next = max(self._next, self._store.gone)
        while len(found) < limit and self._next < self._last:
            entry = self._store.entries[self._next - self._store.gone]
            self._on(self._next)
            if self._wanted(entry):
                found.append(entry)
        return found

    def read_back(self, limit: int) -> list[Entry]:
        found: list[Entry] = []
        while len(found) < limit and self._before >= self._store.gone:
            entry = self._store.entries[self._before - self._store.gone]
            self._on(self._before)
            if self._wanted(entry):
                found.append(entry)
        return found[::-1]

    def last(self, limit: int) -> list[Entry]:
        self._between(self._last)
        found = self.read_back(limit)
        self._between(self._last)
        return found

    def _between(self, number: int) -> None:
        self._next, self._before = number, number - 1

    def _on(self, number: int) -> None:
        self._next, self._before = number + 1, number - 1

    def close(self) -> None:
        self._store.closed += 1

    def _wanted(self, entry: Entry) -> bool:
        return all(entry.fields.get(name) in values for name, values in self._matches.items())

    @property
    def _last(self) -> int:
        return self._store.gone + len(self._store.entries)


class FakeLive(FakeReader):
    """With the manners of `units.live_journal.LiveJournal`."""

    _missed = 0

    def read(self, limit: int = 256) -> list[Entry]:
        self._missed += max(0, self._store.gone - self._next)
        return super().read(limit)

    def take_missed(self) -> int:
        missed, self._missed = self._missed, 0
        return missed

    async def wait(self) -> None:
        while not self._store.broken and self._next >= self._last:
            await asyncio.sleep(0.001)


def trusted(uid: int) -> bool:
    return uid in (0, 990)


def session(**changes: Any) -> Any:
    from hostd.logplex.sessions import Session

    return Session(**({"app": APP, "expires": 2**40} | changes))
