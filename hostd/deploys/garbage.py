"""Clean-up: what a killed hostd left half done, and slugs that nobody can roll back to any more.

Only what the ledger proves to be ours and unused is deleted, and only from a pool that is this ledger's own.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace

from hostd.deploys.repositories import Repositories
from hostd.deploys.retention import surplus
from hostd.deploys.transcript import problem
from hostd.errors import NotFound, Unavailable
from hostd.faults import FaultPoint, Faults
from hostd.journals import Journals
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.slugs import Slug
from slugs.ownership import Ownership, ownership
from slugs.pool import Pool
from slugs.stacks import Stack, drop_identity
from slugs.trash import empty_trash
from units.run import CommandError
from units.systemd import Systemd
from units.users import remove_user

log = logging.getLogger(__name__)

PERIOD = 3600.0
"""Seconds between two clean-ups that nothing else gave cause for."""

_UNITS = ("hostd-build-*.service", "hostd-export-*.service")
_OURS = re.compile(r"hostd-(build|export)-[0-9a-f-]{36}(-tree)?\.service")
"""The unit of a build, or one that reads a slug. The dynos of an app called `build` have a dot before their number."""

INTERRUPTED = "the build was interrupted: hostd was restarted while it ran. Push again."


def claim(pool: Pool, ledger: Ledger) -> None:
    """Make the pool this ledger's own; called before anything in it is touched.

    Raises Unavailable for a pool that belongs to another ledger: to one that is empty or not its own, every slug in
    it would look like rubbish, and every dyno that runs like a stray.
    """
    slugs = pool.slugs()
    whose = ownership(mark=pool.owner(), ledger=ledger.identity, slugs=slugs, known=_known(ledger, slugs))
    if whose is Ownership.FOREIGN:
        raise Unavailable(
            f"The pool {pool.root} belongs to another ledger, and this one knows none of its {len(slugs)} slugs. "
            "Nothing was touched, and what runs goes on running. Was the directory of the ledger not mounted, or "
            "restored from another server? Put the right one in its place and start hostd again. To begin anew "
            f"and give the slugs up, delete them first: btrfs subvolume delete {pool.root}/slugs/*"
        )
    if whose is Ownership.FREE:
        pool.claim(ledger.identity)


def _known(ledger: Ledger, slugs: list[str]) -> list[str]:
    """Those of the slugs that the ledger has ever heard of."""
    known = []
    for slug_id in slugs:
        with suppress(NotFound):
            known.append(ledger.slugs.get(slug_id).id)
    return known


@dataclass(frozen=True, slots=True)
class Garbage:
    """The collector; ``kept`` is the number of an app's newest releases to which one can go back."""

    ledger: Ledger
    pool: Pool
    stack: Stack
    systemd: Systemd
    repositories: Repositories
    kept: int
    faults: Faults
    journals: Journals
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)

    async def recover(self) -> None:
        """Finish what an earlier hostd left: called once, before anything new is begun.

        A build without a release is failed and removed, with its unit; one with a release is done.
        """
        for build in self.ledger.builds.pending():
            log.warning("build %s of app %s was interrupted", build.id, build.app_id)
            self.ledger.builds.finish(build.id, "failed", reason=INTERRUPTED)
            output = self.ledger.build_outputs.get(build.id)
            said = replace(output, tail=output.tail + problem(INTERRUPTED))
            self.ledger.build_outputs.save(build.id, said)
        for unit in self.systemd.list_units(_UNITS):
            if _OURS.fullmatch(unit.name):
                await self.systemd.stop(unit.name)
                self.systemd.reset_failed(unit.name)
        for build_id in self.pool.builds():
            self.pool.delete_build(build_id)
        self.pool.finish_returns()
        known = {slug.id for slug in self.ledger.slugs.kept()}
        for slug_id in self.pool.slugs():
            if slug_id not in known:
                log.warning("deleting slug %s: no release names it", slug_id)
                self.pool.delete_slug(slug_id)
        self.pool.drop_stray_manifests()

    async def finish_destroyed(self) -> None:
        """Delete what an earlier hostd left of destroyed apps; none of their dynos may run any more."""
        for app in self.ledger.apps.destroyed():
            await self.destroy(app)

    async def run(self) -> None:
        """Clean up now, every PERIOD, and whenever it was asked for; until cancelled."""
        self.want()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PERIOD):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                await self.collect_all()
            except Exception as error:
                # Whatever it is, a ledger that cannot be read now or a mistake of ours: without clean-ups the pool
                # would fill unnoticed until hostd is started again.
                log.exception("the clean-up failed (%s); the next one, within the hour, tries again", error)

    def want(self) -> None:
        """Ask for a clean-up soon: something was deleted or released."""
        self._wanted.set()

    def surplus(self, app_id: str | None = None) -> list[Slug]:
        """The slugs of one app, or of all, that nobody can go back to any more."""
        slugs = self.ledger.slugs
        return surplus(slugs.kept() if app_id is None else slugs.list(app_id), slugs.uses(app_id), self.kept)

    def collect(self, app_id: str) -> list[str]:
        """Drop the app's slugs that nobody can go back to; return their ids."""
        dropped = self._drop(self.surplus(app_id))
        for slug in dropped:
            self.faults.reach(FaultPoint.SLUG_DROPPED)
            self.pool.delete_slug(slug.id)
        self.want()
        return [slug.id for slug in dropped]

    async def collect_all(self) -> list[Slug]:
        """Drop all such slugs, and delete what earlier clean-ups could not; other work goes on in between."""
        dropped = self._drop(self.surplus())
        for slug_id in self.left_over():
            self.faults.reach(FaultPoint.SLUG_DROPPED)
            self.pool.delete_slug(slug_id)
            await asyncio.sleep(0)
        if dropped:
            log.info("deleted %d slugs that nobody can go back to", len(dropped))
        try:
            await empty_trash(self.pool)
        except CommandError as error:
            log.warning("the trash could not be emptied: %s", error)
        return dropped

    def left_over(self) -> list[str]:
        """Slugs whose files should be gone, and are not."""
        there = self.pool.slugs()
        kept = {slug.id for slug in self.ledger.slugs.kept()}
        return _known(self.ledger, [name for name in there if name not in kept])

    def _drop(self, slugs: list[Slug]) -> list[Slug]:
        # All at once and first: from here on nobody can go back to one of them.
        with self.ledger.transaction():
            return [self.ledger.slugs.drop(slug.id) for slug in slugs]

    async def destroy(self, app: App) -> None:
        """Delete what there is on this host of an app that the ledger has ended: files, repository, account."""
        self.collect(app.id)
        self.pool.drop_cache(app.id)
        self.repositories.delete(app)
        drop_identity(self.stack, app.uid)
        try:
            await self.journals.remove(app.id)
        except (CommandError, OSError) as error:
            log.warning("the log of app %s stays until hostd starts next: %s", app.name, error)
        try:
            await remove_user(app.uid)
        except CommandError as error:
            # A process of somebody's may have the uid; the next start of hostd tries again.
            log.warning("the account of app %s stays for now: %s", app.name, error)
