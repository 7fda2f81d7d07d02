"""Apps taken along to another version of their stack, a few at a time and without a pause.

An app comes there by a release, so that everything about it is what releases do anyway: new dynos take over only
once they are up, and whoever wants to go back can.
"""

from __future__ import annotations

import asyncio

from hostd.code_stores import Moved
from hostd.deploys.deploys import Deploys
from hostd.deploys.locks import DeployLocks
from hostd.deploys.stack_plans import behind, description, is_move, runs_on
from hostd.deploys.transcript import detail, problem, step
from hostd.deploys.voice import Voice
from hostd.errors import Busy, NotFound
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.releases import Release
from hostd.ledger.stacks import StackMove
from hostd.ledger.users import User
from hostd.manager.dyno import DynoState
from hostd.manager.manager import Manager
from hostd.manager.settling import Settled
from slugs.stacks import name_of, version_of

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

    def begin(self, ref: str, user: User) -> None:
        """Make the version ``ref`` of a stack current, and give a turn to each app that runs on another one of it."""
        well = {app_id: self._is_well(app_id) for app_id in behind(self.current(), ref)}
        self._ledger.stacks.begin_moves(name_of(ref), version_of(ref), user.id, well)

    def waiting(self) -> list[str]:
        """The versions of stacks to which apps are still to be taken; after a restart, what was interrupted."""
        return sorted({move.ref for move in self._ledger.stacks.moves()})

    async def move_all(self, ref: str, *, say: Voice) -> tuple[Moved, ...]:
        """Give every app its turn that is still to be taken to ``ref``."""
        say.committed = True
        moves = [move for move in self._ledger.stacks.moves() if move.ref == ref]
        if moves:
            await say(step(f"Moving {len(moves)} {'app' if len(moves) == 1 else 'apps'} to {ref}"))
        turn = asyncio.Semaphore(AT_ONCE)

        async def give(move: StackMove) -> Moved | None:
            async with turn:
                moved = await self._move(move, say)
                self._ledger.stacks.end_move(move.app_id)
                return moved

        moved = await asyncio.gather(*map(give, moves))
        return tuple(app for app in moved if app is not None)

    def _is_well(self, app_id: str) -> bool:
        return all(dyno.state is not DynoState.CRASHED for dyno in self._manager.dynos(app_id))

    async def _move(self, move: StackMove, say: Voice) -> Moved | None:
        user = self._ledger.users.once(move.user_id)
        released = self._begun(move) or await self._release(move.app_id, move.ref, user)
        if released is None:
            return None
        app, before, release = released
        settled = await self._manager.settle(app.id, release.version, self._limit)
        if settled.ok or settled.superseded or not move.was_well:
            await say(detail(f"{app.name}: done, v{release.version}"))
            return Moved(app.name, release.version)
        moved = await self._move_back(app, before, release, _trouble(release, settled), user)
        await say(problem(f"{app.name} stays on {runs_on(before)}, v{moved.release}: {moved.trouble}"))
        return moved

    def _begun(self, move: StackMove) -> tuple[App, Release, Release] | None:
        """The app, its release before, and the one that moved it, if hostd was restarted before it had come up."""
        releases = self._ledger.releases.list(move.app_id, 2)
        if len(releases) < 2 or not is_move(releases[1], releases[0], move.ref):
            return None
        try:
            return self._ledger.apps.get(move.app_id), releases[1], releases[0]
        except NotFound:
            return None

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
