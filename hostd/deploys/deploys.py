"""Deploys: the one place where releases are made, whatever makes them."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from hostd.deploys.deploy import Deploy, PushOutcome
from hostd.deploys.garbage import INTERRUPTED, Garbage
from hostd.deploys.locks import DeployLocks
from hostd.deploys.push import CLIENT_GONE, Push, Pusher, record_slug, unheard
from hostd.deploys.recording import Recording
from hostd.deploys.release_command import ReleaseCommand, stack_for_slug
from hostd.deploys.slug_drafts import SlugDraft
from hostd.errors import Busy, Conflict, NotFound, Unavailable
from hostd.events import Events
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.build_outputs import BuildOutput
from hostd.ledger.builds import Build
from hostd.ledger.releases import Release
from hostd.ledger.slugs import Slug
from hostd.ledger.users import User
from hostd.manager.manager import Manager
from slugs.build_unit import Output
from slugs.errors import NoSuchStack
from slugs.stacks import Stacks

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A push that is under way, and the task that it is."""

    push: Push
    task: asyncio.Task[PushOutcome]

    def cancel(self, reason: str) -> None:
        """Cancel it; the reason is told to whoever waits for it."""
        if self.push.cancelled is None:
            self.push.cancelled = reason
            self.task.cancel()


class Deploys:
    """Makes releases: by a push, by a config change, by a rollback."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        manager: Manager,
        events: Events,
        locks: DeployLocks,
        pusher: Pusher,
        garbage: Garbage,
        stacks: Stacks,
    ) -> None:
        self._ledger = ledger
        self._manager = manager
        self._events = events
        self._locks = locks
        self._pusher = pusher
        self._garbage = garbage
        self._stacks = stacks
        self._release_command = ReleaseCommand(ledger, manager, events, stacks)
        self._running: dict[str, Running] = {}
        self._closed = False

    async def push(self, deploy: Deploy, *, tree: AsyncIterator[bytes] | None, output: Output) -> PushOutcome:
        """Deploy; see :meth:`Pusher.push`. Cancelling it cancels the build; a release that is made stands."""
        running = self._begin(deploy, tree, output)
        try:
            # Shielded: a build is cancelled once, or its cleaning up would be cancelled too.
            return await asyncio.shield(running.task)
        except asyncio.CancelledError:
            running.push.output = unheard
            if not self._is_done(deploy.id):
                running.cancel(CLIENT_GONE)
            raise

    async def start(self, deploy: Deploy, *, tree: AsyncIterator[bytes] | None) -> Build:
        """Begin a deploy that nobody waits for; returns once its build is recorded. Raises Busy during another."""
        running = self._begin(deploy, tree, unheard)
        await running.push.begun.wait()
        build = self._recorded(deploy.id)
        if build is None:
            raise Busy((await running.task).reason or "The build could not be begun.")
        return build

    def cancel(self, build: Build, user: User) -> bool:
        """Cancel a build that runs; False if it has ended, or has made its release already."""
        running = self._running.get(build.id)
        if running is None or self._is_done(build.id):
            return False
        running.cancel(f"cancelled by {user.email}")
        return True

    def end_where(self, lost: Callable[[str, str], bool], reason: str) -> None:
        """Cancel the deploys of users (by id) who may not deploy to an app (by id) any more; `reason` is told."""
        for running in list(self._running.values()):
            deploy = running.push.deploy
            if lost(deploy.user.id, deploy.app.id) and not self._is_done(deploy.id):
                running.cancel(reason)

    async def output(self, build: Build) -> AsyncIterator[bytes]:
        """What a build said, and as long as it runs what it says."""
        running = self._running.get(build.id)
        if running is None:
            yield self._ledger.build_outputs.get(build.id).text
            return
        async for piece in running.push.recording.follow():
            yield piece

    async def close(self) -> None:
        """Cancel the builds that run: hostd ends, and nobody would take them to a release."""
        self._closed = True
        tasks = [running.task for running in self._running.values()]
        for running in self._running.values():
            running.cancel(INTERRUPTED)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, deploy: Deploy, tree: AsyncIterator[bytes] | None, output: Output) -> Running:
        if self._closed:
            raise Unavailable("hostd is being restarted: try again in a moment.")
        if deploy.id in self._running or self._recorded(deploy.id) is not None:
            raise Conflict(f"There is a build {deploy.id} already.")
        push = Push(deploy, tree, output, Recording(functools.partial(self._keep, deploy.id)))
        running = Running(push, asyncio.create_task(self._pusher.push(push)))
        self._running[deploy.id] = running
        running.task.add_done_callback(lambda _: self._running.pop(deploy.id, None))
        return running

    def _recorded(self, build_id: str) -> Build | None:
        try:
            return self._ledger.builds.get(build_id)
        except NotFound:
            return None

    def _is_done(self, build_id: str) -> bool:
        """Whether the build has ended; its release may still be launched."""
        build = self._recorded(build_id)
        return build is not None and build.status != "pending"

    def _keep(self, build_id: str, output: BuildOutput) -> None:
        """Keep what a build has said; one that was refused before it began has no record."""
        if self._recorded(build_id) is not None:
            self._ledger.build_outputs.save(build_id, output)

    def outcome(self, push_id: str) -> PushOutcome | None:
        """How a push ended, from the ledger, also after a restart; None if it was never heard of."""
        if push_id in self._running:
            return PushOutcome("running")
        build = self._recorded(push_id)
        if build is None:
            return None
        if build.release_version is not None:
            return PushOutcome("released", build.release_version)
        return PushOutcome("rejected", reason=build.reason or "the build was interrupted")

    async def release(
        self,
        app: App,
        *,
        user: User,
        description: str,
        config: Mapping[str, str] | None = None,
        slug_id: str | None = None,
        stack: str | None = None,
    ) -> Release:
        """Append a release that differs from the current one in config, slug or `stack` (NAME@VERSION).

        Raises Busy while a push to the app is under way: its release would undo this one's config.
        """
        holder = self._locks.holder(app.id)
        if holder is not None:
            raise Busy(f"{holder}. Wait until that is done, then try again.")
        made = self._record(app, user, description, config=config, slug_id=slug_id, stack=stack)
        self._tell(app, made)
        return made

    async def release_slug(self, app: App, slug: Slug, *, user: User, description: str) -> Release:
        """Release a slug that the app has once more, after its release command has run with the config vars of now.

        Raises Conflict if that fails, and Busy during another deploy.
        """
        with self._locks.hold(app.id, f"{user.email} is releasing {slug.commit[:7] or slug.id[:8]} once more"):
            output = await self._release_command.run(app, slug.id, slug.process_types, slug.stack)
            release = self._record(app, user, description, slug_id=slug.id, output=output)
            self._tell(app, release)
            return release

    async def release_draft(
        self, app: App, draft: SlugDraft, tree: Callable[[], AsyncIterator[bytes]], *, user: User, description: str
    ) -> Release:
        """Make an uploaded slug, which `tree` opens, one of the app's and release it after its release command has run.

        It is the app's with that release, or not at all. Raises Invalid for what cannot be a slug, Unavailable
        without room for it, and what `release_slug` raises.
        """
        with self._locks.hold(app.id, f"{user.email} is releasing {draft.what}"):
            slug = await self._pusher.take_in(app, draft, tree())
            try:
                output = await self._release_command.run(app, slug.slug_id, slug.process_types, draft.stack)
                with self._ledger.transaction():
                    record_slug(self._ledger, app, replace(slug, buildpack=draft.buildpack))
                    self._ledger.formation.adopt(app.id, slug.process_types)
                    release = self._record(app, user, description, slug_id=slug.slug_id, output=output)
            except BaseException:
                self._pusher.drop(slug)
                raise
            self._tell(app, release)
        self._garbage.collect(app.id)
        return release

    def _record(
        self,
        app: App,
        user: User,
        description: str,
        *,
        config: Mapping[str, str] | None = None,
        slug_id: str | None = None,
        stack: str | None = None,
        output: bytes | None = None,
    ) -> Release:
        with self._ledger.transaction():
            current = self._ledger.releases.current(app.id)
            slug_id = slug_id or current.slug_id
            release = self._ledger.releases.append(
                app.id,
                slug_id=slug_id,
                config=dict(current.config if config is None else config),
                description=description,
                user=user,
                stack=self._stack_for(slug_id, current, stack),
            )
            if output is not None:
                self._ledger.releases.add_output(app.id, release.version, output.decode(errors="replace"))
        return release

    def _tell(self, app: App, release: Release) -> None:
        self._events.release(app, release)
        self._manager.nudge(app.id)

    def _stack_for(self, slug_id: str | None, current: Release, wanted: str | None) -> str | None:
        """What a release of that slug runs on: what is `wanted`, if that version is there still; else the version
        that the app runs on, if that is the slug's stack.

        Of another stack, and of the host stack, it is the version of the day. Raises Conflict if there is none.
        """
        if wanted is not None:
            with suppress(NoSuchStack):
                return self._stacks.get(wanted).ref
        if slug_id is None:
            return None
        return stack_for_slug(self._stacks, self._ledger.slugs.get(slug_id).stack, current)

    async def destroyed(self, app: App) -> None:
        """Delete the files and the account of an app that the ledger has ended and whose dynos have stopped."""
        self._ledger.build_outputs.prune(app.id, 0)
        await self._garbage.destroy(app)

    def holder(self, app_id: str) -> str | None:
        """What holds the app's deploy lock; None if it is free."""
        return self._locks.holder(app_id)

    async def idle(self) -> None:
        """Wait until no push runs; for tests and for a quiet shutdown."""
        while self._running:
            await asyncio.sleep(0.05)
