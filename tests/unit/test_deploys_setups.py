"""A setup from its beginning to its end, with a real ledger and parts that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ledger_kit import with_ledger

from buildpacks.source import GitSource, Source, TarSource
from hostd.app_json import Manifest, Script
from hostd.deploys.deploy import Deploy, PushOutcome, Wanted
from hostd.deploys.setups import Setups
from hostd.errors import Conflict
from hostd.events import Events
from hostd.ledger import Ledger
from hostd.ledger.app_setups import AppSetup, SetupStatus
from hostd.settings import Settings
from tests.unit.daemon_fakes import FakeJournals, FakeWriter

SEEDING = Manifest(postdeploy=Script("./seed", "standard-2x"), success_url="/welcome")


class Journal:
    """Takes the lines of an app's processes."""

    def __init__(self, _app_id: str) -> None:
        self.taken: list[str] = []

    async def send(self, message: str, **_fields: str) -> None:
        self.taken.append(message)

    def close(self) -> None:
        pass


class Scene:
    """Setups, and what the rest of hostd does for them."""

    def __init__(self, directory: Path) -> None:
        self.ledger = Ledger.open(with_ledger(directory / "master"))
        self.user = self.ledger.users.add("kate@example.com", admin=True)
        self.manifest: Manifest | None = SEEDING
        self.rejected: str | None = None
        self.download: Exception | None = None
        self.status = 0
        self.held: asyncio.Event | None = None
        self.trees: list[bytes | None] = []
        self.ran: list[tuple[str, dict[str, Any]]] = []
        self.stopped: list[str] = []
        self.setups = self.made()

    def made(self) -> Setups:
        manager = SimpleNamespace(nudge=lambda _: None, one_offs=self)
        events = Events(FakeWriter(), open_sender=Journal)
        return Setups(
            ledger=self.ledger, deploys=self, manager=manager, events=events,
            journals=FakeJournals(), settings=Settings(), downloads=self, destroy=self.destroy,
        )  # type: ignore[arg-type]  # fmt: skip

    def begun(self, source: Source | None = None) -> AppSetup:
        with self.ledger.transaction():
            app = self.ledger.apps.create("hello", self.user.id)
            setup = self.ledger.app_setups.add(app, self.user)
        url = "https://example.com/a.tgz"
        self.setups.begin(setup, app, self.user, Wanted(url, source or TarSource(strip=True), f"tarball {url}"))
        return setup

    async def ended(self, setup: AppSetup) -> AppSetup:
        while (found := self.ledger.app_setups.get(setup.id)).status is SetupStatus.PENDING:
            await asyncio.sleep(0)
        return found

    # The parts

    @asynccontextmanager
    async def fetched(self, _url: str, _checksum: str | None) -> AsyncIterator[AsyncIterator[bytes]]:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"archive"

        if self.download is not None:
            raise self.download
        yield pieces()

    async def push(
        self, deploy: Deploy, *, tree: AsyncIterator[bytes] | None, output: Callable[[bytes], Awaitable[None]]
    ) -> PushOutcome:
        self.trees.append(None if tree is None else b"".join([piece async for piece in tree]))
        await output(b"-----> Building\n")
        if self.held is not None:
            await self.held.wait()
        assert deploy.setup is not None
        if self.rejected is not None:
            deploy.setup.problems = ("env: A needs a value",)
            return PushOutcome("rejected", reason=self.rejected)
        deploy.setup.manifest = self.manifest
        self.release(deploy.app.id)
        return PushOutcome("released", 2)

    def release(self, app_id: str) -> None:
        slug = self.ledger.slugs.add(
            app_id, commit="", size_bytes=1, process_types={"web": "serve"}, buildpack="Go", stack="host", digest="d"
        )
        self.ledger.releases.append(app_id, slug_id=slug.id, config={"A": "1"}, description="Deploy", user=self.user)

    async def run_captured(self, _app_id: str, command: str, *, hearer: Any, **how: Any) -> int:
        self.ran.append((command, how))
        hearer.begins("postdeploy.1234")
        await hearer.hear(b"seeded\n")
        await hearer.ends()
        return self.status

    async def stop(self, app_id: str, selector: str) -> int:
        self.stopped.append(selector)
        return 1

    async def destroy(self, app: Any) -> None:
        self.ledger.apps.destroy(app.id)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_an_app_is_fetched_deployed_and_seeded(scene: Scene) -> None:
    setup = scene.begun()
    heard = asyncio.create_task(said(scene, setup))
    ended = await scene.ended(setup)
    assert (ended.status, ended.failure) == (SetupStatus.SUCCEEDED, None)
    assert ended.success_url == "http://hello.localhost/welcome"
    assert ended.postdeploy is not None and (ended.postdeploy.output, ended.postdeploy.status) == ("seeded\n", 0)
    ((command, how),) = scene.ran
    assert (command, how["config"], how["version"], how["size"]) == ("./seed", {"A": "1"}, 2, "standard-2x")
    assert scene.trees == [b"archive"]
    output = (
        b"-----> Downloading https://example.com/a.tgz\n-----> Building\n-----> Running postdeploy command...\n"
        b"       seeded\n-----> Setup done\n"
    )
    assert await heard == output == await said(scene, setup)


