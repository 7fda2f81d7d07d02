"""What a push says and leaves when things go wrong around it."""

from __future__ import annotations

import asyncio
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from hostd.deploys.deploy import Deploy, PushOutcome
from hostd.deploys.deploys import Deploys
from hostd.deploys.first_deploy import with_suggested
from hostd.deploys.garbage import Garbage
from hostd.deploys.locks import DeployLocks
from hostd.deploys.push import Push, Pusher
from hostd.deploys.recording import Recording
from hostd.errors import Busy, Conflict, NotFound, Unavailable

APP, KATE = SimpleNamespace(id="1", name="hello"), SimpleNamespace(id="2", email="kate@example.com")
DEPLOY = Deploy("3", APP, KATE, "20a5742" + "0" * 33)  # type: ignore[arg-type]


class FakeBuilds:
    """A ledger's builds: none, until a push has begun."""

    begun = False

    def get(self, build_id: str) -> Any:
        if not self.begun:
            raise NotFound("There is no such build.")
        return SimpleNamespace(id=build_id, status="pending", release_version=None, reason=None)


class BuiltPusher(Pusher):
    """One whose builds are done before they begin, or fail, or never end."""

    builds = FakeBuilds()
    error: Exception | None = None
    endless = False

    async def _build_and_release(self, push: Push) -> Any:
        self.builds.begun = True
        push.begun.set()
        if self.error is not None:
            raise self.error
        if self.endless:
            await asyncio.Event().wait()
        return SimpleNamespace(version=7)


class FakeManager:
    """One that cannot tell how a release fares."""

    def nudge(self, app_id: str) -> None:
        pass

    async def settle(self, *_: object) -> Any:
        raise Unavailable("systemd does not answer")


BUILD: Any = SimpleNamespace(id="3")


@pytest.fixture
def pusher() -> BuiltPusher:
    parts = dict.fromkeys(("ledger", "compiler", "events", "faults", "last_lines", "garbage", "stacks", "capacity"))
    settings = SimpleNamespace(boot_timeout=60)
    return BuiltPusher(**parts, manager=FakeManager(), settings=settings, locks=DeployLocks())  # type: ignore[arg-type]


@pytest.fixture
def deploys(pusher: BuiltPusher) -> Deploys:
    def save(*_: object) -> None:
        assert pusher.builds.begun, "the ledger keeps outputs of recorded builds only"

    outputs = SimpleNamespace(save=save)
    pusher.builds = FakeBuilds()
    ledger = SimpleNamespace(builds=pusher.builds, build_outputs=outputs)
    parts = dict.fromkeys(("manager", "events", "locks", "garbage", "stacks"))
    return Deploys(ledger=ledger, pusher=pusher, **parts)  # type: ignore[arg-type]


async def no_tree() -> Any:
    return
    yield b""


def push_to(said: list[bytes]) -> Push:
    async def output(piece: bytes) -> None:
        said.append(piece)

    return Push(DEPLOY, no_tree(), output, Recording(lambda _: None))


async def test_a_push_is_released_whatever_fails_behind_its_release(pusher: BuiltPusher) -> None:
    said: list[bytes] = []
    outcome = await pusher.push(push_to(said))
    assert (outcome.status, outcome.version) == ("released", 7)
    assert b"rejected" not in b"".join(said)


async def test_a_push_is_rejected_if_its_build_fails(pusher: BuiltPusher) -> None:
    said: list[bytes] = []
    pusher.error = Conflict("The release command failed")
    push = push_to(said)
    outcome = await pusher.push(push)
    assert (outcome.status, outcome.reason) == ("rejected", "The release command failed")
    assert b"nothing has changed for hello" in b"".join(said)
    assert push.recording.output.text == b"".join(said)


async def test_a_build_that_is_cancelled_tells_whoever_waits_for_it(pusher: BuiltPusher, deploys: Deploys) -> None:
    said: list[bytes] = []

    async def output(piece: bytes) -> None:
        said.append(piece)

    pusher.endless = True
    waiting = asyncio.create_task(deploys.push(DEPLOY, tree=no_tree(), output=output))
    await asyncio.sleep(0)
    heard = asyncio.create_task(_all_of(deploys))
    await asyncio.sleep(0)
    assert deploys.cancel(BUILD, KATE)  # type: ignore[arg-type]
    assert deploys.cancel(BUILD, KATE)  # type: ignore[arg-type]
    outcome = await waiting
    assert (outcome.status, outcome.reason) == ("rejected", "cancelled by kate@example.com")
    assert await heard == b"".join(said)
    assert b" !     cancelled by kate@example.com\n" in await heard
    assert not deploys.cancel(BUILD, KATE)  # type: ignore[arg-type]


