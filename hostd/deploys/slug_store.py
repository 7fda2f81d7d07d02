"""The slug store as its users see it: what slugs and caches take, slugs as tarballs, caches thrown away."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from hostd.code_stores import Usage
from hostd.deploys.garbage import Garbage
from hostd.deploys.locks import DeployLocks
from hostd.errors import Busy, Conflict, Unavailable
from hostd.ledger.apps import App
from hostd.ledger.slugs import Slug
from slugs.errors import ExportFailed
from slugs.pool import Pool
from slugs.stacks import Stack
from slugs.tree_unit import TreeUnits
from units.run import CommandError, arun
from units.users import ensure_user

EXPORTS = 4
"""Tarballs that are made at the same time."""

_USAGE_SECONDS = 30.0
_NICEST = "-n19"


@dataclass(frozen=True, slots=True)
class SlugStore:
    """The slugs and caches of all apps."""

    pool: Pool
    stack: Stack
    trees: TreeUnits
    garbage: Garbage
    locks: DeployLocks
    _exports: asyncio.Semaphore
    _looks: asyncio.Semaphore

    @classmethod
    def of(cls, *, pool: Pool, stack: Stack, trees: TreeUnits, garbage: Garbage, locks: DeployLocks) -> SlugStore:
        """The store of this pool."""
        return cls(pool, stack, trees, garbage, locks, asyncio.Semaphore(EXPORTS), asyncio.Semaphore(1))

    async def usage(self, slug: Slug) -> Usage | None:
        """What the slug takes on disk, now; None when that cannot be told in time."""
        return await self._usage(self.pool.slug(slug.id)) if self.pool.has_slug(slug.id) else None

    async def cache_usage(self, app: App) -> Usage | None:
        """What the app's build cache takes on disk, now; None without a cache, or when that cannot be told in time."""
        if not self.pool.has_cache(app.id):
            return None
        return await self._usage(self.pool.cache(app.id, app.uid))

    def purge_cache(self, app: App) -> bool:
        """Throw the app's build cache away; whether there was one. Raises Busy while a build uses it."""
        holder = self.locks.holder(app.id)
        if holder is not None:
            # The build would put the cache back that it borrowed.
            raise Busy(f"{holder}. Wait until that is done, then purge the cache.")
        there = self.pool.has_cache(app.id)
        self.pool.drop_cache(app.id)
        if self.pool.has_cache(app.id):
            raise Unavailable("The cache could not be deleted. Why is in hostd's log: journalctl -u hostd")
        return there

    def surplus(self) -> list[Slug]:
        """The slugs that the next clean-up deletes."""
        return self.garbage.surplus()

    async def collect(self) -> list[Slug]:
        """Clean up now; the slugs that were deleted."""
        return await self.garbage.collect_all()

    async def export(self, app: App, slug: Slug) -> AsyncGenerator[bytes, None]:
        """The slug's files as a tar archive, piece by piece.

        Raises Conflict when they are gone, Busy when too many are exported, and Unavailable, in the middle too.
        """
        if not self.pool.has_slug(slug.id):
            raise Conflict(f"The files of the slug {slug.id[:8]} are gone. Push its commit again: {slug.commit[:7]}")
        if self._exports.locked():
            raise Busy(f"{EXPORTS} slugs are being exported already. Try again when one of them is done.")
        async with self._exports:
            try:
                await ensure_user(app.uid)
                name = f"hostd-export-{uuid.uuid4()}.service"
                exporting = self.trees.export(name, stack=self.stack, uid=app.uid, tree=self.pool.slug(slug.id))
                async with aclosing(exporting) as pieces:
                    async for piece in pieces:
                        yield piece
            except (ExportFailed, CommandError) as error:
                raise Unavailable(f"{error}.") from error

    async def _usage(self, path: Path) -> Usage | None:
        argv = ["nice", _NICEST, "btrfs", "filesystem", "du", "--summarize", "--raw", str(path)]
        # One at a time: each walks a whole tree.
        async with self._looks:
            try:
                return read_usage((await arun(argv, timeout=_USAGE_SECONDS)).text)
            except CommandError:
                return None


def read_usage(text: str) -> Usage | None:
    """What `btrfs filesystem du --summarize --raw` says of one tree (btrfs-filesystem(8)); None if it says nothing."""
    numbers = text.splitlines()[-1].split()[:2] if text.strip() else []
    if len(numbers) < 2 or not all(number.isdecimal() for number in numbers):
        return None
    total, exclusive = map(int, numbers)
    return Usage(total_bytes=total, exclusive_bytes=exclusive)
