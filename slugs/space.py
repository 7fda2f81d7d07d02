"""The disk guard: a build begins only while the pool has room, and is stopped before it takes too much of it.

What a build takes is counted, not limited by the file system: btrfs's quotas cost every app more than they give here.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from slugs import subvolumes
from slugs.errors import BuildFailed, PoolFull
from slugs.pool import Pool, size
from units.run import CommandError, CommandTimeout, arun

MIN_FREE_BYTES = 1 << 30
MIN_FREE_SHARE = 0.05
RESERVE_BYTES = 256 << 20
"""What builds leave: running apps write to the pool too."""

Result = TypeVar("Result")

_LOOK_SECONDS = 0.5
COUNT_SECONDS = 60.0
"""What is not counted by then, some millions of files, counts as more than anybody may have."""

_COUNTS_PER_LIMIT = 8
_CLEANING_SECONDS = 20.0


class Room(Protocol):
    """What `check` needs of a `Pool`."""

    def free_bytes(self) -> int:
        """Bytes that can still be written."""

    def total_bytes(self) -> int:
        """Bytes of the pool."""


def check(room: Room, min_free: int = MIN_FREE_BYTES, min_share: float = MIN_FREE_SHARE) -> None:
    """Raises PoolFull, with the numbers, when fewer than `min_free` bytes or that share of the pool are free."""
    free, total = room.free_bytes(), room.total_bytes()
    needed = max(min_free, int(total * min_share))
    if free < needed:
        raise PoolFull(
            f"The slug store is nearly full: {size(free)} of {size(total)} free, "
            f"a build needs {size(needed)}. Running apps are not affected. "
            "Ask the operator to make room or to enlarge the pool"
        )


class DiskGuard:
    """Keeps builds from filling the pool."""

    def __init__(
        self,
        pool: Pool,
        *,
        min_free: int = MIN_FREE_BYTES,
        reserve: int = RESERVE_BYTES,
        make_room: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """`min_free` bytes are needed to begin a build, `reserve` are left by one that runs.

        `make_room` deletes what may be deleted, and is called when space is short.
        """
        self._pool = pool
        self._min_free = min_free
        self._reserve = min(reserve, min_free)
        self._make_room = make_room

    async def require(self) -> None:
        """Sees to it that a build may begin; raises PoolFull when even cleaning up does not make the room."""
        try:
            check(self._pool, self._min_free)
        except PoolFull:
            if self._make_room is not None:
                await self._make_room()
            await freed(self._pool)
            check(self._pool, self._min_free)

    async def guard(self, build: Coroutine[Any, Any, Result], folders: Sequence[Path], limit: int) -> Result:
        """Runs a build that writes to `folders` to its end, or stops it.

        Raises BuildFailed when the folders have more than `limit` bytes, PoolFull when the reserve is touched and
        it is this build that may have done it.
        """
        building = asyncio.create_task(build)
        watching = asyncio.create_task(self._watch(folders, limit))
        try:
            await asyncio.wait({building, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not building.done():
                watching.result()
            return await building
        finally:
            for task in (building, watching):
                task.cancel()
            await asyncio.gather(building, watching, return_exceptions=True)

    async def blame(self) -> None:
        """Called when a build has failed, and before it is deleted: raises PoolFull if that filled the pool."""
        # Until it is written, what was written counts as free.
        with suppress(CommandError):
            await arun(["btrfs", "filesystem", "sync", str(self._pool.root)], timeout=COUNT_SECONDS)
        self._check_reserve()

    async def _watch(self, folders: Sequence[Path], limit: int) -> None:
        counted_at = self._pool.used_bytes()
        while True:
            free, full = self._pool.free_bytes(), self._pool.used_bytes()
            # Counting reads every folder: only when the pool has lost enough for it to matter.
            if full - counted_at >= limit / _COUNTS_PER_LIMIT or free < self._reserve:
                counted_at, taken = full, await used(folders)
                if taken > self._reserve:
                    self._check_reserve()
                if taken > limit:
                    raise BuildFailed(
                        f"The build took {amount(taken)} of disk with its cache, more than the limit of "
                        f"{size(limit)}. Make it need less, or empty its cache: hostctl cache:purge"
                    )
            await asyncio.sleep(_LOOK_SECONDS)

    def _check_reserve(self) -> None:
        free = self._pool.free_bytes()
        if free >= self._reserve:
            return
        raise PoolFull(
            f"The slug store ran full while the build was running: {size(free)} of {size(self._pool.total_bytes())} "
            f"free, and {size(self._reserve)} are left to running apps. What the build had written is deleted. "
            "If it was not this build that filled it, push again; else make it need less"
        )


async def used(folders: Sequence[Path]) -> float:
    """Bytes that folders take, shared ones in full, with what btrfs notes of them; infinite if it takes too long.

    It notes 0.8 KiB of an empty file with a short name, 2.2 of one with a long name (measured), and attributes.
    """
    # Not --one-file-system: a subvolume that an app has made in its folder is one of its own.
    argv = ["du", "--summarize", "--total", "--block-size=1", "--", *map(str, folders)]
    try:
        # Its status says only that a file went away meanwhile.
        done = await arun(argv, timeout=COUNT_SECONDS, check=False)
    except CommandTimeout:
        return math.inf
    return float(done.text.splitlines()[-1].split()[0]) + sum(map(_books, folders))


def amount(taken: float) -> str:
    """What `used` has counted, in words."""
    return size(int(taken)) if taken < math.inf else "more than can be counted"


def _books(folder: Path) -> int:
    try:
        # It keeps them twice.
        return 2 * subvolumes.books(folder)
    except FileNotFoundError:
        return 0


async def freed(pool: Pool) -> None:
    """Waits until what was deleted is free: until btrfs has written that down, cleaned up, and written that down."""
    with suppress(CommandError):
        for what in ("filesystem", "subvolume", "filesystem"):
            await arun(["btrfs", what, "sync", str(pool.root)], timeout=_CLEANING_SECONDS)
