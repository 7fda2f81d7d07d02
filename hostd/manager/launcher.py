"""The thin edge between a dyno as a value and a running unit: snapshot, environment file, unit."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hostd import sizes
from hostd.faults import FaultPoint, Faults
from hostd.journals import namespace
from hostd.manager.dropped import Dropped
from hostd.manager.dyno import DynoId
from hostd.manager.environment import COMMAND, EnvironmentFiles, environment
from hostd.manager.exits import ENDED_BY_OTHERS, NETWORK_GONE, RESTARTED, STOPPED, Exit, shell_status
from hostd.manager.probe import listens_to_itself
from slugs.errors import SlugsError
from slugs.pool import Pool
from slugs.stacks import Stacks, identity_binds, resolving_binds, scratch_binds
from units.cgroups import Cgroups
from units.errors import SystemdError
from units.journald import synchronize
from units.network import Network, NetworkError, Networks
from units.oom import RESULT, OutOfMemory
from units.run import CommandError
from units.sandbox import Bind, Limits, hardened
from units.systemd import Systemd, UnitInfo
from units.users import ensure_user

STOP_SECONDS = 30.0
"""What a dyno gets between SIGTERM and SIGKILL (Heroku's grace period)."""

RESTART_SECONDS = 5.0
"""After how long systemd starts a dyno that ended and that no hostd looked after: on the files that it had."""

_LAUNCH = ("/bin/bash", "/.hostd/launch")
"""Sets the scene for a command and runs it, inside the sandbox: its argument, or what `COMMAND` says."""
_JOBS_IN_FLIGHT = 8
_CLOSE_SECONDS = 1.0
"""Two moments so close are one."""
_RUNS = "running"
_RUNNING = ("active", "activating", "deactivating", "reloading")
_ENDED = ("exited", "auto-restart")
_STARTS = ("restart", "start")
"""Jobs after which a dyno runs again: what becomes of it is seen then."""


@dataclass(frozen=True, slots=True)
class Launch:
    """All that is needed to start one dyno; `stack` is NAME@VERSION."""

    dyno: DynoId
    app_id: str
    uid: int
    slug_id: str
    stack: str
    command: str
    size: str
    config: Mapping[str, str] = field(repr=False)
    extra: Mapping[str, str] = field(repr=False)
    stdio: tuple[int, int, int] | None = None
    time_limit: float | None = None


class LaunchFailedError(Exception):
    """A dyno could not be started; the message says why. Nothing of it is left."""


class Launcher:
    """Starts, stops and removes the units of dynos; each may log `log_rate` lines a second (0: any number)."""

    def __init__(
        self,
        *,
        systemd: Systemd,
        pool: Pool,
        stacks: Stacks,
        environment_files: EnvironmentFiles,
        networks: Networks,
        faults: Faults,
        log_rate: int = 0,
    ) -> None:
        self._systemd = systemd
        self._pool = pool
        self._stacks = stacks
        self._environment_files = environment_files
        self._networks = networks
        self._faults = faults
        self._log_rate = log_rate
        # Version 1 counts pages with the memory; there it would be a control group more for each dyno.
        self._count_io = Cgroups().unified
        self._out_of_memory = OutOfMemory()
        self._jobs = asyncio.Semaphore(_JOBS_IN_FLIGHT)
        self._starting: set[str] = set()
        self._dropped = Dropped(systemd, log_rate, synchronize, self._starting.__contains__)

    async def launch(self, launch: Launch) -> None:
        """Start the dyno on a fresh snapshot of its slug; returns when its program has been executed.

        Raises LaunchFailedError; nothing is left behind then, nor when it is cancelled.
        """
        async with self._jobs:
            self._starting.add(launch.dyno.unit)
            self._dropped.make_way(launch.dyno.unit)
            try:
                await ensure_user(launch.uid)
                if await self._systemd.stop(launch.dyno.unit) is not None:
                    self._unload(launch.dyno)
                self._clear_away(launch.dyno)
                self._out_of_memory.starting(launch.dyno.unit)
                network = await self._networks.lease(launch.dyno.snapshot, launch.dyno.place.address)
                await self._systemd.start(launch.dyno.unit, self._prepare(launch, network))
            except (SystemdError, SlugsError, NetworkError, CommandError, OSError) as error:
                await self._clear(launch.dyno)
                raise LaunchFailedError(str(error)) from error
            except asyncio.CancelledError:
                await self._clear(launch.dyno)
                raise
            finally:
                self._starting.discard(launch.dyno.unit)

    def _prepare(self, launch: Launch, network: Network) -> dict[str, Any]:
        stack = self._stacks.get(launch.stack)
        tree = self._pool.snapshot(launch.slug_id, launch.dyno.snapshot)
        memory = sizes.get(launch.size).memory
        variables = environment(launch.dyno, launch.config, launch.extra, memory=memory)
        environment_file = self._environment_files.write(launch.dyno.unit, {**variables, COMMAND: launch.command})
        self._faults.reach(FaultPoint.SNAPSHOT_MADE)
        return unit_properties(
            launch,
            root=stack.root,
            network=network,
            binds=[
                *resolving_binds(stack.binds, network),
                *identity_binds(stack, launch.uid),
                Bind(tree, Path("/app"), writable=True),
                *scratch_binds(self._pool.scratch(launch.dyno.snapshot)),
            ],
            environment_file=environment_file,
            log_rate=self._log_rate,
            count_io=self._count_io,
        )

    async def _clear(self, dyno: DynoId) -> None:
        with contextlib.suppress(SystemdError):
            await self._systemd.stop(dyno.unit)
            self.remove(dyno)

    async def terminate(self, dyno: DynoId) -> Exit:
        """SIGTERM to all its processes, SIGKILL after STOP_SECONDS; return how it ended."""
        return self._exit(await self._systemd.stop(dyno.unit))

    def logs_to(self, dyno: DynoId, app_id: str) -> bool:
        """Whether a dyno that runs writes to its app's log; one that an older hostd started does not."""
        return bool(self._systemd.read(dyno.unit, "LogNamespace") == namespace(app_id))

    def kill(self, dyno: DynoId) -> None:
        """SIGKILL to all its processes."""
        self._systemd.kill(dyno.unit, signal.SIGKILL)

    def hang_up(self, dyno: DynoId) -> None:
        """SIGHUP to all its processes."""
        self._systemd.kill(dyno.unit, signal.SIGHUP)

    def exit_of(self, dyno: DynoId, seen_for: float = 0.0) -> Exit | None:
        """How the dyno ended; None while it runs. One that has lost its network is as good as ended.

        So is one that is known to have run for *seen_for* seconds and has not: somebody restarted it. It has ended with
        its first process, even if others are left and systemd still waits for those. That a machine which is being
        shut down takes its dynos along is no end of theirs.
        """
        goes_on = self._systemd.read(dyno.unit, "SubState") == _RUNS
        if goes_on and (not seen_for or self._age(dyno) + _CLOSE_SECONDS >= seen_for):
            return self._network_gone(dyno)
        info = self._systemd.info(dyno.unit)
        if info is not None and runs(info):
            anew = info.active_for is not None and info.active_for + _CLOSE_SECONDS < seen_for and not info.restarts
            return Exit(ENDED_BY_OTHERS, RESTARTED) if anew else self._network_gone(dyno)
        if info is not None and info.job in _STARTS:
            return None
        if info is None or info.job == "stop":
            return None if self._systemd.is_stopping() else Exit(ENDED_BY_OTHERS, STOPPED)
        return self._exit(info)

    def is_stopping(self, dyno: DynoId) -> bool:
        """True while the unit is being stopped."""
        info = self._systemd.info(dyno.unit)
        return info is not None and info.active == "deactivating"

    def running_for(self, dyno: DynoId) -> float | None:
        """For how many seconds the unit has been active; None if it is not."""
        return self._age(dyno) if self._systemd.read(dyno.unit, "SubState") == _RUNS else None

    def listens_to_itself(self, dyno: DynoId) -> bool:
        """True if the dyno listens on its port where nobody but itself can ask."""
        info = self._systemd.info(dyno.unit)
        return info is not None and bool(info.main_pid) and listens_to_itself(info.main_pid, dyno.place.port)

    def restarts(self, dyno: DynoId) -> int:
        """How often systemd itself has started the running dyno again since this was last asked."""
        restarts = int(self._systemd.read(dyno.unit, "NRestarts"))
        if restarts:
            self._systemd.reset_failed(dyno.unit)
        return restarts

    def remove(self, dyno: DynoId, app_id: str | None = None) -> None:
        """Forget the ended unit, delete its file tree and environment file, take its network away; idempotent.

        What its first process left running is killed: a dyno ends as a whole. With *app_id* the app's log is told
        what was dropped of its lines.
        """
        self._unload(dyno)
        self._clear_away(dyno)
        if app_id is not None:
            self._dropped.ended(dyno.unit, app_id)

    async def close(self) -> None:
        """Begin nothing any more; dynos run on."""
        await self._dropped.close()

    def _unload(self, dyno: DynoId) -> None:
        self.kill(dyno)
        self._systemd.unref(dyno.unit)

    def _clear_away(self, dyno: DynoId) -> None:
        self._out_of_memory.forget(dyno.unit)
        self._environment_files.remove(dyno.unit)
        self._pool.delete_dyno(dyno.snapshot)
        self._networks.discard(dyno.snapshot)

    async def adopt_networks(self, dynos: Sequence[DynoId], lost: Callable[[str], None]) -> None:
        """Take over the networks of dynos that an earlier hostd started, and take all others away. Raises NetworkError.

        From then on `lost` is called with the unit of a dyno whose network somebody has taken away.
        """
        self._networks.subscribe(lambda name: lost(f"{name}.service"))
        first = {dyno: int(self._systemd.read(dyno.unit, "MainPID")) for dyno in dynos}
        await self._networks.adopt({dyno.snapshot: (dyno.place.address, pid) for dyno, pid in first.items()})

    def _age(self, dyno: DynoId) -> float:
        """For how many seconds its unit, which runs, has been active."""
        return time.monotonic() - int(self._systemd.read(dyno.unit, "ActiveEnterTimestampMonotonic")) / 1e6

    def _network_gone(self, dyno: DynoId) -> Exit | None:
        return None if self._networks.intact(dyno.snapshot) else Exit(ENDED_BY_OTHERS, NETWORK_GONE)

    def _exit(self, info: UnitInfo | None) -> Exit:
        if info is None:
            return Exit(ENDED_BY_OTHERS, STOPPED)
        return Exit(shell_status(info), RESULT if self._out_of_memory.ended(info) else info.result)


def unit_properties(
    launch: Launch,
    *,
    root: Path,
    binds: list[Bind],
    network: Network,
    environment_file: Path,
    log_rate: int = 0,
    count_io: bool = False,
) -> dict[str, Any]:
    """The systemd properties of one dyno, as a value."""
    size = sizes.get(launch.size)
    return hardened(
        root=root,
        uid=launch.uid,
        gid=launch.uid,
        binds=binds,
        limits=Limits(
            memory_max=size.memory_max,
            cpu_weight=size.cpu_weight,
            tasks_max=size.tasks,
            cpu_quota=size.cpu,
            count_io=count_io,
        ),
        slice_name=app_slice(launch.dyno.app),
        description=launch.dyno.description,
        command=_LAUNCH,
        environment_file=environment_file,
        log_namespace=namespace(launch.app_id),
        log_rate=log_rate,
        log_fields={
            "HOSTD_APP": launch.app_id,
            "HOSTD_SOURCE": "app",
            "HOSTD_PROCESS": launch.dyno.name,
        },
        syslog_identifier=f"{launch.dyno.app}[{launch.dyno.name}]",
        stop_timeout=STOP_SECONDS,
        runtime_max=launch.time_limit,
        restart_after=None if launch.dyno.one_off else RESTART_SECONDS,
        stdio=launch.stdio,
        network=network.path,
    )


def app_slice(app: str) -> str:
    """The slice of an app's dynos; a dash in a slice's name means nesting, so the app's are escaped."""
    return f"hostd-apps-{app.replace('-', chr(92) + 'x2d')}.slice"


def launch_command(command: str) -> list[str]:
    """The argument list that runs a Procfile's *command* inside the sandbox; only there the text meets a shell."""
    return [*_LAUNCH, command]


def runs(info: UnitInfo | None) -> bool:
    """Whether a unit's first process runs, or is about to."""
    if info is None or info.active not in _RUNNING or info.sub in _ENDED:
        return False
    return info.active == "activating" or not info.exec_main_code
