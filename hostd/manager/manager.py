"""The dyno manager: one keeper for each app, one ear for systemd, one table for the router."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hostd.errors import Conflict, NotFound
from hostd.events import Subject
from hostd.ledger.apps import App
from hostd.manager.boot import Trouble
from hostd.manager.desired import DesiredApp
from hostd.manager.disk import DiskWatch
from hostd.manager.dropped import DESCRIPTION
from hostd.manager.dyno import RELEASE_PHASE, Dyno, DynoId, DynoState, parse_description
from hostd.manager.environment import EnvironmentFiles
from hostd.manager.forwards import Forward, Forwards
from hostd.manager.keeper import Keeper
from hostd.manager.oneoffs import OneOff, OneOffs
from hostd.manager.reading import Run
from hostd.manager.record import Record
from hostd.manager.session import Lost
from hostd.manager.session_files import SessionFiles
from hostd.manager.settling import Missing, Settled
from hostd.manager.tools import Tools
from hostd.manager.usage import UsageWatch
from hostd.manager.visits import VISIT_UNITS, Visit, Visits
from slugs.pool import Pool
from units.cgroups import Cgroups
from units.systemd import ANY_UNIT, Systemd, SystemdError

log = logging.getLogger(__name__)

_ENTERABLE = (DynoState.STARTING, DynoState.UP)
_DYNO_UNITS = ["hostd-*.service"]
_LOOK_AGAIN_SECONDS = 30.0
"""How often everything is looked at although nothing was said: a lost signal costs this much at most."""


class Manager:
    """Keeps every app's dynos as the ledger wants them.

    It never opens the ledger: *desired* gives an app's document, None once the app is gone, and
    *app_ids* the apps there are, in the order in which they should come up after a reboot.
    """

    def __init__(
        self,
        *,
        systemd: Systemd,
        pool: Pool,
        environment_files: EnvironmentFiles,
        session_files: SessionFiles,
        tools: Tools,
        desired: Callable[[str], DesiredApp | None],
        app_ids: Callable[[], Sequence[str]],
    ) -> None:
        self._systemd = systemd
        self._pool = pool
        self._environment_files = environment_files
        self._session_files = session_files
        self._tools = tools
        self._desired = desired
        self._app_ids = app_ids
        self._keepers: dict[str, Keeper] = {}
        self._watching: list[asyncio.Task[None]] = []
        self._strays: set[asyncio.Task[None]] = set()
        self.one_offs = OneOffs(tools, desired, session_files)
        self.visits = Visits(systemd, environment_files, session_files)
        self.forwards = Forwards(systemd)
        self.usage = UsageWatch(
            meter=Cgroups(), run_of=self._run_of, events=tools.events, talks=self._has_runtime_metrics
        )

    async def start(self) -> None:
        """Adopt what runs, publish the routes once they are all known, then keep every app."""
        self._systemd.subscribe(self._unit_changed)
        await self._tools.routing.catch_up()
        await self._adopt()
        await self._tools.routing.publish()
        for keeper in self._keepers.values():
            keeper.start()
        disk = DiskWatch(self._pool, self._tools.settings.dyno_disk_mb << 20)
        works = (self._tick(), self.usage.run(self._all_dynos), disk.run(self._all_dynos, self._stop_writer))
        self._watching = [asyncio.create_task(work) for work in works]

    async def close(self) -> None:
        """Stop keeping; every dyno runs on."""
        tasks = [*self._watching, *self._strays]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(keeper.close() for keeper in self._keepers.values()))
        await self.one_offs.close()
        await self.visits.close()
        await self._tools.launcher.close()

    async def strays_gone(self) -> None:
        """Wait until every dyno that was found and belongs to no app has ended."""
        await asyncio.gather(*self._strays, return_exceptions=True)

    def nudge(self, app_id: str) -> None:
        """Say that the ledger changed for an app: a release, a formation, maintenance, its end."""
        keeper = self._keepers.get(app_id)
        if keeper is None:
            keeper = self._keepers[app_id] = self._keeper(app_id)
            keeper.start()
        keeper.nudge()

    async def route(self, app_id: str) -> None:
        """As *nudge*, and wait until every router worker that answers knows."""
        self.nudge(app_id)
        await self._keepers[app_id].route()

    def dynos(self, app_id: str) -> list[Dyno]:
        """Every dyno of the app, one-off dynos last."""
        keeper = self._keepers.get(app_id)
        return [*(keeper.dynos() if keeper else []), *self.one_offs.dynos(app_id)]

    async def settle(self, app_id: str, version: int, seconds: float) -> Settled:
        """Wait until release *version* runs and takes traffic, has crashed, or *seconds* have passed."""
        self.nudge(app_id)
        return await self._keepers[app_id].settle(version, seconds)

    async def missing(self, app: App, type_: str | None, seconds: float) -> list[Missing]:
        """Wait until the app's wanted dynos of a type, or all, are up; those that are not after *seconds*."""
        self.nudge(app.id)
        return await self._keepers[app.id].missing(type_, seconds)

    async def restart(self, app: App, selector: str | None = None) -> int:
        """Restart all dynos, those of one type, or one (``web.1``); return how many. Raises NotFound, Conflict.

        A dyno that sleeps is there, and has nothing to be stopped.
        """
        keeper = self._keepers.get(app.id)
        count = await keeper.restart(lambda record: _selected(record, selector)) if keeper else 0
        if not count:
            self._check_known(app, selector)
        return count

    async def stop(self, app: App, selector: str) -> int:
        """Stop dynos by type or name. As on Heroku those of the formation start anew; scale to 0 to keep them off."""
        count, keeper = await self.one_offs.stop(app.id, selector), self._keepers.get(app.id)
        if not count and keeper is not None:
            count = await keeper.stop_dynos(lambda record: _selected(record, selector))
        if not count:
            self._check_known(app, selector)
        return count

    def _check_known(self, app: App, selector: str | None) -> None:
        known = {name for dyno in self.dynos(app.id) for name in (dyno.name, dyno.type)}
        if selector is not None and selector not in known:
            raise NotFound(f"Couldn't find that dyno: {app.name} has no {selector}. See `hostctl ps -a {app.name}`.")

    async def forget(self, app: App) -> None:
        """Stop every dyno of an app that the ledger has ended, and its keeper."""
        self.nudge(app.id)
        await self.one_offs.stop(app.id, None)
        await self._keepers[app.id].end()
        self._keepers.pop(app.id, None)

    async def prepare_one_off(  # noqa: PLR0917
        self,
        app: App,
        command: str,
        env: Mapping[str, str],
        size: str,
        attach: bool,
        time_limit: float | None = None,
        holder: str | None = None,
    ) -> OneOff:
        """Make a one-off dyno, which is stopped after *time_limit* seconds; without *attach* it is started at once.

        An attached one is the user's of that id, and ends when they lose their right to it.
        """
        if attach:
            return self.one_offs.run_attached(
                app.id, command, env=env, size=size, time_limit=time_limit, holder=holder
            )
        return await self.one_offs.run_detached(app.id, command, env=env, size=size, time_limit=time_limit)

    def prepare_visit(  # noqa: PLR0917
        self,
        app: App,
        dyno: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None,
        time_limit: float | None = None,
        holder: str | None = None,
    ) -> OneOff:
        """Get ready to run a program inside a running dyno of that name. Raises NotFound, Conflict.

        *env* comes on top of the dyno's environment; with None it has nothing of that.
        """
        found = self._enterable(app, dyno)
        token = self.visits.prepare(Visit(found, app.name, self._uid(app), argv, env, time_limit, holder))
        return OneOff(found, token)

    def prepare_forward(self, app: App, dyno: str, port: int, holder: str | None = None) -> OneOff:
        """Get ready to connect to a port inside a running dyno of that name. Raises NotFound, Conflict."""
        found = self._enterable(app, dyno)
        return OneOff(found, self.forwards.prepare(Forward(found, self._uid(app), port, holder)))

    async def end_sessions(self, lost: Lost) -> None:
        """End the sessions of users in dynos whose right to them is lost, those that run and those prepared."""
        self.forwards.withdraw_where(lost)
        await asyncio.gather(self.one_offs.end_where(lost), self.visits.end_where(lost))

    def _enterable(self, app: App, name: str) -> Dyno:
        """The dyno of that name that runs; of two, as there are during a deploy, the newer."""
        named = sorted((d for d in self.dynos(app.id) if d.name == name), key=lambda dyno: -dyno.version)
        if not named:
            there = ", ".join(sorted({dyno.name for dyno in self.dynos(app.id) if dyno.state in _ENTERABLE})) or "none"
            raise NotFound(f"Couldn't find that dyno: {name[:80]!r}. Dynos of {app.name} that run: {there}.")
        for dyno in named:
            if dyno.state in _ENTERABLE:
                return dyno
        raise Conflict(f"{name} does not run: it is {named[0].state.value}. See `hostctl ps -a {app.name}`.")

    def _uid(self, app: App) -> int:
        desired = self._desired(app.id)
        if desired is None:
            raise NotFound("Couldn't find that app.")
        return desired.uid

    async def _adopt(self) -> None:
        desired = {app_id: self._desired(app_id) for app_id in self._app_ids()}
        by_name = {app.name: app_id for app_id, app in desired.items() if app is not None}
        found: dict[str, list[DynoId]] = {app_id: [] for app_id in by_name.values()}
        known: set[str] = set()
        one_offs: list[tuple[str, DynoId]] = []
        visits: list[str] = []
        for unit in self._systemd.list_units(_DYNO_UNITS):
            if VISIT_UNITS.fullmatch(unit.name):
                visits.append(unit.name)
                continue
            if unit.description == DESCRIPTION:
                self._systemd.unref(unit.name)  # a hostd that was killed left it
            dyno = parse_description(unit.description)
            if dyno is None or dyno.unit != unit.name:
                continue
            known.add(dyno.unit)
            app_id = app_of(dyno, by_name, self._session_files.read(dyno.unit))
            if app_id is None or dyno.type == RELEASE_PHASE:
                why = "the push that ran it was interrupted" if app_id else f"the ledger has no app {dyno.app}"
                log.warning("stopping %s: %s", unit.name, why)
                self._put_away(dyno)
                continue
            if dyno.one_off:
                one_offs.append((app_id, dyno))
            else:
                found[app_id].append(dyno)
        self.visits.adopt(visits)
        self._session_files.sweep(known | set(visits))
        self._sweep(known)
        alive = [dyno for _, dyno in one_offs] + [dyno for dynos in found.values() for dyno in dynos]
        # First: a dyno whose network is not known yet would be taken for one that has lost it.
        await self._tools.launcher.adopt_networks(alive, self._unit_changed)
        for app_id, dyno in one_offs:
            self.one_offs.adopt(app_id, dyno)
        for app_id in found:
            self._keepers[app_id] = self._keeper(app_id)
        await asyncio.gather(*(self._keepers[app_id].adopt(dynos) for app_id, dynos in found.items()))

    def _put_away(self, dyno: DynoId) -> None:
        """Stop a dyno that nobody wants, without making anybody wait for it."""

        async def put_away() -> None:
            await self._tools.launcher.terminate(dyno)
            self._tools.launcher.remove(dyno)
            self._session_files.remove(dyno.unit)

        task = asyncio.create_task(put_away())
        self._strays.add(task)
        task.add_done_callback(self._strays.discard)

    def _sweep(self, known: set[str]) -> None:
        for name in self._pool.dynos():
            if f"{name}.service" not in known:
                self._pool.delete_dyno(name)
        for unit in self._environment_files.units():
            if unit not in known:
                self._environment_files.remove(unit)

    def _keeper(self, app_id: str) -> Keeper:
        return Keeper(app_id, self._tools, lambda: self._desired(app_id))

    def _unit_changed(self, unit: str) -> None:
        if unit == ANY_UNIT:
            self._look_at_everything()
            return
        self.visits.dyno_changed(unit)
        for sessions in (self.one_offs, self.visits):
            if sessions.knows(unit):
                sessions.nudge(unit)
                return
        for keeper in self._keepers.values():
            if keeper.knows(unit):
                keeper.nudge(unit)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            try:
                self._look_at_everything()
            except Exception:
                # Without the tick a lost signal would be lost for ever.
                log.exception("looking at everything failed; trying again")

    def _look_at_everything(self) -> None:
        running, changed = self._running(), self._systemd.changed_units()
        self.one_offs.nudge_all()
        self.visits.nudge_all()
        for keeper in self._keepers.values():
            keeper.nudge()
            for unit in keeper.units():
                if unit not in running:
                    keeper.nudge(unit)
                elif unit in changed:
                    keeper.changed(unit)

    def _running(self) -> set[str]:
        """The units of the dynos that run: one question, where asking for each would keep systemd busy."""
        try:
            return {unit.name for unit in self._systemd.list_units(_DYNO_UNITS) if unit.sub == "running"}
        except SystemdError as error:
            log.warning("systemd cannot be asked for all dynos, so it is asked for each: %s", error)
            return set()

    def _all_dynos(self) -> list[Dyno]:
        return [dyno for app_id in self._keepers for dyno in self.dynos(app_id)]

    def _stop_writer(self, dyno: Dyno, trouble: Trouble) -> None:
        if self.one_offs.knows(dyno.unit):
            for line in trouble.said:
                self._tools.events.platform(Subject(dyno.app_id), dyno.name, line)
            self._systemd.kill(dyno.unit, signal.SIGKILL)
        else:
            self._keepers[dyno.app_id].crash(dyno.unit, trouble)

    def _run_of(self, unit: str) -> Run | None:
        group = self._systemd.read(unit, "ControlGroup")
        return Run(group, str(self._systemd.invocation(unit))) if group else None

    def _has_runtime_metrics(self, app_id: str) -> bool:
        keeper = self._keepers.get(app_id)
        return keeper is not None and keeper.desired is not None and keeper.desired.runtime_metrics


def app_of(dyno: DynoId, by_name: Mapping[str, str], written: Mapping[str, Any] | None) -> str | None:
    """The id of the app that a found dyno belongs to, if that is there; *by_name* has the ids of all apps.

    A one-off dyno keeps its unit when its app is renamed, and another app may have the name by then: what is *written*
    of its session counts.
    """
    app_id = (written or {}).get("app", by_name.get(dyno.app))
    return app_id if app_id in by_name.values() else None


def _selected(record: Record, selector: str | None) -> bool:
    return selector is None or selector in (record.id.name, record.id.type)
