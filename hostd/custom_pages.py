"""Custom pages: what apps show of their own for faults and in maintenance mode, fetched before it is needed.

They lie as files beside the route table, so that the router shows them whoever is down. A file's name is made of the
address and of what is in it: what was fetched earlier is known after a restart, and a new page is a new name in the
table.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from pathlib import Path
from time import monotonic

from hostd.events import Events, Subject
from hostd.fetching import Unfetchable
from hostd.lookout import Lookout

log = logging.getLogger(__name__)

REFRESH = 300.0
"""Seconds after which a page is fetched again."""
RETRY = 30.0
"""The same for one that could not be fetched."""
_AT_ONCE = 8
_NAME = re.compile(r"([0-9a-f]{32})-[0-9a-f]{32}")


class Kind(Enum):
    """When a page is shown."""

    MAINTENANCE = "maintenance"
    ERROR = "error"

    @property
    def variable(self) -> str:
        """The config var that says where it is."""
        return f"{self.name}_PAGE_URL"


class CustomPages:
    """Fetches what config vars name. `changed` is told the id of each app that has another page now."""

    def __init__(
        self,
        directory: Path,
        fetch: Callable[[str], Awaitable[bytes]],
        events: Events,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._directory = directory
        self._fetch = fetch
        self._events = events
        self._clock = clock
        self._wanted: dict[str, dict[Kind, str]] = {}
        self._names: dict[str, str] = {}
        """The newest file of each address, by the address's digest."""
        self._fetched: dict[str, float] = {}
        self._troubles: dict[str, str] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._lookout = Lookout("fetching custom pages", self.look, REFRESH)
        self.changed: Callable[[str], None] = lambda _app_id: None
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        for path in sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime):
            if found := _NAME.fullmatch(path.name):
                self._names[found[1]] = path.name
                self._troubles[found[1]] = ""

    def start(self) -> None:
        """Begin to fetch. By then `of` was asked about every app."""
        self._lookout.start()

    async def close(self) -> None:
        """Stop; the pages stay."""
        await self._lookout.close()

    def of(self, app_id: str, config: Mapping[str, str]) -> dict[Kind, str]:
        """The files of an app's pages, as far as they were fetched; the others will be."""
        wanted = {kind: config[kind.variable] for kind in Kind if config.get(kind.variable)}
        if wanted != self._wanted.get(app_id, {}):
            self._wanted[app_id] = wanted
            self._lookout.nudge()
        return {kind: self._names[key] for kind, url in wanted.items() if (key := _digest(url.encode())) in self._names}

    def forget(self, app_id: str) -> None:
        """The app is gone."""
        if self._wanted.pop(app_id, None):
            self._lookout.nudge()

    async def look(self) -> float:
        """Fetch what is due and delete what nobody wants any more; returns in how many seconds to look again."""
        urls = {_digest(url.encode()): url for wanted in self._wanted.values() for url in wanted.values()}
        for known in (self._names, self._fetched, self._troubles):
            for key in set(known) - set(urls):
                del known[key]
        # Files that were superseded before the last look: no route table names them any more.
        await asyncio.to_thread(_keep_only, self._directory, set(self._names.values()))
        await asyncio.gather(*(self._renew(key, urls[key]) for key in urls if self._rest(key) <= 0))
        return min(map(self._rest, urls), default=REFRESH)

    def _rest(self, key: str) -> float:
        """In how many seconds a page is to be fetched."""
        if key not in self._fetched:
            return 0.0
        return self._fetched[key] + (RETRY if self._troubles.get(key) else REFRESH) - self._clock()

    async def _renew(self, key: str, url: str) -> None:
        async with self._turns:
            try:
                page = await self._fetch(url)
            except Unfetchable as error:
                self._say(key, str(error))
                return
            finally:
                self._fetched[key] = self._clock()
        name = f"{key}-{_digest(page)}"
        if self._names.get(key) != name:
            await asyncio.to_thread(_write, self._directory / name, page)
            self._names[key] = name
            for app_id in {app_id for app_id, _ in self._users(key)}:
                self.changed(app_id)
        self._say(key, None)

    def _say(self, key: str, trouble: str | None) -> None:
        """Tell the owners of a page what became of it, unless that is as before. No line has the address in it."""
        if self._troubles.get(key, "never fetched") == (trouble or ""):
            return
        self._troubles[key] = trouble or ""
        instead = "The copy that was fetched last is shown." if key in self._names else "The built-in page is shown."
        for app_id, kind in self._users(key):
            what = f"Page of {kind.variable}"
            said = f"{what} cannot be fetched: {trouble}. {instead}" if trouble else f"{what} fetched"
            self._events.platform(Subject(app_id), "router", said)

    def _users(self, key: str) -> list[tuple[str, Kind]]:
        known = [(app_id, kind, url) for app_id, wanted in self._wanted.items() for kind, url in wanted.items()]
        return [(app_id, kind) for app_id, kind, url in known if _digest(url.encode()) == key]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _keep_only(directory: Path, names: set[str]) -> None:
    for path in directory.iterdir():
        if path.name not in names:
            path.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_bytes(content)
    draft.chmod(0o644)
    draft.replace(path)
