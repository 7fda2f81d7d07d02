"""Making, updating, going back and destroying: what the ledger and the pool hold afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hostd.code_stores import Moved
from hostd.deploys.stacks import StackDeploys
from hostd.errors import Busy, Conflict, Invalid, NotFound, Unavailable
from hostd.ledger import Ledger
from slugs.errors import NoSuchSubvolume, StackFailed
from slugs.stack_maker import MadeStack
from tests.unit.ledger_kit import open_ledger


class FakePool:
    """Knows stacks by their names."""

    def __init__(self) -> None:
        self.refs: dict[str, dict[str, str]] = {}

    def stacks(self) -> list[str]:
        return ["host", *self.refs]

    def delete_stack(self, ref: str) -> None:
        self.refs.pop(ref, None)


class FakeMaker:
    """Makes stacks with the packages of the day, once it may."""

    def __init__(self, pool: FakePool) -> None:
        self.pool = pool
        self.today = {"openssl": "1"}
        self.fails: Exception | None = None
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def make(self, name: str, version: str, *, output: Any) -> MadeStack:
        await output(b"       working\n")
        await self.may_end.wait()
        if self.fails:
            raise self.fails
        self.pool.refs[f"{name}@{version}"] = dict(self.today)
        return MadeStack(f"{name}@{version}", dict(self.today))

    def packages(self, ref: str) -> dict[str, str]:
        if ref not in self.pool.refs:
            raise NoSuchSubvolume(ref)
        return self.pool.refs[ref]


class FakeMoves:
    """Moves one app, and takes as long as a test wants."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.to: list[str] = []
        self.left: list[str] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    def current(self) -> dict[str, Any]:
        return {}

    def begin(self, ref: str, user: Any) -> None:
        self.ledger.stacks.make_current(*ref.split("@"))
        self.left = [ref]

    def waiting(self) -> list[str]:
        return self.left

    async def move_all(self, ref: str, *, say: Any) -> tuple[Moved, ...]:
        say.committed = True
        await self.may_end.wait()
        self.to.append(ref)
        self.left = []
        return (Moved("hello", 3),)


class FakeSystemd:
    """Has one unit that makes a stack, and one of an app with a misleading name."""

    def __init__(self) -> None:
        self.names = ["hostd-stack-debian-12.service", "hostd-stack-web.1-v2.service"]
        self.stopped: list[str] = []

    def list_units(self, _patterns: list[str]) -> list[Any]:
        return [SimpleNamespace(name=name, description=name) for name in self.names]

    async def stop(self, name: str) -> None:
        self.stopped.append(name)

    def reset_failed(self, name: str) -> None:
        pass


