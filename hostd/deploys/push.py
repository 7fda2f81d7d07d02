"""A push, or what else is deployed, from its source to a running release."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field

from buildpacks.report import Report
from hostd.capacity import Capacity
from hostd.deploys.deploy import Deploy, PushOutcome, short
from hostd.deploys.echo import echoed_build
from hostd.deploys.first_deploy import FirstDeploy
from hostd.deploys.garbage import Garbage
from hostd.deploys.lastlines import LastLines
from hostd.deploys.locks import DeployLocks
from hostd.deploys.recording import Recording
from hostd.deploys.release_phase import ReleasePhase, size_of_release
from hostd.deploys.slug_drafts import SlugDraft, take_in
from hostd.deploys.transcript import detail, problem, quoted, step
from hostd.errors import Conflict, HostdError
from hostd.events import Events
from hostd.faults import FaultPoint, Faults
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.builds import GIT_PUSH
from hostd.ledger.releases import Release
from hostd.ledger.slugs import Slug
from hostd.manager.manager import Manager
from hostd.manager.settling import Settled
from hostd.settings import Settings
from slugs.build_unit import Output
from slugs.compiler import CompiledSlug, Compiler, CompileRequest
from slugs.errors import SlugsError
from slugs.pool import size
from slugs.stacks import Stack, Stacks, name_of, version_of

log = logging.getLogger(__name__)

SETTLE_MARGIN = 15.0
"""Seconds beyond the boot timeout that a push waits to tell how its release fares."""
KEPT_OUTPUTS = 100
"""Builds of an app whose transcripts are kept: up to 1 MiB each, on the disk that the ledger is on."""
CLIENT_GONE = "cancelled: the client went away"


@dataclass(slots=True)
class Push:
    """One deploy that is under way: its tar stream (None if the build fetches the source itself), and who hears it.

    `begun` is set once its build is in the ledger, or cannot be. `cancelled` says why it is to be cancelled.
    """

    deploy: Deploy
    tree: AsyncIterator[bytes] | None
    output: Output
    recording: Recording
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: str | None = None

    @property
    def app(self) -> App:
        """What is deployed to."""
        return self.deploy.app

    async def say(self, piece: bytes) -> None:
        """Let a piece of the transcript be heard and kept."""
        self.recording.write(piece)
        try:
            await self.output(piece)
        except ConnectionError:
            # Whoever listened has gone. The server cancels their call now, and that cancels the build.
            self.output = unheard


def record_slug(ledger: Ledger, app: App, slug: CompiledSlug) -> Slug:
    """Let the ledger know a slug that is in the pool; call it within the transaction of its release."""
    return ledger.slugs.add(
        app.id,
        commit=slug.commit,
        size_bytes=slug.size_bytes,
        process_types=slug.process_types,
        buildpack=slug.buildpack,
        stack=name_of(slug.stack),
        stack_version=version_of(slug.stack),
        digest=slug.digest,
        id=slug.slug_id,
        files=slug.files,
        buildpacks=[asdict(pack) for pack in slug.buildpacks],
        checks=slug.checks,
    )


async def unheard(_piece: bytes) -> None:
    """The output of a deploy that nobody listens to: its recording has it."""


class Pusher:
    """Tells the story of a push, step by step."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        compiler: Compiler,
        manager: Manager,
        events: Events,
        settings: Settings,
        locks: DeployLocks,
        faults: Faults,
        last_lines: LastLines,
        garbage: Garbage,
        stacks: Stacks,
        capacity: Capacity,
    ) -> None:
        self._ledger = ledger
        self._capacity = capacity
        self._compiler = compiler
        self._manager = manager
        self._events = events
        self._settings = settings
        self._locks = locks
        self._faults = faults
        self._last_lines = last_lines
        self._garbage = garbage
        self._stacks = stacks

    async def push(self, push: Push) -> PushOutcome:
        """Build, release and launch; every step is said on the push's output.

        Until the release is appended, any failure or cancellation leaves everything as it was. From
        then on the release stands, and the dyno manager starts it whether or not anybody listens.
        """
        try:
            return await self._push(push)
        finally:
            push.begun.set()
            push.recording.end()

    async def take_in(self, app: App, draft: SlugDraft, tree: AsyncIterator[bytes]) -> CompiledSlug:
        """Make an uploaded slug one in the pool, which no release names yet. Raises Invalid, Unavailable."""
        slug = await take_in(self._compiler, self._ledger, app, draft, self._stacks.current(draft.stack), tree)
        self._faults.reach(FaultPoint.COMPILED)
        return slug

    def drop(self, slug: CompiledSlug) -> None:
        """Delete a slug again that was not released."""
        self._compiler.pool.delete_slug(slug.slug_id)

    async def _push(self, push: Push) -> PushOutcome:
        deploy = push.deploy
        doing = f"{deploy.user.email} is deploying {deploy.what} to {deploy.app.name}"
        try:
            with self._locks.hold(deploy.app.id, doing):
                release = await self._build_and_release(push)
        except (HostdError, SlugsError) as error:
            return await self._rejected(push, str(error))
        except asyncio.CancelledError:
            if push.cancelled is None:
                raise
            return await self._rejected(push, push.cancelled)
        # Without the lock: whoever sees that the release does not come up may go back at once.
        await self._follow(push, release)
        return PushOutcome("released", release.version)

    async def _rejected(self, push: Push, reason: str) -> PushOutcome:
        what = "Push" if push.deploy.label == GIT_PUSH else "Deploy"
        await push.say(problem(reason))
        if push.deploy.setup is None:
            await push.say(problem(f"{what} rejected: nothing has changed for {push.app.name}."))
        return PushOutcome("rejected", reason=reason)

    async def _build_and_release(self, push: Push) -> Release:
        deploy = push.deploy
        stack = self._stacks.current(deploy.app.stack)
        self._ledger.builds.start(
            deploy.app.id, deploy.user.id, deploy.commit, id=deploy.id, source=deploy.label, stack=stack.ref
        )
        self._ledger.build_outputs.prune(deploy.app.id, KEPT_OUTPUTS)
        push.begun.set()
        self._events.api(deploy.app, f"Build started by {deploy.user.email}")
        slug: CompiledSlug | None = None
        first = FirstDeploy(deploy, self._ledger, self._stacks, self._capacity, push.say)
        try:
            self._faults.reach(FaultPoint.BUILD_RECORDED)
            slug = await self._compile(push, stack, first)
            await first.tell_formation(slug.process_types)
            self._faults.reach(FaultPoint.COMPILED)
            phase_output = await self._release_phase(push, slug, first)
            self._faults.reach(FaultPoint.RELEASE_PHASE_DONE)
            release = self._append(push, slug, first, phase_output)
        except BaseException as error:
            self._fail(push, error)
            if slug is not None:
                self._compiler.pool.delete_slug(slug.slug_id)
            raise
        self._events.api(deploy.app, "Build succeeded")
        self._events.release(deploy.app, release)
        self._faults.reach(FaultPoint.RELEASE_APPENDED)
        return release

    def _fail(self, push: Push, error: BaseException) -> None:
        cancelled = isinstance(error, asyncio.CancelledError)
        reason = push.cancelled or CLIENT_GONE if cancelled else str(error)
        reason = reason or type(error).__name__
        push.recording.save()
        self._ledger.builds.finish(push.deploy.id, "failed", reason=reason, cancelled=cancelled)
        self._events.api(push.app, f"Build failed: {reason}")

    async def _compile(self, push: Push, stack: Stack, first: FirstDeploy) -> CompiledSlug:
        deploy, ledger = push.deploy, self._ledger
        current = ledger.releases.current(deploy.app.id)
        request = CompileRequest(
            build_id=deploy.id,
            app_id=deploy.app.id,
            app_name=deploy.app.name,
            uid=deploy.app.uid,
            commit=deploy.commit,
            stack=stack,
            config=current.config,
            previous_slug=current.slug_id,
            buildpacks=deploy.buildpacks or tuple(ledger.buildpacks.list(deploy.app.id)),
            source=deploy.source,
            submodules=deploy.submodules,
            timeout=deploy.timeout or deploy.app.build_timeout,
        )

        def learn(report: Report) -> None:
            ledger.builds.learn(
                deploy.id,
                commit=report.commit or None,
                buildpacks=[asdict(pack) for pack in report.used],
                report=report.metadata or None,
            )

        async with echoed_build(self._events, deploy.app, deploy.what) as echo:

            async def output(piece: bytes) -> None:
                self._faults.reach(FaultPoint.BUILDING)
                echo.hear(piece)
                await push.say(piece)

            arrange = first.arrange if current.slug_id is None else None
            slug = await self._compiler.compile(request, source=push.tree, output=output, learn=learn, arrange=arrange)
            shared = ""
            if current.slug_id is not None:
                shared = f" ({size(slug.shared_bytes)} shared with v{current.version})"
            snapshot = step(f"Snapshotting slug... done: {size(slug.size_bytes)}{shared}")
            echo.hear(snapshot)
            await push.say(snapshot)
        return slug

    async def _release_phase(self, push: Push, slug: CompiledSlug, first: FirstDeploy) -> bytes | None:
        command = slug.process_types.get("release")
        if command is None:
            return None
        await push.say(step("Running release command..."))
        current = self._ledger.releases.current(push.app.id)

        async def say(piece: bytes) -> None:
            self._faults.reach(FaultPoint.RELEASE_PHASE_RUNNING)
            await push.say(piece)

        phase = ReleasePhase(push.app, say, self._events)
        status = await self._manager.one_offs.run_captured(
            push.app.id,
            command,
            slug_id=slug.slug_id,
            stack=slug.stack,
            config=first.config(current, slug.config_vars),
            type_="release",
            version=current.version + 1,
            hearer=phase,
            size=size_of_release(self._ledger, push.app.id),
        )
        if status != 0:
            raise Conflict(f"The release command failed with exit status {status}: the lines above say why.")
        return phase.output

    def _append(self, push: Push, slug: CompiledSlug, first: FirstDeploy, phase_output: bytes | None) -> Release:
        ledger, deploy = self._ledger, push.deploy
        # A version that became current during the build has what it was built on, patched.
        stack = self._stacks.current(name_of(slug.stack)).ref
        push.recording.save()
        with ledger.transaction():
            current = ledger.releases.current(deploy.app.id)
            record_slug(ledger, deploy.app, slug)
            first.record(slug.process_types)
            ledger.formation.adopt(deploy.app.id, slug.process_types)
            release = ledger.releases.append(
                deploy.app.id,
                slug_id=slug.slug_id,
                config=first.config(current, slug.config_vars),
                description=f"Deploy {short(slug.commit) or deploy.label}",
                user=deploy.user,
                build_id=deploy.id,
                stack=stack,
            )
            if phase_output is not None:
                ledger.releases.add_output(deploy.app.id, release.version, phase_output.decode(errors="replace"))
            ledger.builds.finish(deploy.id, "succeeded", slug_id=slug.slug_id, release_version=release.version)
        return release

    async def _follow(self, push: Push, release: Release) -> None:
        """Tell how the release fares, and clean up behind it. The release stands, whatever fails here."""
        try:
            await self._launch(push, release)
            self._garbage.collect(push.app.id)
        except Exception:
            log.exception("v%s of %s is released; what comes after failed", release.version, push.app.name)

    async def _launch(self, push: Push, release: Release) -> None:
        self._manager.nudge(push.app.id)
        limit = self._settings.boot_timeout + SETTLE_MARGIN
        settled = await self._manager.settle(push.app.id, release.version, limit)
        self._faults.reach(FaultPoint.SETTLED)
        if settled.ok:
            await push.say(step(f"Launching... done, v{release.version}"))
            await push.say(detail(f"{self._settings.web_url(push.app.name)} deployed to hostd"))
            return
        if settled.superseded:
            await push.say(step(f"Launching... v{release.version} was overtaken by a newer release"))
            return
        await push.say(step(f"Launching... v{release.version} is not up"))
        await push.say(problem(_trouble(push.app, release, settled)))
        for dyno in settled.crashed[:1]:
            await push.say(quoted(await self._last_lines(push.app.id, dyno.unit)))
        name, previous = push.app.name, self._ledger.releases.get(push.app.id, release.version - 1)
        back = f"; go back with `hostctl rollback -a {name}`" if previous.slug_id else ""
        await push.say(problem(f"See `hostctl logs -a {name}`{back}."))


def _trouble(app: App, release: Release, settled: Settled) -> str:
    if settled.crashed:
        names = ", ".join(f"{dyno.name} ({dyno.reason})" for dyno in settled.crashed)
        return f"Release v{release.version} of {app.name} crashed: {names}.{_serving(release, settled)}"
    return f"Release v{release.version} of {app.name} is still starting; hostd goes on with it."


def _serving(release: Release, settled: Settled) -> str:
    """One more line: who answers the app's web requests now."""
    if settled.serving is None:
        return ""
    if settled.serving == release.version:
        return "\nIts web dynos are up and serving."
    return f"\nv{settled.serving} goes on serving its web requests."