async def test_a_client_that_goes_away_cancels_its_build(pusher: BuiltPusher, deploys: Deploys) -> None:
    pusher.endless = True
    waiting = asyncio.create_task(deploys.push(DEPLOY, tree=no_tree(), output=_nobody))
    await asyncio.sleep(0)
    with pytest.raises(Conflict, match="a build 3 already"):
        await deploys.push(DEPLOY, tree=no_tree(), output=_nobody)
    heard = asyncio.create_task(_all_of(deploys))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await deploys.idle()
    assert b" !     cancelled: the client went away\n" in await heard


async def test_what_was_refused_before_it_began_keeps_nothing(pusher: BuiltPusher, deploys: Deploys) -> None:
    with pusher._locks.hold(APP.id, "kate@example.com is deploying 20a5742 to hello"):
        outcome = await deploys.push(DEPLOY, tree=no_tree(), output=_nobody)
        with pytest.raises(Busy, match="is deploying 20a5742 to hello"):
            await deploys.start(DEPLOY, tree=no_tree())
    assert (outcome.status, outcome.reason[:16]) == ("rejected", "kate@example.com")


async def test_a_listener_who_has_gone_is_spared_and_the_rest_is_kept() -> None:
    async def output(_piece: bytes) -> None:
        raise ConnectionResetError("Cannot write to closing transport")

    push = Push(DEPLOY, no_tree(), output, Recording(lambda _: None))
    await push.say(b"one ")
    await push.say(b"two")
    push.recording.end()
    assert push.recording.output.text == b"one two"


async def test_builds_that_run_end_with_hostd(pusher: BuiltPusher, deploys: Deploys) -> None:
    pusher.endless = True
    await deploys.start(DEPLOY, tree=no_tree())
    assert deploys.outcome("3") == PushOutcome("running")
    await deploys.close()
    await deploys.idle()
    with pytest.raises(Unavailable, match="being restarted"):
        await deploys.push(DEPLOY, tree=no_tree(), output=_nobody)


async def _nobody(_piece: bytes) -> None:
    pass


async def _all_of(deploys: Deploys) -> bytes:
    return b"".join([piece async for piece in deploys.output(BUILD)])  # type: ignore[arg-type]


class FakeSystemd:
    """Builds and dynos, and what was done to them."""

    def __init__(self, *names: str) -> None:
        self.names, self.stopped = names, list[str]()

    def list_units(self, _patterns: list[str]) -> list[Any]:
        return [SimpleNamespace(name=name) for name in self.names]

    async def stop(self, name: str) -> None:
        self.stopped.append(name)

    def reset_failed(self, name: str) -> None:
        pass


def test_buildpacks_suggest_what_an_owner_could_set_and_has_not() -> None:
    refused = {"A B": "x", "PORT": "1", "HOSTD_X": "1", "NUL": "\0", "LARGE": "x" * (1 << 20)}
    suggested = {**refused, "LANG": "C", "COLOUR": "red"}
    assert with_suggested(released(slug=None), suggested) == {"COLOUR": "blue", "LANG": "C"}


def test_buildpacks_suggest_nothing_to_an_app_that_was_deployed() -> None:
    assert with_suggested(released(slug="one"), {"LANG": "C"}) == {"COLOUR": "blue"}


def released(*, slug: str | None) -> Any:
    return SimpleNamespace(slug_id=slug, config={"COLOUR": "blue"})


def test_only_builds_are_stopped_by_a_restart() -> None:
    build = f"hostd-build-{uuid.uuid4()}.service"
    systemd = FakeSystemd(build, "hostd-build-web.1-v3.service", "hostd-build-tool-web.1-v3.service")
    nothing = SimpleNamespace(
        builds=SimpleNamespace(pending=list), slugs=SimpleNamespace(kept=list), apps=SimpleNamespace(destroyed=list)
    )
    pool = SimpleNamespace(builds=list, slugs=list, finish_returns=lambda: None, drop_stray_manifests=lambda: None)
    asyncio.run(Garbage(nothing, pool, None, systemd, None, 10, None, None).recover())  # type: ignore[arg-type]
    assert systemd.stopped == [build]
