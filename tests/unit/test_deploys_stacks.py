"""Which apps move to a new version of their stack, how, and which versions may go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hostd.deploys.locks import DeployLocks
from hostd.deploys.stack_moves import AT_ONCE, StackMoves
from hostd.deploys.stack_plans import behind, description, needs, previous, surplus
from hostd.deploys.voice import Voice
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.releases import Release
from hostd.ledger.users import User
from hostd.manager.dyno import DynoState
from hostd.manager.settling import Settled
from tests.unit.ledger_kit import add_slug, open_ledger

OLD, NEW = "debian-12@20261120.1", "debian-12@20261121.1"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(tmp_path)
    ledger.users.add("kate@example.com", admin=True)
    ledger.stacks.add("debian-12", "20261120.1", "d1")
    ledger.stacks.add("debian-12", "20261121.1", "d2")
    yield ledger
    ledger.close()


def kate(ledger: Ledger) -> User:
    return ledger.users.get("kate@example.com")


def app_on(ledger: Ledger, name: str, stack: str | None) -> App:
    """An app whose current release runs on the stack; without one, an app that was never deployed."""
    app = ledger.apps.create(name, kate(ledger).id)
    if stack is not None:
        slug = add_slug(ledger, app)
        ledger.releases.append(app.id, slug_id=slug.id, config={}, description="Deploy", user=kate(ledger), stack=stack)
    return app


def current(ledger: Ledger) -> dict[str, Release]:
    return {app.id: ledger.releases.current(app.id) for app in ledger.apps.list()}


def test_apps_on_older_versions_of_the_stack_are_behind(ledger: Ledger) -> None:
    old = app_on(ledger, "old", OLD)
    for name, stack in (("new", NEW), ("other", "debian-13@20261121.1"), ("hosted", "host@12.11"), ("empty", None)):
        app_on(ledger, name, stack)
    assert behind(current(ledger), NEW) == [old.id]


def test_a_release_says_in_which_direction_its_stack_went() -> None:
    assert description("debian-12@20261121.9", "debian-12@20261121.10") == "Stack debian-12 updated to 20261121.10"
    assert description("debian-12@20261122.1", "debian-12@20261121.2") == "Stack debian-12 taken back to 20261121.2"


def test_the_current_the_used_and_one_older_version_stay(ledger: Ledger) -> None:
    for version in ("20261122.1", "20261123.1", "20261124.1"):
        ledger.stacks.add("debian-12", version, "d")
    versions = ledger.stacks.versions("debian-12")
    assert [version.version for version in surplus(versions, {OLD})] == ["20261122.1", "20261121.1"]
    assert [version.version for version in surplus(versions[3:], set())] == ["20261120.1"]


def test_one_goes_back_to_the_version_made_before_the_current_one(ledger: Ledger) -> None:
    versions = ledger.stacks.versions
    assert (found := previous(versions("debian-12"))) is not None and found.ref == OLD
    ledger.stacks.make_current("debian-12", "20261120.1")
    assert previous(versions("debian-12")) is None


def test_a_stack_is_needed_by_those_who_run_build_or_may_go_back(ledger: Ledger) -> None:
    app_on(ledger, "runs", OLD)
    builds = app_on(ledger, "builds", "host@12.11")
    ledger.apps.set_stack(builds.id, "debian-12")
    back = app_on(ledger, "back", "host@12.11")
    app_on(ledger, "free", "host@12.11")
    kept = SimpleNamespace(app_id=back.id, stack="debian-12")
    assert needs("debian-12", ledger.apps.list(), current(ledger), [kept]) == {  # type: ignore[list-item]
        "runs": "runs on it",
        "builds": "its next build is for it",
        "back": "can be rolled back to a release that runs on it",
    }


class FakeManager:
    """Says of each release what a test wants; by default that it is well."""

    def __init__(self) -> None:
        self.results: dict[str, Settled] = {}
        self.crashed: set[str] = set()
        self.running = self.most = 0

    def dynos(self, app_id: str) -> list[Any]:
        return [SimpleNamespace(state=DynoState.CRASHED if app_id in self.crashed else DynoState.UP)]

    async def settle(self, app_id: str, version: int, _seconds: float) -> Settled:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        return self.results.get(app_id, Settled(ok=True))


class FakeDeploys:
    """Appends to the real ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def release(self, app: App, *, user: User, description: str, stack: str) -> Release:
        before = self.ledger.releases.current(app.id)
        return self.ledger.releases.append(
            app.id, slug_id=before.slug_id, config={}, description=description, user=user, stack=stack
        )


class Bench:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.manager, self.locks = ledger, FakeManager(), DeployLocks()
        self.moves = StackMoves(
            ledger=ledger,
            deploys=FakeDeploys(ledger),  # type: ignore[arg-type]
            manager=self.manager,  # type: ignore[arg-type]
            locks=self.locks,
            limit=1.0,
        )
        self.said: list[str] = []
        self.voice = Voice(self._hear)

    async def _hear(self, piece: bytes) -> None:
        self.said.append(piece.decode())

    async def move(self, ref: str = NEW) -> list[tuple[str, int, str | None]]:
        self.moves.begin(ref, kate(self.ledger))
        return await self.go_on(ref)

    async def go_on(self, ref: str = NEW) -> list[tuple[str, int, str | None]]:
        moved = await self.moves.move_all(ref, say=self.voice)
        return [(app.app, app.release, app.trouble) for app in moved]

    def now(self, app: App) -> tuple[str | None, str]:
        release = self.ledger.releases.current(app.id)
        return release.stack, release.description


