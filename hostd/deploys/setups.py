"""Setups: an app is made of a source at one go, as the source's app.json says.

The app and the record of its setup are there at once; then the source is fetched, deployed as any first deploy, and the
command `postdeploy` is run. What fails before the first release takes the app along, so that its name is free for
another try; a release stands.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from buildpacks.source import TarSource
from hostd.app_json import Script
from hostd.app_json.first_deploy import success_address
from hostd.deploys.deploy import Deploy, Setup, Wanted
from hostd.deploys.deploys import Deploys
from hostd.deploys.downloading import Downloads
from hostd.deploys.recording import Recording
from hostd.deploys.release_phase import ReleasePhase
from hostd.deploys.transcript import problem, step
from hostd.errors import Conflict, HostdError
from hostd.events import Events
from hostd.journals import Journals
from hostd.ledger import Ledger
from hostd.ledger.app_setups import AppSetup
from hostd.ledger.apps import HOST_STACK, App
from hostd.ledger.users import User
from hostd.manager.manager import Manager
from hostd.settings import Settings

log = logging.getLogger(__name__)

POSTDEPLOY = "postdeploy"
"""The process type of that command's dyno."""
POSTDEPLOY_SECONDS = 3600.0
"""How long the command after the first deploy may take."""
INTERRUPTED = "hostd was restarted during the setup, and nothing is left of it. Set the app up again."
FAULT = "hostd failed: what went wrong is in its log (journalctl -u hostd)."


