"""Promotions: the slug of one app becomes a release of others, without another build.

An app's files are its own user's, and so are a slug's. A target therefore gets a slug of its own: a snapshot of the
source's, given to its user. All blocks of it are shared, its digest is the same, and it lives and goes with the
target's releases, whatever becomes of the source.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Sequence

from hostd.deploys.deploy import short
from hostd.deploys.garbage import Garbage
from hostd.deploys.locks import DeployLocks
from hostd.deploys.release_command import ReleaseCommand, stack_for_slug
from hostd.errors import Conflict, HostdError, Unavailable
from hostd.events import Events, Subject
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.pipelines import Pipeline
from hostd.ledger.promotions import Promotion, Target
from hostd.ledger.releases import Release
from hostd.ledger.slugs import Slug
from hostd.ledger.users import User
from hostd.manager.manager import Manager
from slugs.errors import SlugsError
from slugs.pool import Pool
from slugs.stacks import Stacks
from units.run import CommandError, arun

log = logging.getLogger(__name__)

INTERRUPTED = "hostd was restarted during the promotion. Promote again."
_OWN_SECONDS = 300.0
_NICEST = "-n19"


class Promoter:
    """Makes releases of targets from what a source runs."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        pool: Pool,
        manager: Manager,
        events: Events,
        locks: DeployLocks,
        garbage: Garbage,
        stacks: Stacks,
    ) -> None:
        self._ledger = ledger
        self._pool = pool
        self._manager = manager
        self._events = events
        self._locks = locks
        self._garbage = garbage
        self._stacks = stacks
        self._release_command = ReleaseCommand(ledger, manager, events, stacks)
        self._running: set[asyncio.Task[None]] = set()

    def recover(self) -> None:
        """End what an earlier hostd was at: called once, before anything new is begun."""
        if count := self._ledger.promotions.interrupt(INTERRUPTED):
            log.warning("%d promotions were interrupted", count)

    def begin(self, pipeline: Pipeline, source: Release, targets: Sequence[App], user: User) -> Promotion:
        """Promote what a release of a source has to the targets, each by itself; returns when that is recorded.

        Raises Conflict if the source has no code, or the files of its slug are gone.
        """
        app = self._ledger.apps.get(source.app_id)
        if source.slug_id is None:
            raise Conflict(f"{app.name} has no code yet: there is nothing to be promoted.")
        slug = self._ledger.slugs.get(source.slug_id)
        if not self._pool.has_slug(slug.id):
            raise Conflict(f"The slug of {app.name} is gone. Deploy it again, then promote.")
        promotion = self._ledger.promotions.begin(pipeline, source, targets, user)
        for target in self._ledger.promotions.targets(promotion.id):
            task = asyncio.create_task(self._promote(app, source, slug, target, user), name=f"promoting {target.id}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return promotion

    async def close(self) -> None:
        """Stop; what is not released is recorded as failed."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _promote(self, source: App, release: Release, slug: Slug, target: Target, user: User) -> None:
        """Promote to one target, and record how that went."""
        try:
            app = self._ledger.apps.get(target.app_id)
            doing = f"{user.email} is promoting {source.name} v{release.version} to {app.name}"
            with self._locks.hold(app.id, doing):
                made = await self._release(app, f"Promote {source.name} v{release.version}", slug, target, user)
            self._events.release(app, made)
            self._manager.nudge(app.id)
            self._garbage.collect(app.id)
        except (HostdError, SlugsError) as error:
            self._failed(target, str(error))
        except asyncio.CancelledError:
            self._failed(target, INTERRUPTED)
            raise
        except Exception:
            # Nobody waits for this task: what it does not record its client would wait for in vain.
            log.exception("a promotion to app %s failed", target.app_id)
            self._failed(target, "hostd failed: what went wrong is in its log (journalctl -u hostd).")

    def _failed(self, target: Target, reason: str) -> None:
        try:
            self._ledger.promotions.failed(target, reason)
            self._events.api(Subject(target.app_id), f"Promotion failed: {' '.join(reason.split())}")
        except HostdError as error:
            log.warning("how a promotion to app %s ended cannot be recorded: %s", target.app_id, error)

    async def _release(self, app: App, what: str, slug: Slug, target: Target, user: User) -> Release:
        copy = str(uuid.uuid4())
        await self._own_copy(slug.id, copy, app.uid)
        try:
            output = await self._release_command.run(app, copy, slug.process_types, slug.stack)
            return self._append(app, f"{what} {short(slug.commit)}".strip(), slug, copy, target, user, output)
        except BaseException:
            self._pool.delete_slug(copy)
            raise

    async def _own_copy(self, slug_id: str, copy: str, uid: int) -> None:
        """Make `copy` a slug like another whose files belong to `uid`."""
        try:
            tree = self._pool.create_successor(copy, slug_id)
            # Nobody else can write to this tree, and no link in it is followed.
            owner = f"{uid}:{uid}"
            argv = ["nice", _NICEST, "chown", "--recursive", "--no-dereference", "-P", "--", owner, str(tree)]
            try:
                await arun(argv, timeout=_OWN_SECONDS)
            except CommandError as error:
                log.error("a slug could not be copied: %s", error)
                raise Unavailable(
                    "The slug could not be copied: is the disk full (hostctl status)? Why is in hostd's log: "
                    "journalctl -u hostd"
                ) from error
            self._pool.freeze(copy, copy)
        finally:
            self._pool.delete_build(copy)

    def _append(  # noqa: PLR0917
        self, app: App, description: str, slug: Slug, copy: str, target: Target, user: User, output: bytes | None
    ) -> Release:
        ledger = self._ledger
        with ledger.transaction():
            current = ledger.releases.current(app.id)
            ledger.slugs.add(
                app.id,
                commit=slug.commit,
                size_bytes=slug.size_bytes,
                process_types=slug.process_types,
                buildpack=slug.buildpack,
                stack=slug.stack,
                stack_version=slug.stack_version,
                digest=slug.digest,
                id=copy,
                files=slug.files,
                buildpacks=slug.buildpacks,
                checks=slug.checks,
            )
            ledger.formation.adopt(app.id, slug.process_types)
            release = ledger.releases.append(
                app.id,
                slug_id=copy,
                config=current.config,
                description=description,
                user=user,
                stack=stack_for_slug(self._stacks, slug.stack, current),
            )
            if output is not None:
                ledger.releases.add_output(app.id, release.version, output.decode(errors="replace"))
            ledger.promotions.succeeded(target, release)
        return release
