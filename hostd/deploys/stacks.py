"""The story of a stack: made, updated, taken back, destroyed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from hostd.code_stores import StackOutcome
from hostd.deploys.locks import DeployLocks
from hostd.deploys.stack_moves import StackMoves
from hostd.deploys.stack_plans import needs, previous, runs_on, surplus
from hostd.deploys.transcript import detail, step
from hostd.deploys.voice import Voice
from hostd.errors import Conflict, HostdError, Invalid, NotFound, Unavailable
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.stacks import StackVersion
from hostd.ledger.users import User
from hostd.manager.manager import Manager
from slugs import stack_debian
from slugs.build_unit import Output
from slugs.errors import NoSuchStack, NoSuchSubvolume, SlugsError
from slugs.pool import Pool
from slugs.stack_maker import OURS, UNITS, MadeStack, StackMaker
from slugs.stacks import HOST, Stacks, name_of, version_of
from units.systemd import Systemd

log = logging.getLogger(__name__)

_SHOWN_CHANGES = 30
_LOCK = "stacks"


class StackDeploys:
    """Makes, updates and destroys stacks; one such thing at a time."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        stacks: Stacks,
        maker: StackMaker,
        pool: Pool,
        systemd: Systemd,
        manager: Manager,
        moves: StackMoves,
    ) -> None:
        self._ledger = ledger
        self._stacks = stacks
        self._maker = maker
        self._pool = pool
        self._systemd = systemd
        self._manager = manager
        self._moves = moves
        self._locks = DeployLocks()
        self._tasks: set[asyncio.Task[StackOutcome]] = set()

    # What there is

    def names(self) -> list[str]:
        """The stacks that apps can use, `host` first."""
        return self._stacks.names()

    def current(self, name: str) -> tuple[str, str]:
        """The current version of a stack, and the system that it is (`debian-12`). Raises NotFound."""
        if name == HOST:
            stack = self._stacks.current(name)
            return stack.version, stack.release
        version = self._ledger.stacks.current(name)
        if version is None:
            raise NotFound(f"There is no stack {name[:40]} here.")
        return version, name

    def packages(self, name: str) -> dict[str, str] | None:
        """What is installed in the current version of a stack; None for the host stack, which the server knows."""
        if name == HOST:
            return None
        with explained():
            return self._maker.packages(self._stacks.current(name).ref)

    def apps_on(self, name: str) -> dict[str, list[App]]:
        """The apps whose current release runs on the stack, by version."""
        found: dict[str, list[App]] = {}
        for app in self._ledger.apps.list():
            release = self._ledger.releases.current(app.id)
            ref = runs_on(release)
            if release.slug_id is not None and name_of(ref) == name:
                found.setdefault(version_of(ref), []).append(app)
        return found

    # What can be done

    async def create(self, name: str, *, user: User, output: Output) -> StackOutcome:
        """Make a stack that is not there yet. Raises NotFound for one that cannot be made, Conflict if it is there."""
        with explained():
            stack_debian.codename(name)
        if known := self._ledger.stacks.current(name):
            raise Conflict(f"{name} is there already: {name}@{known}. For patches: hostctl stacks:update {name}")

        async def work(say: Voice) -> StackOutcome:
            made = await self._make(name, say)
            self._ledger.stacks.add(name, version_of(made.ref), made.digest)
            return StackOutcome(made.ref)

        return await self._alone(work, f"{user.email} is making {name}", output)

    async def update(self, name: str, *, user: User, output: Output, force: bool = False) -> StackOutcome:
        """Make a new version with the patches of the day and move every app onto it.

        If no package has changed there is no new version, unless with `force`; apps that are behind are moved.
        """
        self._require(name)

        async def work(say: Voice) -> StackOutcome:
            before = f"{name}@{self._ledger.stacks.current(name)}"
            made = await self._make(name, say)
            changes = stack_debian.changes(self._packages(before), made.packages)
            await say(_told(changes, before))
            if not changes and not force:
                self._pool.delete_stack(made.ref)
                self._moves.begin(before, user)
                return await self._move_all(before, say)
            with self._ledger.transaction():
                self._ledger.stacks.add(name, version_of(made.ref), made.digest)
                self._moves.begin(made.ref, user)
            return await self._move_all(made.ref, say)

        return await self._alone(work, f"{user.email} is updating {name}", output)

    async def switch(self, name: str, version: str | None, *, user: User, output: Output) -> StackOutcome:
        """Make a version current that is there, and move every app onto it; without `version` the one before."""
        self._require(name)
        if version is None:
            back = previous(self._ledger.stacks.versions(name))
            if back is None:
                raise Invalid(f"{name} has no older version to go back to.")
            version = back.version
        wanted = self._ledger.stacks.get(name, version)

        async def work(say: Voice) -> StackOutcome:
            self._moves.begin(wanted.ref, user)
            return await self._move_all(wanted.ref, say)

        return await self._alone(work, f"{user.email} is changing {name} to {version}", output)

    def destroy(self, name: str) -> list[StackVersion]:
        """Delete a stack with all its versions. Raises Conflict while an app or a kept release needs it."""
        if name == HOST:
            raise Invalid("The host stack is the server itself: it cannot be destroyed.")
        self._require(name)
        with self._locks.hold(_LOCK, f"{name} is being destroyed"):
            if needed := needs(name, self._ledger.apps.list(), self._moves.current(), self._ledger.slugs.kept()):
                listed = "\n".join(f"{app}: {what}" for app, what in sorted(needed.items()))
                raise Conflict(
                    f"{name} is needed:\n{listed}\n"
                    "Give these apps another stack (hostctl stack:set STACK -a APP) and deploy them; what they can be "
                    "rolled back to goes with time, or at once with them (hostctl apps:destroy)."
                )
            if any(name_of(ref) == name for ref in self._in_use()):
                raise Conflict(f"A dyno or a build that still runs needs {name}. Try again when it has ended.")
            gone = self._ledger.stacks.remove_all(name)
            for version in gone:
                self._pool.delete_stack(version.ref)
            return list(gone)

    # Looking after it

    async def recover(self) -> None:
        """Finish what an earlier hostd left: called once, before anything new is begun."""
        for unit in self._systemd.list_units([UNITS]):
            if OURS.fullmatch(unit.name):
                log.warning("%s was interrupted: hostd was restarted while it ran", unit.description)
                await self._systemd.stop(unit.name)
                self._systemd.reset_failed(unit.name)
        known = {version.ref: version for version in self._ledger.stacks.list()}
        there = {ref for ref in self._pool.stacks() if "@" in ref}
        for ref in there - set(known):
            log.warning("deleting the stack %s: the ledger does not know it", ref)
            self._pool.delete_stack(ref)
        for ref in set(known) - there:
            log.warning("the stack %s is not in the pool any more", ref)
            if not known[ref].current:
                self._ledger.stacks.remove(known[ref].name, known[ref].version)

    def go_on(self) -> None:
        """Take along the apps that had not had their turn when an earlier hostd ended; the journal hears of it.

        Called before anybody can ask for something else, and once the dynos that run are known.
        """

        async def work(say: Voice) -> StackOutcome:
            moved = [await self._moves.move_all(ref, say=say) for ref in interrupted]
            self.collect()
            return StackOutcome(interrupted[-1], tuple(app for apps in moved for app in apps))

        there = self._pool.stacks()
        if interrupted := [ref for ref in self._moves.waiting() if ref in there]:
            log.warning("moving apps to %s was interrupted: hostd was restarted. It goes on", ", ".join(interrupted))
            self._begin(work, f"hostd goes on moving apps to {', '.join(interrupted)}", Voice(_to_journal))

    def collect(self) -> list[str]:
        """Drop the versions that nobody runs on and nobody would go back to; return their names."""
        dropped = surplus(self._ledger.stacks.list(), self._in_use())
        for version in dropped:
            self._ledger.stacks.remove(version.name, version.version)
            self._pool.delete_stack(version.ref)
            log.info("dropped the stack %s: nothing runs on it", version.ref)
        return [version.ref for version in dropped]

    async def close(self) -> None:
        """Stop what is under way: hostd ends. Apps that were not moved yet stay where they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Steps

    async def _alone(
        self, work: Callable[[Voice], Awaitable[StackOutcome]], doing: str, output: Output
    ) -> StackOutcome:
        """Do it in a task of its own, which outlives whoever asked once the new version is current."""
        say = Voice(output)
        task = self._begin(work, doing, say)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            say.heard = False
            if not say.committed:
                task.cancel()
                await asyncio.wait({task})
            raise

    def _begin(
        self, work: Callable[[Voice], Awaitable[StackOutcome]], doing: str, say: Voice
    ) -> asyncio.Task[StackOutcome]:
        async def locked() -> StackOutcome:
            with self._locks.hold(_LOCK, doing), explained():
                return await work(say)

        task = asyncio.create_task(locked())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[StackOutcome]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, HostdError):
            log.error("a change of a stack failed", exc_info=error)

    async def _make(self, name: str, say: Voice) -> MadeStack:
        version = stack_debian.next_version(datetime.now(UTC).date(), self._ledger.stacks.ever(name))
        await say(step(f"Making {name}@{version}"))
        made = await self._maker.make(name, version, output=say)
        await say(step(f"Made {made.ref}: {len(made.packages)} packages"))
        return made

    def _packages(self, ref: str) -> dict[str, str]:
        """What is installed in a version; nothing if the pool has lost it."""
        try:
            return self._maker.packages(ref)
        except NoSuchSubvolume:
            return {}

    async def _move_all(self, ref: str, say: Voice) -> StackOutcome:
        moved = await self._moves.move_all(ref, say=say)
        self.collect()
        return StackOutcome(ref, moved)

    # Helpers

    def _require(self, name: str) -> None:
        if name == HOST:
            raise Invalid("The host stack is the server itself: its packages are upgraded by the server's own apt.")
        if self._ledger.stacks.current(name) is None:
            if name in stack_debian.CODENAMES:
                raise NotFound(f"There is no stack {name} yet. Make it: hostctl stacks:create {name}")
            raise NotFound(f"There is no stack {name[:40]!r} here. There are: {', '.join(self.names())}.")

    def _in_use(self) -> set[str]:
        """The versions that a current release, a running dyno or a build needs."""
        current = self._moves.current()
        refs = {runs_on(release) for release in current.values()}
        refs |= {build.stack for build in self._ledger.builds.pending() if build.stack}
        for app_id, release in current.items():
            for version in {dyno.version for dyno in self._manager.dynos(app_id)}:
                if 0 < version < release.version:
                    refs.add(runs_on(self._ledger.releases.get(app_id, version)))
        return refs


def _told(changes: list[str], before: str) -> bytes:
    """What is different from the version before, for the one who asked."""
    if not changes:
        return step(f"No package has changed since {before}")
    more = len(changes) - _SHOWN_CHANGES
    shown = [*changes[:_SHOWN_CHANGES], *([f"and {more} more"] if more > 0 else [])]
    count = "1 package differs" if len(changes) == 1 else f"{len(changes)} packages differ"
    return step(f"{count} from {before}") + b"".join(map(detail, shown))


async def _to_journal(piece: bytes) -> None:
    log.info("%s", piece.decode().strip())


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the slug store refuses into refusals of hostd's."""
    try:
        yield
    except NoSuchStack as error:
        raise NotFound(f"{error}.") from error
    except SlugsError as error:
        raise Unavailable(f"{error}.") from error