async def test_every_app_moves_a_few_at_a_time(ledger: Ledger) -> None:
    apps = [app_on(ledger, f"app-{number}", OLD) for number in range(7)]
    bench = Bench(ledger)
    assert await bench.move() == [(app.name, 3, None) for app in apps]
    assert bench.manager.most == AT_ONCE
    assert bench.now(apps[0]) == (NEW, "Stack debian-12 updated to 20261121.1")
    assert bench.said[0] == f"-----> Moving 7 apps to {NEW}\n"
    assert await bench.move() == []


async def test_an_app_that_does_not_come_up_stays_on_the_old_version(ledger: Ledger) -> None:
    good, bad = app_on(ledger, "good", OLD), app_on(ledger, "bad", OLD)
    bench = Bench(ledger)
    dyno = SimpleNamespace(name="web.1", reason="exit status 1")
    bench.manager.results[bad.id] = Settled(ok=False, crashed=(dyno,))  # type: ignore[arg-type]
    trouble = "v3 did not come up: web.1 crashed (exit status 1)"
    assert await bench.move() == [("bad", 4, trouble), ("good", 3, None)]
    assert bench.now(bad) == (OLD, f"Stack back to {OLD}: v3 did not come up")
    assert bench.now(good)[0] == NEW
    assert f" !     bad stays on {OLD}, v4: {trouble}\n" in bench.said


async def test_an_app_that_was_down_before_moves_all_the_same(ledger: Ledger) -> None:
    app = app_on(ledger, "down", OLD)
    bench = Bench(ledger)
    bench.manager.crashed.add(app.id)
    bench.manager.results[app.id] = Settled(ok=False, timed_out=True)
    assert await bench.move() == [("down", 3, None)]
    assert bench.now(app)[0] == NEW


async def test_an_app_that_is_being_deployed_is_waited_for(ledger: Ledger) -> None:
    app = app_on(ledger, "busy", OLD)
    bench = Bench(ledger)
    with bench.locks.hold(app.id, "kate is deploying"):
        moving = asyncio.create_task(bench.move())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not moving.done() and bench.now(app)[0] == OLD
        await FakeDeploys(ledger).release(app, user=kate(ledger), description="Deploy", stack=NEW)
    assert await moving == []
    assert bench.now(app) == (NEW, "Deploy")


async def test_an_app_that_goes_away_meanwhile_is_left_out(ledger: Ledger) -> None:
    app = app_on(ledger, "gone", OLD)
    bench = Bench(ledger)
    with bench.locks.hold(app.id, "kate is destroying it"):
        moving = asyncio.create_task(bench.move())
        await asyncio.sleep(0)
        ledger.apps.destroy(app.id)
    assert await moving == []


async def test_moving_goes_on_when_nobody_listens(ledger: Ledger) -> None:
    app = app_on(ledger, "hello", OLD)
    bench = Bench(ledger)

    async def broken(_piece: bytes) -> None:
        raise ConnectionResetError

    bench.voice = Voice(broken)
    assert await bench.move() == [("hello", 3, None)]
    assert bench.now(app)[0] == NEW
    with pytest.raises(ConnectionResetError):
        await Voice(broken)(b"what can still be undone")


async def test_a_restart_in_the_middle_forgets_nobodys_turn(ledger: Ledger) -> None:
    done, tried, waiting = (app_on(ledger, name, OLD) for name in ("done", "tried", "waiting"))
    down = app_on(ledger, "down", OLD)
    before = Bench(ledger)
    before.manager.crashed.add(down.id)
    before.moves.begin(NEW, kate(ledger))
    for app in (done, tried, down):
        what = description(OLD, NEW)
        await FakeDeploys(ledger).release(app, user=kate(ledger), description=what, stack=NEW)
    ledger.stacks.end_move(done.id)
    after = Bench(ledger)
    assert after.moves.waiting() == [NEW]
    for app in (tried, down):
        after.manager.results[app.id] = Settled(ok=False, timed_out=True)
    assert await after.go_on() == [
        ("down", 3, None),
        ("tried", 4, "v3 did not come up: it was still starting"),
        ("waiting", 3, None),
    ]
    assert (after.now(tried)[0], after.now(waiting)[0], after.now(down)[0]) == (OLD, NEW, NEW)
    assert after.moves.waiting() == [] and await after.go_on() == []


async def test_an_app_that_its_owner_took_back_after_its_turn_is_left_there(ledger: Ledger) -> None:
    app, other = app_on(ledger, "back", OLD), app_on(ledger, "other", OLD)
    bench = Bench(ledger)
    await bench.move()
    await FakeDeploys(ledger).release(app, user=kate(ledger), description="Rollback to v2", stack=OLD)
    assert await bench.go_on() == []
    assert (bench.now(app)[0], bench.now(other)[0]) == (OLD, NEW)


async def test_who_was_destroyed_while_hostd_was_away_has_no_turn(ledger: Ledger) -> None:
    app = app_on(ledger, "gone", OLD)
    Bench(ledger).moves.begin(NEW, kate(ledger))
    ledger.apps.destroy(app.id)
    bench = Bench(ledger)
    assert await bench.go_on() == [] and bench.moves.waiting() == []
