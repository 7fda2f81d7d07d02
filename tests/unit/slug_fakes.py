"""Hand-written fakes of the pool and of the slug store."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from hostd.code_stores import Usage
from hostd.ledger.apps import App
from hostd.ledger.slugs import Slug


class FakePool:
    free = 40 * 2**30
    lost: frozenset[str] = frozenset()

    def free_bytes(self) -> int:
        return self.free

    def total_bytes(self) -> int:
        return 50 * 2**30

    def has_slug(self, slug_id: str) -> bool:
        return slug_id not in self.lost


class FakeSlugStore:
    """Has slugs of one and a half GiB, whose tarballs are what the test says."""

    def __init__(self) -> None:
        self.garbage: list[Slug] = []
        self.pieces: list[bytes | Exception] = [b"tar", b"ball"]
        self.caches: set[str] = set()

    async def usage(self, slug: Slug) -> Usage | None:
        return Usage(total_bytes=3 << 29, exclusive_bytes=1 << 29)

    async def cache_usage(self, app: App) -> Usage | None:
        return Usage(total_bytes=1 << 20, exclusive_bytes=1 << 20) if app.id in self.caches else None

    def purge_cache(self, app: App) -> bool:
        there = app.id in self.caches
        self.caches.discard(app.id)
        return there

    def surplus(self) -> list[Slug]:
        return self.garbage

    async def collect(self) -> list[Slug]:
        collected, self.garbage = self.garbage, []
        return collected

    async def export(self, app: App, slug: Slug) -> AsyncGenerator[bytes, None]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece
