"""Clean-up: what a killed hostd left half done, and slugs that nobody can roll back to any more.

Only what the ledger or its absence proves to be ours and unused is deleted.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from hostd.deploys.repositories import Repositories
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from slugs.pool import Pool
from slugs.stacks import Stack, drop_identity
from units.run import CommandError
from units.systemd import Systemd
from units.users import remove_user

log = logging.getLogger(__name__)

_BUILD_UNIT = re.compile(r"hostd-build-[0-9a-f-]{36}\.service")
"""The unit of a build. The dynos of an app that is called `build` have a dot before their number."""

INTERRUPTED = "the build was interrupted: hostd was restarted while it ran. Push again."


@dataclass(frozen=True, slots=True)
class Garbage:
    """The collector; ``kept`` is the number of an app's newest slugs that stay."""

    ledger: Ledger
    pool: Pool
    stack: Stack
    systemd: Systemd
    repositories: Repositories
    kept: int

    async def recover(self) -> None:
        """Finish what an earlier hostd left: called once, before anything new is begun.

        A build without a release is failed and removed, with its unit; one with a release is done.
        """
        for build in self.ledger.builds.pending():
            log.warning("build %s of app %s was interrupted", build.id, build.app_id)
            self.ledger.builds.finish(build.id, "failed", reason=INTERRUPTED)
        for unit in self.systemd.list_units(["hostd-build-*.service"]):
            if _BUILD_UNIT.fullmatch(unit.name):
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

    async def finish_destroyed(self) -> None:
        """Delete what an earlier hostd left of destroyed apps; none of their dynos may run any more."""
        for app in self.ledger.apps.destroyed():
            await self.destroy(app)

    def collect(self, app_id: str) -> list[str]:
        """Drop the app's slugs beyond the newest ``kept`` and never the current one; return their ids."""
        surplus = self.ledger.slugs.surplus(app_id, self.kept)
        for slug in surplus:
            self.ledger.slugs.drop(slug.id)
            self.pool.delete_slug(slug.id)
        return [slug.id for slug in surplus]

    async def destroy(self, app: App) -> None:
        """Delete what there is on this host of an app that the ledger has ended: files, repository, account."""
        self.collect(app.id)
        self.pool.drop_cache(app.id)
        self.repositories.delete(app)
        drop_identity(self.stack, app.uid)
        try:
            await remove_user(app.uid)
        except CommandError as error:
            # A process of somebody's may have the uid; the next start of hostd tries again.
            log.warning("the account of app %s stays for now: %s", app.name, error)