async def test_a_repository_is_not_downloaded_and_a_command_is_no_duty(scene: Scene) -> None:
    scene.manifest = Manifest()
    ended = await scene.ended(scene.begun(GitSource("https://example.com/a.git")))
    assert (ended.status, ended.postdeploy, ended.success_url) == (SetupStatus.SUCCEEDED, None, None)
    assert scene.trees == [None] and not scene.ran


async def test_what_fails_before_its_release_takes_the_app_along(scene: Scene) -> None:
    scene.rejected = "app.json: env: A needs a value"
    ended = await scene.ended(setup := scene.begun())
    assert (ended.failure, ended.problems) == (scene.rejected, ("env: A needs a value",))
    assert scene.ledger.apps.list() == [] and b"hello was not set up and is gone again" in await said(scene, setup)
    scene.download = Conflict("The source cannot be downloaded: it is gone.")
    ended = await scene.ended(setup := scene.begun())
    assert ended.failure == str(scene.download) and scene.ledger.apps.list() == []
    assert b" !     The source cannot be downloaded: it is gone.\n" in await said(scene, setup)


async def test_a_fault_is_a_failure_too(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.download = ValueError("of hostd's own")
    ended = await scene.ended(scene.begun())
    assert "what went wrong is in its log" in (ended.failure or "") and "of hostd's own" in caplog.text


async def test_a_command_that_fails_leaves_the_app(scene: Scene) -> None:
    scene.status = 3
    ended = await scene.ended(scene.begun())
    assert ended.status is SetupStatus.FAILED and "exit status 3. hello is deployed and stays" in (ended.failure or "")
    assert ended.postdeploy is not None and ended.postdeploy.status == 3
    assert [app.name for app in scene.ledger.apps.list()] == ["hello"]


@pytest.mark.parametrize("released", [False, True])
async def test_the_next_hostd_ends_what_this_one_has_not(scene: Scene, released: bool) -> None:
    scene.held = asyncio.Event()
    setup = scene.begun()
    heard = asyncio.create_task(said(scene, setup))
    while not scene.trees:
        await asyncio.sleep(0)
    await scene.setups.close()
    assert b"-----> Building" in await heard
    assert scene.ledger.app_setups.get(setup.id).status is SetupStatus.PENDING
    if released:
        scene.release(setup.app_id)
    scene.setups = scene.made()
    scene.setups.start()
    ended = await scene.ended(setup)
    assert ended.status is SetupStatus.FAILED and "hostd was restarted" in (ended.failure or "")
    assert bool(scene.ledger.apps.list()) == released
    assert scene.stopped == (["postdeploy"] if released else [])


async def said(scene: Scene, setup: AppSetup) -> bytes:
    return b"".join([piece async for piece in scene.setups.output(setup)])
