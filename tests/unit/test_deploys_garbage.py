"""The clean-up: what it deletes, in which order, and before which pools it stops."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from daemon_fakes import FakeJournals
from ledger_kit import add_slug, make_ledger, open_ledger

from hostd.deploys.garbage import Garbage, claim
from hostd.errors import Unavailable
from hostd.ledger import App, Ledger, User


class FakePool:
    """Has slugs, and tells in which order they went and what the ledger said of each then."""

    root = Path("/pool")

    def __init__(self, ledger: Ledger, mark: str | None = None) -> None:
        self.ledger, self.mark = ledger, mark
        self.there: list[str] = []
        self.deleted: list[tuple[str, bool]] = []

    def owner(self) -> str | None:
        return self.mark

    def claim(self, owner: str) -> None:
        self.mark = owner

    def slugs(self) -> list[str]:
        return list(self.there)

    def delete_slug(self, slug_id: str) -> None:
        self.there.remove(slug_id)
        self.deleted.append((slug_id, self.ledger.slugs.get(slug_id).dropped_at is not None))

    def has_trash(self) -> bool:
        return False


class FakeFaults:
    """No fault is ordered."""

    def reach(self, _point: object) -> None:
        pass


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path)


@pytest.fixture
def kate(ledger: Ledger) -> User:
    return ledger.users.add("kate@example.com")


@pytest.fixture
def app(ledger: Ledger, kate: User) -> App:
    return ledger.apps.create("hello", kate.id)


def garbage(ledger: Ledger, pool: FakePool, kept: int) -> Garbage:
    parts: dict[str, Any] = dict.fromkeys(("stack", "systemd", "repositories"))
    return Garbage(ledger=ledger, pool=pool, kept=kept, faults=FakeFaults(), journals=FakeJournals(), **parts)  # type: ignore[arg-type]


def releases(ledger: Ledger, app: App, kate: User, pool: FakePool, count: int) -> list[str]:
    """Releases of so many slugs, whose files are in the pool."""
    slugs = [add_slug(ledger, app, str(number)).id for number in range(count)]
    for slug_id in slugs:
        ledger.releases.append(app.id, slug_id=slug_id, config={}, description="Deploy", user=kate)
    pool.there += slugs
    return slugs


def test_the_ledger_gives_a_slug_up_before_its_files_go(ledger: Ledger, app: App, kate: User) -> None:
    pool = FakePool(ledger)
    slugs = releases(ledger, app, kate, pool, 5)
    found = garbage(ledger, pool, kept=3)
    assert {slug.id for slug in found.surplus()} == set(slugs[:2])
    assert set(found.collect(app.id)) == set(slugs[:2])
    assert sorted(pool.deleted) == sorted((slug_id, True) for slug_id in slugs[:2])
    assert pool.there == slugs[2:]
    assert found.collect(app.id) == []


async def test_all_apps_are_cleaned_up_and_what_was_left_over(ledger: Ledger, app: App, kate: User) -> None:
    pool = FakePool(ledger)
    slugs = releases(ledger, app, kate, pool, 4)
    gone = ledger.apps.create("gone", kate.id)
    theirs = releases(ledger, gone, kate, pool, 2)
    ledger.apps.destroy(gone.id)
    pool.there.append("build-that-is-no-release-yet")
    ledger.slugs.drop(slugs[0])  # by a hostd that was killed before it deleted the files
    dropped = await garbage(ledger, pool, kept=2).collect_all()
    assert {slug.id for slug in dropped} == {slugs[1], *theirs}
    assert pool.there == [*slugs[2:], "build-that-is-no-release-yet"]
    assert all(given_up for _, given_up in pool.deleted)


async def test_the_clean_up_runs_at_once_and_whenever_it_is_wanted(ledger: Ledger, app: App, kate: User) -> None:
    pool = FakePool(ledger)
    found = garbage(ledger, pool, kept=1)
    running = asyncio.create_task(found.run())
    for expected in (2, 5):
        releases(ledger, app, kate, pool, 4 if expected == 2 else 3)
        found.want()
        async with asyncio.timeout(5):
            while len(pool.deleted) < expected:
                await asyncio.sleep(0)
    running.cancel()
    assert len(pool.there) == 2


async def test_the_clean_up_runs_from_time_to_time_by_itself(
    ledger: Ledger, app: App, kate: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostd.deploys.garbage.PERIOD", 0.001)
    pool = FakePool(ledger)
    running = asyncio.create_task(garbage(ledger, pool, kept=1).run())
    for count, expected in ((4, 2), (3, 5)):
        releases(ledger, app, kate, pool, count)
        async with asyncio.timeout(5):
            while len(pool.deleted) < expected:
                await asyncio.sleep(0)
    running.cancel()


def test_a_pool_is_claimed_once_and_never_taken_from_another(
    ledger: Ledger, app: App, kate: User, tmp_path: Path
) -> None:
    pool = FakePool(ledger)
    claim(pool, ledger)  # type: ignore[arg-type]
    assert pool.mark == ledger.identity
    releases(ledger, app, kate, pool, 2)
    claim(pool, ledger)  # type: ignore[arg-type]
    empty = make_ledger(tmp_path / "empty")
    assert empty.identity != ledger.identity
    with pytest.raises(Unavailable, match=r"belongs to another ledger, and this one knows none of its 2 slugs\. Noth"):
        claim(pool, empty)  # type: ignore[arg-type]
    assert (pool.mark, len(pool.there), pool.deleted) == (ledger.identity, 2, [])
    pool.mark = None  # as an older hostd left it
    with pytest.raises(Unavailable, match="belongs to another ledger"):
        claim(pool, empty)  # type: ignore[arg-type]
    claim(pool, ledger)  # type: ignore[arg-type]
    assert pool.mark == ledger.identity
    empty.close()


def test_a_reopened_ledger_is_the_same_one(ledger: Ledger, tmp_path: Path) -> None:
    again = open_ledger(tmp_path)
    assert again.identity == ledger.identity
    again.close()