class Bench:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.pool, self.moves, self.systemd = ledger, FakePool(), FakeMoves(ledger), FakeSystemd()
        self.maker = FakeMaker(self.pool)
        stacks = SimpleNamespace(names=lambda: ["host", *ledger.stacks.names()])
        parts: dict[str, Any] = {"stacks": stacks, "maker": self.maker, "pool": self.pool, "moves": self.moves}
        manager = SimpleNamespace(dynos=lambda _: [])
        self.deploys = StackDeploys(ledger=ledger, systemd=self.systemd, manager=manager, **parts)  # type: ignore[arg-type]
        self.said = ""

    async def hear(self, piece: bytes) -> None:
        self.said += piece.decode()

    async def do(self, what: str, *words: Any, **more: Any) -> Any:
        user = self.ledger.users.get("kate@example.com")
        return await getattr(self.deploys, what)(*words, user=user, output=self.hear, **more)

    def versions(self) -> list[tuple[str, bool]]:
        return [(stack.version.partition(".")[2], stack.current) for stack in self.ledger.stacks.list()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    ledger = open_ledger(tmp_path)
    ledger.users.add("kate@example.com", admin=True)
    yield Bench(ledger)
    ledger.close()


async def test_a_stack_is_made_once(bench: Bench) -> None:
    outcome = await bench.do("create", "debian-12")
    assert list(bench.pool.refs) == [outcome.ref]
    assert bench.versions() == [("1", True)]
    assert "-----> Making debian-12@" in bench.said and "1 packages\n" in bench.said
    with pytest.raises(Conflict, match="is there already"):
        await bench.do("create", "debian-12")
    with pytest.raises(NotFound, match=r"It can make: debian-12, debian-13\."):
        await bench.do("create", "debian-99")


async def test_what_fails_is_said_and_changes_nothing(bench: Bench) -> None:
    bench.maker.fails = StackFailed("The mirror did not answer")
    with pytest.raises(Unavailable, match=r"The mirror did not answer\."):
        await bench.do("create", "debian-12")
    assert bench.versions() == []


async def test_an_update_without_patches_makes_no_version_but_moves_who_is_behind(bench: Bench) -> None:
    made = await bench.do("create", "debian-12")
    outcome = await bench.do("update", "debian-12")
    assert "No package has changed since" in bench.said
    assert (outcome.ref, bench.moves.to, list(bench.pool.refs)) == (made.ref, [made.ref], [made.ref])
    forced = await bench.do("update", "debian-12", force=True)
    assert forced.ref != made.ref and forced.moved == (Moved("hello", 3),)
    assert bench.versions() == [("2", True), ("1", False)]


async def test_an_update_says_what_is_patched_and_keeps_one_version_to_go_back_to(bench: Bench) -> None:
    await bench.do("create", "debian-12")
    for version in ("2", "3"):
        bench.maker.today = {"openssl": version}
        await bench.do("update", "debian-12")
    assert "1 package differs from" in bench.said and "       openssl 2 -> 3\n" in bench.said
    assert bench.versions() == [("3", True), ("2", False)]
    assert len(bench.pool.refs) == 2
    back = await bench.do("switch", "debian-12", None)
    assert back.ref.endswith(".2") and bench.versions() == [("3", False), ("2", True)]
    with pytest.raises(Invalid, match="no older version"):
        await bench.do("switch", "debian-12", None)
    with pytest.raises(NotFound, match="was removed"):
        await bench.do("switch", "debian-12", bench.ledger.stacks.ever("debian-12")[0])


async def test_a_version_that_the_pool_has_lost_is_made_anew(bench: Bench) -> None:
    await bench.do("create", "debian-12")
    bench.pool.refs.clear()
    await bench.do("update", "debian-12")
    assert bench.versions()[0] == ("2", True)


async def test_one_thing_at_a_time(bench: Bench) -> None:
    bench.maker.may_end.clear()
    first = asyncio.create_task(bench.do("create", "debian-12"))
    await asyncio.sleep(0.01)
    with pytest.raises(Busy, match=r"kate@example.com is making debian-12. Wait until that is done"):
        await bench.do("create", "debian-13")
    bench.maker.may_end.set()
    await first


async def test_who_leaves_before_there_is_a_version_leaves_nothing(bench: Bench) -> None:
    bench.maker.may_end.clear()
    making = asyncio.create_task(bench.do("create", "debian-12"))
    await asyncio.sleep(0.01)
    making.cancel()
    await asyncio.wait({making})
    assert making.cancelled() and bench.versions() == []
    bench.maker.may_end.set()
    await bench.do("create", "debian-12")


async def test_who_leaves_afterwards_does_not_stop_the_apps_from_moving(bench: Bench) -> None:
    await bench.do("create", "debian-12")
    bench.moves.may_end.clear()
    updating = asyncio.create_task(bench.do("update", "debian-12", force=True))
    await asyncio.sleep(0.01)
    updating.cancel()
    await asyncio.wait({updating})
    with pytest.raises(Busy):
        await bench.do("update", "debian-12")
    bench.moves.may_end.set()
    await asyncio.sleep(0.01)
    assert bench.moves.to == [f"debian-12@{bench.ledger.stacks.current('debian-12')}"]


async def test_the_host_is_nobodys_to_change(bench: Bench) -> None:
    for what, words in (("update", ("host",)), ("switch", ("host", None))):
        with pytest.raises(Invalid, match="the server itself"):
            await bench.do(what, *words)
    with pytest.raises(Invalid, match="cannot be destroyed"):
        bench.deploys.destroy("host")
    for name, message in (("debian-13", "hostctl stacks:create debian-13"), ("nope", "There are: host")):
        with pytest.raises(NotFound, match=message):
            bench.deploys.destroy(name)


async def test_a_stack_that_nobody_needs_is_destroyed(bench: Bench) -> None:
    await bench.do("create", "debian-12")
    kate = bench.ledger.users.get("kate@example.com")
    app = bench.ledger.apps.create("hello", kate.id, "debian-12")
    bench.moves.current = lambda: {app.id: bench.ledger.releases.current(app.id)}  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="hello: its next build is for it"):
        bench.deploys.destroy("debian-12")
    bench.ledger.apps.set_stack(app.id, "host")
    build = bench.ledger.builds.start(app.id, kate.id, "c", stack=next(iter(bench.pool.refs)))
    with pytest.raises(Conflict, match="still runs needs debian-12"):
        bench.deploys.destroy("debian-12")
    bench.ledger.builds.finish(build.id, "failed")
    bench.deploys.destroy("debian-12")
    assert (bench.versions(), bench.pool.refs) == ([], {})


async def test_what_an_interrupted_hostd_left_is_cleared_up(bench: Bench) -> None:
    await bench.do("create", "debian-12")
    await bench.do("update", "debian-12", force=True)
    old = next(iter(bench.pool.refs))
    bench.pool.refs = {"debian-13@20261121.1": {}, **{ref: {} for ref in bench.pool.refs if ref != old}}
    await bench.deploys.recover()
    assert bench.systemd.stopped == ["hostd-stack-debian-12.service"]
    assert [ref[:10] for ref in bench.pool.refs] == ["debian-12@"]
    assert bench.versions() == [("2", True)]


async def test_what_was_being_moved_when_hostd_ended_goes_on_before_anything_else(bench: Bench) -> None:
    bench.deploys.go_on()
    made = await bench.do("create", "debian-12")
    bench.moves.left = [made.ref, "debian-12@20260101.1"]
    bench.moves.may_end.clear()
    bench.deploys.go_on()
    with pytest.raises(Busy, match=f"hostd goes on moving apps to {made.ref}. Wait until that is done"):
        await bench.do("update", "debian-12")
    bench.moves.may_end.set()
    await asyncio.sleep(0.01)
    # The other one is not in the pool any more.
    assert bench.moves.to == [made.ref]


async def test_a_new_hostd_that_ends_leaves_the_rest_to_the_next(bench: Bench) -> None:
    made = await bench.do("create", "debian-12")
    bench.moves.left = [made.ref]
    bench.moves.may_end.clear()
    bench.deploys.go_on()
    await asyncio.sleep(0.01)
    await bench.deploys.close()
    assert (bench.moves.to, bench.moves.left) == ([], [made.ref])
