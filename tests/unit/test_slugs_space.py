"""The disk guard and whose a pool is: decisions over numbers and names, and what is done when space is short."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slugs import space
from slugs.errors import BuildFailed, PoolFull
from slugs.ownership import Ownership, ownership
from slugs.pool import writable
from slugs.space import DiskGuard, check
from units.run import CommandTimeout

GB = 1 << 30
USED, ARUN = space.used, space.arun


class FakePool:
    """Has so many bytes free; each look at it takes the next number, the last one stays."""

    root = Path("/nowhere")

    def __init__(self, *free: float, total: int = 50 * GB) -> None:
        self.free, self.total = list(free), total
        self.now = int(free[0])

    def free_bytes(self) -> int:
        self.now = int(self.free.pop(0) if len(self.free) > 1 else self.free[0])
        return self.now

    def used_bytes(self) -> int:
        return self.total - self.now

    def total_bytes(self) -> int:
        return self.total


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "_LOOK_SECONDS", 0)

    async def nothing(_pool: Any) -> None:
        pass

    async def little(_folders: Any) -> float:
        return GB

    monkeypatch.setattr(space, "freed", nothing)
    monkeypatch.setattr(space, "used", little)
    monkeypatch.setattr(space, "arun", lambda *_, **__: nothing(None))


def test_numbers_are_named() -> None:
    check(FakePool(3 * GB))
    with pytest.raises(PoolFull, match=r"2\.0G of 50\.0G free, a build needs 2\.5G\. Running apps are not affected"):
        check(FakePool(2 * GB))
    check(FakePool(1 * GB, total=10 * GB))
    with pytest.raises(PoolFull, match=r"1023\.0M of 10\.0G free, a build needs 1\.0G"):
        check(FakePool(GB - (1 << 20), total=10 * GB))


@pytest.mark.parametrize(
    ("free", "used", "allocated", "disk_free", "expected"),
    [
        (40, 10, 12, 100, 40),  # the disk has more than the pool could take
        (40, 10, 12, 5, 7),  # two that the image has already, and five
        (40, 10, 50, 0, 40),  # an image that has all its room already
        (40, 10, 8, 0, 0),
    ],
)
def test_a_sparse_image_has_no_more_than_its_disk(
    free: int, used: int, allocated: int, disk_free: int, expected: int
) -> None:
    assert writable(free, used, allocated, disk_free) == expected


async def test_room_is_made_before_a_build_is_refused() -> None:
    made = []

    async def make_room() -> None:
        made.append(True)

    def guard(pool: FakePool) -> DiskGuard:
        return DiskGuard(pool, make_room=make_room)  # type: ignore[arg-type]

    await guard(FakePool(10 * GB)).require()
    assert not made
    await guard(FakePool(GB, 10 * GB)).require()
    assert made == [True]
    with pytest.raises(PoolFull, match=r"free, a build needs"):
        await guard(FakePool(GB)).require()


async def test_a_build_that_touches_the_reserve_is_stopped() -> None:
    ends = SimpleNamespace(cancelled=False)

    async def build() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.cancelled = True

    guard = DiskGuard(FakePool(10 * GB, 5 * GB, 100 << 20))  # type: ignore[arg-type]
    with pytest.raises(PoolFull, match=r"ran full while the build was running: 100\.0M of 50\.0G free, and 256\.0M"):
        await guard.guard(build(), [], 20 * GB)
    assert ends.cancelled


async def test_a_build_that_takes_more_than_its_share_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []

    async def grown(_folders: Any) -> float:
        counts.append(len(counts))
        return 7 * GB + counts[-1] * GB

    monkeypatch.setattr(space, "used", grown)
    guard = DiskGuard(FakePool(40 * GB, 39.9 * GB, 38 * GB, 37.9 * GB, 36 * GB, 20 * GB))  # type: ignore[arg-type]
    with pytest.raises(BuildFailed, match=r"took 9\.0G of disk with its cache, more than the limit of 8\.0G\..*purge"):
        await guard.guard(asyncio.Event().wait(), [], 8 * GB)
    assert len(counts) == 3


async def test_a_small_build_is_not_stopped_for_what_another_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = asyncio.Event()

    async def hardly_anything(_folders: Any) -> float:
        looks.set()
        return 1 << 20

    monkeypatch.setattr(space, "used", hardly_anything)
    guard = DiskGuard(FakePool(10 * GB, 100 << 20))  # type: ignore[arg-type]
    assert await guard.guard(looks.wait(), [], 8 * GB)


async def test_what_folders_take_is_counted_whatever_is_deleted_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "arun", ARUN)
    (tmp_path / "data").write_bytes(b"x" * 100_000)
    assert 100_000 <= await USED([tmp_path, tmp_path / "gone"]) < 200_000


async def test_what_the_file_system_keeps_of_a_folder_counts_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "arun", ARUN)
    before = await USED([tmp_path])
    monkeypatch.setattr(space.subvolumes, "books", {tmp_path: 5000}.get)
    assert await USED([tmp_path]) == before + 10_000


async def test_what_is_not_counted_in_time_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    async def too_slow(_argv: Any, *, timeout: float, **_: Any) -> None:
        raise CommandTimeout(["du"], timeout)

    monkeypatch.setattr(space, "arun", too_slow)
    assert await USED([Path("/nowhere")]) == math.inf
    monkeypatch.setattr(space, "used", USED)
    guard = DiskGuard(FakePool(40 * GB, 20 * GB))  # type: ignore[arg-type]
    with pytest.raises(BuildFailed, match=r"took more than can be counted of disk"):
        await guard.guard(asyncio.Event().wait(), [], 8 * GB)


async def test_a_build_in_a_pool_with_room_ends_as_it_ends() -> None:
    async def build(error: Exception | None = None) -> str:
        await asyncio.sleep(0)
        if error:
            raise error
        return "built"

    guard = DiskGuard(FakePool(10 * GB))  # type: ignore[arg-type]
    assert await guard.guard(build(), [], GB) == "built"
    with pytest.raises(ValueError, match="broken"):
        await guard.guard(build(ValueError("broken")), [], GB)


async def test_a_full_pool_is_named_as_the_cause_of_a_failed_build() -> None:
    await DiskGuard(FakePool(10 * GB)).blame()  # type: ignore[arg-type]
    with pytest.raises(PoolFull, match="ran full while the build was running"):
        await DiskGuard(FakePool(1 << 20)).blame()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mark", "slugs", "known", "expected"),
    [
        ("me", "ab", "", Ownership.OURS),
        (None, "", "", Ownership.FREE),
        (None, "ab", "b", Ownership.FREE),  # of an older hostd, which made no mark
        (None, "ab", "", Ownership.FOREIGN),  # an empty ledger before a pool that is not
        ("you", "", "", Ownership.FREE),
        ("you", "ab", "", Ownership.FOREIGN),
        ("you", "ab", "b", Ownership.FOREIGN),
        ("you", "ab", "abc", Ownership.FREE),  # a backup was restored, of the ledger and of the slugs
    ],
)
def test_whose_a_pool_is(mark: str | None, slugs: str, known: str, expected: Ownership) -> None:
    assert ownership(mark=mark, ledger="me", slugs=[*slugs], known=[*known]) is expected