class Setups:
    """The setups that are under way."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        deploys: Deploys,
        manager: Manager,
        events: Events,
        journals: Journals,
        settings: Settings,
        downloads: Downloads,
        destroy: Callable[[App], Awaitable[None]],
    ) -> None:
        """`destroy` takes an app away with everything that it has."""
        self._ledger = ledger
        self._deploys = deploys
        self._manager = manager
        self._events = events
        self._journals = journals
        self._settings = settings
        self._downloads = downloads
        self._destroy = destroy
        self._recordings: dict[str, Recording] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """End what an earlier hostd was at: called once, before anything new is begun."""
        for setup in self._ledger.app_setups.pending():
            log.warning("the setup of %s was interrupted", setup.app_name)
            self._spawn(self._give_up(setup), setup)

    def begin(self, setup: AppSetup, app: App, user: User, wanted: Wanted) -> None:
        """Set an app up that was just made; its setup is recorded, and tells how it goes."""
        recording = self._recordings[setup.id] = Recording(lambda _: None)
        self._spawn(self._run(setup, app, user, wanted, recording), setup)

    async def output(self, setup: AppSetup) -> AsyncIterator[bytes]:
        """What a setup said, and as long as it goes on what it says."""
        recording = self._recordings.get(setup.id)
        if recording is None:
            yield self._ledger.app_setups.output(setup.id)
            return
        async for piece in recording.follow():
            yield piece

    async def close(self) -> None:
        """Stop; the next hostd ends what this one has not."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Awaitable[None], setup: AppSetup) -> None:
        async def working() -> None:
            try:
                await work
            except Exception:
                # Nobody waits for this task; the next start of hostd ends the setup.
                log.exception("the setup of %s could not be ended", setup.app_name)

        task = asyncio.create_task(working(), name=f"setup {setup.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, setup: AppSetup, app: App, user: User, wanted: Wanted, recording: Recording) -> None:
        said = Setup(env=wanted.env, buildpacks=wanted.buildpacks)
        try:
            failure = await self._attempt(setup, app, user, wanted, said, recording)
            await self._ended(setup, app, failure, said, recording)
        finally:
            # Also when hostd ends: whoever follows is let go.
            recording.end()
            del self._recordings[setup.id]

    async def _attempt(  # noqa: PLR0917
        self, setup: AppSetup, app: App, user: User, wanted: Wanted, said: Setup, recording: Recording
    ) -> str | None:
        """Set the app up; why that failed, or None."""
        try:
            await self._journals.ensure([app.id])
            self._events.release(app, self._ledger.releases.current(app.id))
            self._manager.nudge(app.id)
            return await self._set_up(setup, app, user, wanted, said, recording)
        except HostdError as error:
            failure = str(error)
        except Exception:
            # Nobody waits for this task: what it does not record its client would wait for in vain.
            log.exception("the setup of %s failed", app.name)
            failure = FAULT
        recording.write(problem(failure))
        return failure

    async def _ended(self, setup: AppSetup, app: App, failure: str | None, said: Setup, recording: Recording) -> None:
        url, app = None, self._ledger.apps.once(app.id)
        if failure is None:
            self._events.api(app, "Setup succeeded")
            if said.manifest is not None:
                url = success_address(said.manifest, self._settings.web_url(app.name))
        elif self._is_released(app.id):
            self._events.api(app, f"Setup failed: {' '.join(failure.split())}")
        else:
            await self._take_away(app.id)
            recording.write(problem(f"{app.name} was not set up and is gone again: its name is free for another try."))
        self._ledger.app_setups.end(
            setup, failure=failure, problems=said.problems, success_url=url, output=recording.output.text
        )

    async def _set_up(  # noqa: PLR0917
        self, setup: AppSetup, app: App, user: User, wanted: Wanted, said: Setup, recording: Recording
    ) -> str | None:
        """Deploy, and run the command after it; why that failed, or None."""

        async def say(piece: bytes) -> None:
            recording.write(piece)

        if wanted.tree is None and isinstance(wanted.source, TarSource):
            recording.write(step(f"Downloading {wanted.label.removeprefix('tarball ')}"))
        async with self._tree(wanted) as tree:
            # It may have been renamed, or destroyed, while the source came.
            app = self._ledger.apps.once(app.id)
            if app.destroyed_at is not None:
                raise Conflict(f"{app.name} was destroyed during its setup.")
            deploy = Deploy(setup.build_id, app, user, wanted.version, wanted.label, wanted.source, setup=said)
            outcome = await self._deploys.push(deploy, tree=tree, output=say)
        if outcome.status != "released":
            return outcome.reason or "Nothing was released."
        if said.manifest is None or said.manifest.postdeploy is None:
            return None
        return await self._postdeploy(setup, app, said.manifest.postdeploy, recording)

    def _tree(self, wanted: Wanted) -> AbstractAsyncContextManager[AsyncIterator[bytes] | None]:
        if wanted.tree is not None:
            return nullcontext(wanted.tree)
        if isinstance(wanted.source, TarSource):
            return self._downloads.fetched(wanted.url, wanted.checksum)
        return nullcontext()

    async def _postdeploy(self, setup: AppSetup, app: App, script: Script, recording: Recording) -> str | None:
        """Run the command in a dyno of its own; why that failed, or None."""

        async def say(piece: bytes) -> None:
            recording.write(piece)

        release = self._ledger.releases.current(app.id)
        phase = ReleasePhase(app, say, self._events)
        status: int | None = None
        recording.write(step("Running postdeploy command..."))
        try:
            async with asyncio.timeout(POSTDEPLOY_SECONDS):
                status = await self._manager.one_offs.run_captured(
                    app.id,
                    script.command,
                    slug_id=release.slug_id or "",
                    config=release.config,
                    type_=POSTDEPLOY,
                    version=release.version,
                    hearer=phase,
                    stack=release.stack or HOST_STACK,
                    size=script.size,
                )
            failure = f"The postdeploy command failed with exit status {status}." if status else None
        except TimeoutError:
            failure = f"The postdeploy command took longer than {POSTDEPLOY_SECONDS / 60:g} minutes and was stopped."
        self._ledger.app_setups.postdeploy(setup, phase.output.decode(errors="replace"), status)
        if failure is None:
            recording.write(step("Setup done"))
            return None
        failure = f"{failure} {app.name} is deployed and stays; run the command again with: hostctl run -a {app.name}"
        recording.write(problem(failure))
        return failure

    async def _give_up(self, setup: AppSetup) -> None:
        """End the setup of a hostd that is no more."""
        if self._is_released(setup.app_id):
            name = self._ledger.apps.once(setup.app_id).name
            # Nobody hears what it prints any more, and it would end by that.
            await self._manager.one_offs.stop(setup.app_id, POSTDEPLOY)
            failure = (
                f"hostd was restarted during the setup. {name} is deployed and stays; its postdeploy command, if it "
                f"has one, was not run to its end. What it printed: hostctl logs -a {name} --dyno {POSTDEPLOY}"
            )
        else:
            await self._take_away(setup.app_id)
            failure = INTERRUPTED
        self._ledger.app_setups.end(setup, failure=failure, output=problem(failure))

    def _is_released(self, app_id: str) -> bool:
        """Whether the app is there, with code."""
        app = self._ledger.apps.once(app_id)
        return app.destroyed_at is None and self._ledger.releases.current(app_id).slug_id is not None

    async def _take_away(self, app_id: str) -> None:
        app = self._ledger.apps.once(app_id)
        if app.destroyed_at is None:
            await self._destroy(app)
