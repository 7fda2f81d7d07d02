"""What stands in for systemd, the pool and the router in tests of the dyno manager."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from hostd.events import Subject
from hostd.faults import Faults
from hostd.manager.desired import DesiredApp, DesiredProcess
from hostd.manager.dyno import DynoId, Place
from hostd.manager.exits import RESTARTED, STOPPED, Exit
from hostd.manager.keeper import Keeper
from hostd.manager.launcher import Launch, LaunchFailedError
from hostd.manager.tools import Tools
from hostd.settings import Settings
from router.table import App

APP_ID = "app-id"
SECONDS = 5.0


class FakeLauncher:
    """Units as a dictionary: what each unit is doing, in systemd's words."""

    def __init__(self) -> None:
        self.units: dict[str, str] = {}
        self.restarted: dict[str, int] = {}
        self.by_hand: set[str] = set()
        """Units that somebody has restarted."""
        self.logging_elsewhere: set[str] = set()
        """Units that an older hostd started."""
        self.ending = False
        self.launches: list[str] = []
        self.hung_up: list[str] = []
        self.outputs: dict[str, int] = {}
        """What systemd holds of a unit that was started on a pipe."""
        self.ends_by_hangup = True
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.may_clear = asyncio.Event()
        self.may_clear.set()
        self.refusals = 0
        self.failures = 0
        self.busy: set[str] = set()
        self.clashes: list[str] = []
        """Units on which two tasks worked at once."""

    async def launch(self, launch: Launch) -> None:
        unit = launch.dyno.unit
        self._check(unit)
        self.busy.add(unit)
        self.launches.append(unit)
        if launch.stdio is not None:
            self.outputs[unit] = os.dup(launch.stdio[1])
        if self.failures:
            self.failures -= 1
            self.busy.discard(unit)
            raise LaunchFailedError("the slug is gone")
        self.units[unit] = "activating"
        try:
            await self.may_start.wait()
            self.units[unit] = "active"
        except asyncio.CancelledError:
            await self.may_clear.wait()
            self.units.pop(unit, None)
            raise
        finally:
            self.busy.discard(unit)

    async def terminate(self, dyno: DynoId) -> Exit:
        self._check(dyno.unit)
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("systemd is busy")
        self.units.pop(dyno.unit, None)
        return Exit(143, "success")

    def logs_to(self, dyno: DynoId, _app_id: str) -> bool:
        return dyno.unit not in self.logging_elsewhere

    def kill(self, dyno: DynoId) -> None:
        self.units[dyno.unit] = "failed"

    def hang_up(self, dyno: DynoId) -> None:
        self.hung_up.append(dyno.unit)
        if self.ends_by_hangup:
            self.units[dyno.unit] = "failed"

    def exit_of(self, dyno: DynoId, seen_for: float = 0.0) -> Exit | None:
        state = self.units.get(dyno.unit)
        if state == "active" and dyno.unit in self.by_hand:
            return Exit(0, RESTARTED)
        if state is None:
            return None if self.ending else Exit(0, STOPPED)
        return Exit(1, "exit-code") if state == "failed" else None

    def is_stopping(self, dyno: DynoId) -> bool:
        return self.units.get(dyno.unit) == "deactivating"

    def running_for(self, dyno: DynoId) -> float | None:
        return 1.0 if self.units.get(dyno.unit) == "active" else None

    def listens_to_itself(self, dyno: DynoId) -> bool:
        return False

    def restarts(self, dyno: DynoId) -> int:
        return self.restarted.pop(dyno.unit, 0)

    def remove(self, dyno: DynoId, app_id: str | None = None) -> None:
        self.units.pop(dyno.unit, None)
        if (output := self.outputs.pop(dyno.unit, None)) is not None:
            os.close(output)
        self.by_hand.discard(dyno.unit)

    def _check(self, unit: str) -> None:
        if unit in self.busy:
            self.clashes.append(unit)


class FakeRouting:
    """A router that has every table at once."""

    def __init__(self) -> None:
        self.apps: dict[str, App] = {}
        self.published: list[dict[str, App]] = []
        self.drained: list[str] = []

    def set(self, app_id: str, entry: App | None) -> bool:
        before = self.apps.pop(app_id, None)
        if entry is not None:
            self.apps[app_id] = entry
        return before != entry

    async def publish(self) -> None:
        self.published.append(dict(self.apps))

    async def drain(self, places: Sequence[Place], seconds: float) -> int:
        self.drained += map(str, places)
        return 0


class FakePlaces:
    """Addresses in turn."""

    def __init__(self) -> None:
        self._next = itertools.count(2)
        self.taken: set[Place] = set()

    def take(self) -> Place:
        place = Place(f"10.83.0.{next(self._next)}", 20000)
        self.taken.add(place)
        return place

    def give_back(self, place: Place) -> None:
        self.taken.discard(place)


class FakeEvents:
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def platform(self, app: Subject, process: str, text: str) -> None:
        self.lines.append(f"{process}: {text}")

    def ended(self, app: Subject, process: str, *lines: str) -> None:
        for line in lines:
            self.platform(app, process, line)


class Bench:
    """One app with its keeper; `wanted` is what the ledger says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.launcher, self.routing, self.events = FakeLauncher(), FakeRouting(), FakeEvents()
        self.wanted: DesiredApp | None = desired()
        self.now = 5000.0
        self.tools = Tools(
            launcher=self.launcher,  # type: ignore[arg-type]
            routing=self.routing,  # type: ignore[arg-type]
            places=FakePlaces(),  # type: ignore[arg-type]
            events=self.events,  # type: ignore[arg-type]
            settings=Settings(cool_off=(0, 10), cycle_after=1000, cycle_spread=100),
            faults=Faults(directory),
            clock=lambda: self.now,
            random=lambda: 0.5,
        )

    def keeper(self) -> Keeper:
        return Keeper(APP_ID, self.tools, lambda: self.wanted)

    async def until(self, keeper: Keeper, state: dict[str, str]) -> None:
        """Wait until the app has exactly these dynos in these states."""
        async with asyncio.timeout(SECONDS):
            while {f"{d.name} v{d.version}": d.state.value for d in keeper.dynos()} != state:
                await asyncio.sleep(0)

    async def launched(self) -> None:
        """Wait until a dyno was launched."""
        async with asyncio.timeout(SECONDS):
            while not self.launcher.launches:
                await asyncio.sleep(0)


def desired(version: int = 2, worker: int = 1, slug: str = "slug", size: str = "standard-1x") -> DesiredApp:
    """An app that wants workers, which are up as soon as they are started."""
    processes = (DesiredProcess("worker", "python work.py", worker, size),)
    return DesiredApp(APP_ID, "hello", 200001, version, slug, processes, {}, ("hello.localhost",))


def dyno(version: int = 2, number: int = 1, port: int = 20050, size: str = "") -> DynoId:
    """A dyno that an earlier hostd has started."""
    return DynoId("hello", "worker", number, version, Place("127.0.0.1", port), size)
