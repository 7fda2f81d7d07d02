"""What a push says and leaves when things go wrong around it."""

from __future__ import annotations

import asyncio
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from hostd.deploys.garbage import Garbage
from hostd.deploys.locks import DeployLocks
from hostd.deploys.push import Push, Pusher
from hostd.errors import Conflict, Unavailable

APP, KATE = SimpleNamespace(id="1", name="hello"), SimpleNamespace(id="2", email="kate@example.com")


class BuiltPusher(Pusher):
    """One whose builds are done before they begin, or fail."""

    error: Exception | None = None

    async def _build_and_release(self, push: Push) -> Any:
        if self.error is not None:
            raise self.error
        return SimpleNamespace(version=7)


class FakeManager:
    """One that cannot tell how a release fares."""

    def nudge(self, app_id: str) -> None:
        pass

    async def settle(self, *_: object) -> Any:
        raise Unavailable("systemd does not answer")


@pytest.fixture
def pusher() -> BuiltPusher:
    parts = dict.fromkeys(("ledger", "compiler", "events", "faults", "last_lines", "garbage"))
    settings = SimpleNamespace(boot_timeout=60)
    return BuiltPusher(**parts, manager=FakeManager(), settings=settings, locks=DeployLocks())  # type: ignore[arg-type]


def push_to(said: list[bytes]) -> Push:
    async def output(piece: bytes) -> None:
        said.append(piece)

    async def source() -> Any:
        yield b""

    return Push("3", APP, KATE, "20a5742" + "0" * 33, "refs/heads/main", source(), output)  # type: ignore[arg-type]


def test_a_push_is_released_whatever_fails_behind_its_release(pusher: BuiltPusher) -> None:
    said: list[bytes] = []
    outcome = asyncio.run(pusher.push(push_to(said)))
    assert (outcome.status, outcome.version) == ("released", 7)
    assert b"rejected" not in b"".join(said)


def test_a_push_is_rejected_if_its_build_fails(pusher: BuiltPusher) -> None:
    said: list[bytes] = []
    pusher.error = Conflict("The release command failed")
    outcome = asyncio.run(pusher.push(push_to(said)))
    assert (outcome.status, outcome.reason) == ("rejected", "The release command failed")
    assert b"nothing has changed for hello" in b"".join(said)


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


def test_only_builds_are_stopped_by_a_restart() -> None:
    build = f"hostd-build-{uuid.uuid4()}.service"
    systemd = FakeSystemd(build, "hostd-build-web.1-v3.service", "hostd-build-tool-web.1-v3.service")
    nothing = SimpleNamespace(
        builds=SimpleNamespace(pending=list), slugs=SimpleNamespace(kept=list), apps=SimpleNamespace(destroyed=list)
    )
    pool = SimpleNamespace(builds=list, slugs=list, finish_returns=lambda: None)
    asyncio.run(Garbage(nothing, pool, None, systemd, None, 10).recover())  # type: ignore[arg-type]
    assert systemd.stopped == [build]
