"""A journal in memory, with the manners of `units.journal.Reader`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from units.journal import Entry

APP, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
START = 1_769_510_888_000_000


def cursor(number: int, stream: str = "a" * 32, time: int | None = None) -> str:
    at = START + number if time is None else time
    return f"s={stream};i={number:x};b={'b' * 32};m={number:x};t={at:x};x=abc{number:x}"


class Store:
    """What journald keeps; `open` gives readers of it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.grown: list[asyncio.Event] = []
        self.opened = self.closed = 0
        self.broken = False

    def write(self, message: str | bytes, process: str = "web.1", app: str | None = APP, **fields: str) -> Entry:
        text = message.encode() if isinstance(message, str) else message
        known = {"HOSTD_SOURCE": "app", "HOSTD_PROCESS": process, "_TRANSPORT": "stdout"} | fields
        if app is not None:
            known["HOSTD_APP"] = app
        number = len(self.entries) + 1
        entry = Entry(cursor(number), START + number, text, known)
        self.entries.append(entry)
        for event in self.grown:
            event.set()
        return entry

    def open(self, app: str, matches: Mapping[str, str]) -> FakeReader:
        return self.open_any(matches)

    def open_any(self, matches: Mapping[str, str]) -> FakeReader:
        self.opened += 1
        return FakeReader(self, matches)


class FakeReader:
    def __init__(self, store: Store, matches: Mapping[str, str]) -> None:
        self._store = store
        self._matches = matches
        self._place = 0  # entries before this place
        self._grown = asyncio.Event()
        store.grown.append(self._grown)

    def _wanted(self, entry: Entry) -> bool:
        return all(entry.fields.get(name) == value for name, value in self._matches.items())

    def seek_head(self) -> None:
        self._place = 0

    def seek_after(self, cursor: str) -> bool:
        numbers = [entry.cursor for entry in self._store.entries]
        self._place = numbers.index(cursor) + 1
        return True

    def read(self, limit: int = 500) -> list[Entry]:
        if self._store.broken:
            raise OSError("the journal is gone")
        found: list[Entry] = []
        while len(found) < limit and self._place < len(self._store.entries):
            entry = self._store.entries[self._place]
            self._place += 1
            if self._wanted(entry):
                found.append(entry)
        return found

    def read_back(self, limit: int) -> list[Entry]:
        found: list[Entry] = []
        place = self._place - 1
        while len(found) < limit and place > 0:
            place -= 1
            if self._wanted(self._store.entries[place]):
                found.append(self._store.entries[place])
        self._place = place + 1
        return found[::-1]

    def last(self, limit: int) -> list[Entry]:
        wanted = [entry for entry in self._store.entries if self._wanted(entry)]
        self._place = len(self._store.entries)
        return wanted[-limit:] if limit else []

    async def wait(self) -> None:
        await self._grown.wait()
        self._grown.clear()

    def close(self) -> None:
        self._store.closed += 1
        self._store.grown.remove(self._grown)


def trusted(uid: int) -> bool:
    return uid in (0, 990)
