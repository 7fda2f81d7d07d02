"""Deploys: the one place where releases are made, whatever makes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping

from hostd.context import Output, PushOutcome
from hostd.deploys.garbage import Garbage
from hostd.deploys.locks import DeployLocks
from hostd.deploys.push import Push, Pusher
from hostd.errors import Busy, NotFound
from hostd.events import Events
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.releases import Release
from hostd.ledger.users import User
from hostd.manager.manager import Manager

log = logging.getLogger(__name__)


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
    ) -> None:
        self._ledger = ledger
        self._manager = manager
        self._events = events
        self._locks = locks
        self._pusher = pusher
        self._garbage = garbage
        self._running: set[str] = set()

    async def push(
        self,
        *,
        app: App,
        user: User,
        commit: str,
        ref: str,
        push_id: str,
        source: AsyncIterator[bytes],
        output: Output,
    ) -> PushOutcome:
        """Deploy a pushed commit; see :meth:`Pusher.push`. Cancelling it cancels the build."""
        self._running.add(push_id)
        try:
            return await self._pusher.push(Push(push_id, app, user, commit, ref, source, output))
        finally:
            self._running.discard(push_id)

    def outcome(self, push_id: str) -> PushOutcome | None:
        """How a push ended, from the ledger, also after a restart; None if it was never heard of."""
        if push_id in self._running:
            return PushOutcome("running")
        try:
            build = self._ledger.builds.get(push_id)
        except NotFound:
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
    ) -> Release:
        """Append a release that differs from the current one in config, slug or both.

        Raises Busy while a push to the app is under way: its release would undo this one's config.
        """
        holder = self._locks.holder(app.id)
        if holder is not None:
            raise Busy(f"{holder}. Wait until that is done, then try again.")
        with self._ledger.transaction():
            current = self._ledger.releases.current(app.id)
            release = self._ledger.releases.append(
                app.id,
                slug_id=slug_id or current.slug_id,
                config=dict(current.config if config is None else config),
                description=description,
                user=user,
            )
        self._events.release(app, release)
        self._manager.nudge(app.id)
        return release

    async def destroyed(self, app: App) -> None:
        """Delete the files and the account of an app that the ledger has ended and whose dynos have stopped."""
        await self._garbage.destroy(app)

    def holder(self, app_id: str) -> str | None:
        """What holds the app's deploy lock; None if it is free."""
        return self._locks.holder(app_id)

    async def idle(self) -> None:
        """Wait until no push runs; for tests and for a quiet shutdown."""
        while self._running:
            await asyncio.sleep(0.05)
