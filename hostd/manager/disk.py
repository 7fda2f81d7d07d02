"""Dynos that fill the pool: what each has on disk is bounded by counting, where a quota would cost every dyno.

Quota groups of btrfs were measured: with them a snapshot takes 80 ms more, and deleting a hundred of them 5 s more.
A count takes 4 ms for each 1,000 files, and is made only when the pool has lost room. As a dyno can take all of it
between two looks, and many can together, whoever has written most is stopped when hardly any is left.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hostd.manager import words
from hostd.manager.boot import Trouble
from hostd.manager.dyno import Dyno, DynoState
from slugs.pool import size
from slugs.space import RESERVE_BYTES, amount, used

log = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0
_COUNTS_PER_LIMIT = 8
_COMMIT_SECONDS = 35.0
"""Until what was written shows in a folder's generation, which is the number of the last commit that changed it: btrfs
commits every 30 seconds (btrfs(5), commit=). One that is new has the number of the commit that is yet to come, which
more can be written to."""
_FREEING_SECONDS = 30.0
"""How long it may take until what a stopped dyno had is free: nobody else is stopped for it meanwhile."""
_WORTH_STOPPING = 64 << 20
"""Who has written less is not the one that has filled the pool."""


class Room(Protocol):
    """What is needed of `slugs.pool.Pool`."""

    def free_bytes(self) -> int:
        """Bytes that can still be written."""

    def used_bytes(self) -> int:
        """Bytes that are taken, by the file system's own books too."""

    def dyno_folders(self, name: str) -> Sequence[Path]:
        """Where the dyno of that name may write."""

    def generation(self, folder: Path) -> int:
        """A number that grows whenever something in the folder is changed; 0 for one that is gone."""

    def origin(self, name: str) -> Path | None:
        """The slug with whose files the dyno began."""


@dataclass(frozen=True)
class _Count:
    """What a dyno had on disk (bytes) when its folders had this generation, which was seen first at `since`.
    `settled`: nothing can have been written since that would not change it."""

    generation: int
    has: float
    since: float
    settled: bool


class DiskWatch:
    """Finds the dynos that have more than `limit` bytes on disk, slug and temporary files included."""

    def __init__(
        self,
        room: Room,
        limit: int,
        count: Callable[[Sequence[Path]], Awaitable[float]] = used,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`count` tells the bytes of folders, infinity for too many to count."""
        self._room = room
        self._limit = limit
        self._count = count
        self._clock = clock
        self._counted_at = room.used_bytes()
        self._seen: dict[str, _Count] = {}
        self._slugs: dict[str, Path | None] = {}
        self._slug_has: dict[Path | None, float] = {None: 0.0}
        self._patient_until = 0.0
        self._again_at = math.inf

    async def run(self, dynos: Callable[[], Iterable[Dyno]], stop: Callable[[Dyno, Trouble], object]) -> None:
        """Look for ever; *stop* is called with a dyno that has too much, and what is to be said of it."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                up = {dyno.unit.removesuffix(".service"): dyno for dyno in dynos() if dyno.state is DynoState.UP}
                for name, trouble in (await self.look(list(up))).items():
                    stop(up[name], trouble)
            except Exception:
                # What cannot be counted now is counted again.
                log.exception("the files of dynos could not be counted")

    async def look(self, names: Sequence[str]) -> dict[str, Trouble]:
        """Count, if the pool has lost enough for it to matter, what has changed; those to be stopped."""
        taken, free, now = self._room.used_bytes(), self._room.free_bytes(), self._clock()
        full = free < RESERVE_BYTES and now >= self._patient_until
        lost = taken - self._counted_at >= self._limit / _COUNTS_PER_LIMIT
        if not full and not lost and now < self._again_at:
            self._counted_at = min(self._counted_at, taken)
            return {}
        # Whoever has just written may look unchanged.
        self._again_at = now + _COMMIT_SECONDS if full or lost else math.inf
        self._counted_at = taken
        self._seen = {name: await self._counted(name) for name in names}
        self._slugs = {name: slug for name, slug in self._slugs.items() if name in self._seen}
        found = {name: self._too_much(seen.has) for name, seen in self._seen.items() if seen.has > self._limit}
        if full:
            found = found or await self._largest_writer(free)
            self._patient_until = self._clock() + _FREEING_SECONDS if found else 0.0
        return found

    async def _counted(self, name: str) -> _Count:
        folders = self._room.dyno_folders(name)
        generation, now = sum(map(self._room.generation, folders)), self._clock()
        before = self._seen.get(name)
        if before is None or before.generation != generation:
            return _Count(generation, await self._count(folders), now, settled=False)
        if before.settled:
            return before
        settled = now - before.since >= _COMMIT_SECONDS
        return _Count(generation, await self._count(folders), before.since, settled)

    def _too_much(self, has: float) -> Trouble:
        return Trouble(words.disk(has, self._limit), f"{amount(has)} on disk, the limit is {size(self._limit)}")

    async def _largest_writer(self, free: int) -> dict[str, Trouble]:
        written = {name: seen.has - await self._began_with(name) for name, seen in self._seen.items()}
        name = max(written, key=lambda name: written[name], default="")
        if written.get(name, 0) < _WORTH_STOPPING:
            return {}
        most = written[name]
        return {name: Trouble(words.disk_full(most, free), f"it had written {amount(most)} when the disk ran full")}

    async def _began_with(self, name: str) -> float:
        # To find it every slug is looked at, and a full pool may stay so for long.
        if name not in self._slugs:
            self._slugs[name] = self._room.origin(name)
        slug = self._slugs[name]
        if slug not in self._slug_has and slug is not None:
            self._slug_has[slug] = await self._count([slug])
        return self._slug_has[slug]
