"""Apps taken along to another version of their stack, a few at a time and without a pause.

An app comes there by a release, so that everything about it is what releases do anyway: new dynos take over only
once they are up, and whoever wants to go back can.
"""

from __future__ import annotations

import asyncio

from hostd.context import Moved
from hostd.deploys.deploys import Deploys
from hostd.deploys.locks import DeployLocks
from hostd.deploys.stack_plans import behind, description, runs_on
from hostd.deploys.transcript import detail, problem, step
from hostd.deploys.voice import Voice
from hostd.errors import Busy, NotFound
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.releases import Release
from hostd.ledger.users import User
from hostd.manager.dyno import DynoState
from hostd.manager.manager import Manager
from hostd.manager.settling import Settled

AT_ONCE = 3
"""Apps that are moved at the same time."""


class StackMoves:
    """Moves apps; ``limit`` is how many seconds one has to come up on what it is moved to."""

    def __init__(self, *, ledger: Ledger, deploys: Deploys, manager: Manager, locks: DeployLocks, limit: float) -> None:
        self._ledger = ledger
        self._deploys = deploys
        self._manager = manager
        self._locks = locks
        self._limit = limit

    def current(self) -> dict[str, Release]:
        """The current release of each app."""
        return {app.id: self._ledger.releases.current(app.id) for app in self._ledger.apps.list()}

    async def move_all(self, ref: str, *, user: User, say: Voice) -> tuple[Moved, ...]:
        """Move every app that runs on another version of the stack ``ref``."""
        say.committed = True
        app_ids = behind(self.current(), ref)
        if app_ids:
            await say(step(f"Moving {len(app_ids)} {'app' if len(app_ids) == 1 else 'apps'} to {ref}"))
        turn = asyncio.Semaphore(AT_ONCE)

        async def move(app_id: str) -> Moved | None:
            async with turn:
                return await self._move(app_id, ref, user, say)

        moved = await asyncio.gather(*map(move, app_ids))
        return tuple(app for app in moved if app is not None)

    async def _move(self, app_id: str, ref: str, user: User, say: Voice) -> Moved | None:
        was_well = all(dyno.state is not DynoState.CRASHED for dyno in self._manager.dynos(app_id))
        released = await self._release(app_id, ref, user)
        if released is None:
            return None
        app, before, release = released
        settled = await self._manager.settle(app_id, release.version, self._limit)
        if settled.ok or settled.superseded or not was_well:
            await say(detail(f"{app.name}: done, v{release.version}"))
            return Moved(app.name, release.version)
        moved = await self._move_back(app, before, release, _trouble(release, settled), user)
        await say(problem(f"{app.name} stays on {runs_on(before)}, v{moved.release}: {moved.trouble}"))
        return moved

    async def _release(self, app_id: str, ref: str, user: User) -> tuple[App, Release, Release] | None:
        """The app, its release before, and its new one; None if there is nothing to move any more."""
        while True:
            await self._locks.free(app_id)
            try:
                app, before = self._ledger.apps.get(app_id), self._ledger.releases.current(app_id)
            except NotFound:
                return None
            if not behind({app_id: before}, ref):
                return None
            what = description(runs_on(before), ref)
            try:
                return app, before, await self._deploys.release(app, user=user, description=what, stack=ref)
            except Busy:
                continue

    async def _move_back(self, app: App, before: Release, tried: Release, trouble: str, user: User) -> Moved:
        """Put an app that ran well before, and does not on the new version, back to where it was."""
        old = runs_on(before)
        what = f"Stack back to {old}: v{tried.version} did not come up"
        try:
            back = await self._deploys.release(app, user=user, stack=old, description=what)
        except (Busy, NotFound):
            # Somebody deploys or destroys it at this moment: what they do is what counts.
            return Moved(app.name, tried.version, trouble)
        return Moved(app.name, back.version, trouble)


def _trouble(tried: Release, settled: Settled) -> str:
    crashed = ", ".join(f"{dyno.name} crashed ({dyno.reason})" for dyno in settled.crashed)
    return f"v{tried.version} did not come up: {crashed or 'it was still starting'}"
