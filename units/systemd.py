# ruff: noqa: N818 - errors are named for what happened
"""systemd as the rest of the code sees it: start, stop, list, read and watch units."""

import asyncio
import contextlib
import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pystemd.dbuslib import apply_signature

from units.bus import PRIVATE_SOCKET, SERVICE, UNIT, Bus, BusError, BusLost, JobRemoved, Signal
from units.names import object_path
from units.properties import encode

ANY_UNIT = "*"
"""What subscribers are called with when signals were lost, so that any unit may have changed."""

_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 120.0
_TICK = 1.0
_RECONNECT = 0.05
_RECHECK = 1.0
_UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists"


T = TypeVar("T")


class SystemdError(Exception):
    """systemd refused or failed to do something; the message says what and why."""


class SystemdUnavailable(SystemdError):
    """systemd does not answer: it is not PID 1 here, is re-executing, or took longer than the deadline."""


class UnknownUnit(SystemdError):
    """No unit of that name is loaded."""


class UnitExists(SystemdError):
    """A unit of that name is loaded already: running, or ended and not yet let go of (``unref``)."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} exists already")


class UnitFailed(SystemdError):
    """A unit did not start or stop as asked.

    ``result`` is systemd's word: exit-code, signal, oom-kill, timeout, resources, canceled, ...;
    ``status`` the exit status or signal of its main process, 0 when it had none. Statuses from 200
    are systemd's own (systemd.exec(5), "Process Exit Codes"): 226 the sandbox, 203 no such program.
    """

    def __init__(self, name: str, result: str, status: int = 0) -> None:
        self.name, self.result, self.status = name, result, status
        super().__init__(f"{name} failed: {result}{f', status {status}' if status else ''}")


@dataclass(frozen=True)
class UnitStatus:
    """One line of ``systemctl list-units``."""

    name: str
    description: str
    load: str
    active: str
    sub: str


@dataclass(frozen=True)
class UnitInfo:
    """What systemd knows about one loaded service; times in unix seconds, None for "never".

    ``exec_main_code`` is 0 while the main process runs, then CLD_EXITED (1), CLD_KILLED (2) or CLD_DUMPED
    (3); ``exec_main_status`` is the exit status or the signal. With RemainAfterExit a process that ended well
    leaves its unit ``active`` and ``exited``, one that did not ``failed``.
    """

    name: str
    description: str
    active: str
    sub: str
    result: str
    exec_main_code: int
    exec_main_status: int
    main_pid: int
    active_since: float | None
    inactive_since: float | None
    started_at: float | None
    exited_at: float | None
    control_group: str


class Systemd:
    """The connection to systemd, for one event loop.

    Calls block for 1-2 ms each; ``start`` and ``stop`` wait for the job's end by signal. A lost
    connection is opened again at the next call or tick.
    """

    def __init__(self, address: str = PRIVATE_SOCKET) -> None:
        self._address = address
        self._bus: Bus | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._jobs: dict[int, asyncio.Future[str]] = {}
        self._subscribers: list[Callable[[str], None]] = []

    # --- units ---------------------------------------------------------------------------------

    async def start(
        self,
        name: str,
        properties: Mapping[str, Any],
        *,
        timeout: float = _START_TIMEOUT,  # noqa: ASYNC109
    ) -> None:
        """Start a transient unit and wait until systemd says that it runs (``Type=exec``: execve succeeded).

        Raises UnitExists, UnitFailed, SystemdUnavailable after ``timeout`` seconds, and SystemdError
        for properties that systemd does not take. A unit that failed stays loaded until ``unref``.
        """
        arguments = [
            *apply_signature(b"ss", [name, "fail"]),
            *encode(properties),
            *apply_signature(b"a(sa(sv))", [[]]),
        ]
        deadline = self._deadline(timeout)
        job = await self._queue_start(name, arguments, deadline)
        result = await self._job_result(job, name, deadline)
        if result != "done":
            raise _failure(name, result, self.info(name))

    async def stop(self, name: str, *, timeout: float = _STOP_TIMEOUT) -> None:  # noqa: ASYNC109
        """Stop a unit and wait until it has ended; a unit that systemd does not know is fine.

        A unit that had to be killed stays loaded as failed until ``unref``.
        """
        deadline = self._deadline(timeout)
        job = await self._queue_stop(name, deadline)
        if job is not None:
            await self._job_result(job, name, deadline)

    def kill(self, name: str, signal: int, *, whom: str = "all") -> None:
        """Send a signal to a unit's processes (``whom``: all, main or control); an unknown unit is fine."""
        self._tolerant(lambda bus: bus.call("KillUnit", "ssi", name, whom, signal))

    def reset_failed(self, name: str) -> None:
        """Forget that a unit failed, which unloads an ended transient unit; an unknown unit is fine."""
        self._tolerant(lambda bus: bus.call("ResetFailedUnit", "s", name))

    def unref(self, name: str) -> None:
        """Let go of a unit that has ended, however it ended: systemd unloads it with its result."""
        self._tolerant(lambda bus: bus.call("StopUnit", "ss", name, "replace"))
        self.reset_failed(name)

    def list_units(self, patterns: Sequence[str]) -> list[UnitStatus]:
        """The loaded units whose name matches one of the shell patterns."""
        rows = self._call(lambda bus: bus.call("ListUnitsByPatterns", "asas", [], list(patterns)))
        return [UnitStatus(*row[:5]) for row in rows]

    def info(self, name: str) -> UnitInfo | None:
        """What systemd knows about a service now, or None when it is not loaded."""
        return self._call(lambda bus: _read_info(bus, name))

    def set_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        """Change a running unit: systemd takes limits and the description, nothing of the sandbox."""
        arguments = [*apply_signature(b"sb", [name, True]), *encode(properties)]
        self._call(lambda bus: bus.call_raw("SetUnitProperties", arguments))

    # --- signals -------------------------------------------------------------------------------

    def subscribe(self, callback: Callable[[str], None]) -> None:
        """Have ``callback`` called with a unit's name whenever something about it may have changed.

        Called once per unit and turn of the loop, without what changed: read it. Called with
        ANY_UNIT after the connection was lost.
        """
        self._subscribers.append(callback)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch the bus in an event loop; raises SystemdUnavailable when systemd is not there."""
        if self._loop is loop:
            return
        self._loop = loop
        self._open()
        self._tick = loop.call_later(_TICK, self._ticked)

    def close(self) -> None:
        """Hang up; units go on."""
        self._drop()
        if self._tick is not None:
            self._tick.cancel()
        self._loop = self._tick = None

    # --- connection ----------------------------------------------------------------------------

    def _open(self) -> Bus:
        if self._bus is None:
            try:
                self._bus = Bus(self._address)
            except BusLost as error:
                raise SystemdUnavailable(str(error)) from error
            if self._loop is not None:
                self._loop.add_reader(self._bus.fileno(), self._drain)
        return self._bus

    def _drop(self) -> None:
        if self._bus is not None:
            if self._loop is not None:
                self._loop.remove_reader(self._bus.fileno())
            self._bus.close()
            self._bus = None

    def _reopen(self) -> Bus:
        self._drop()
        bus = self._open()
        self._tell({ANY_UNIT})
        return bus

    @contextlib.contextmanager
    def _calling(self) -> Iterator[Bus]:
        # Signals that arrive during a call wait in sd-bus's own queue: no readable event announces them.
        try:
            yield self._open()
        finally:
            if self._loop is not None:
                self._loop.call_soon(self._drain)

    def _call(self, call: Callable[[Bus], T]) -> T:
        """One call, repeated once on a new connection; BusError becomes SystemdError."""
        try:
            with self._calling() as bus:
                return call(bus)
        except BusLost as error:
            if error.timed_out:
                raise SystemdUnavailable(str(error)) from error
        except BusError as error:
            raise _refused(error) from error
        try:
            return call(self._reopen())
        except BusLost as error:
            raise SystemdUnavailable(str(error)) from error
        except BusError as error:
            raise _refused(error) from error

    async def _reconnected(self, deadline: float) -> None:
        """Return with an open connection; PID 1 needs a moment to listen again after it re-executed."""
        while True:
            try:
                self._reopen()
            except SystemdUnavailable:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(_RECONNECT)
            else:
                return

    def _drain(self) -> None:
        if self._bus is None:
            return
        try:
            signals, more = self._bus.signals()
        except BusLost:
            self._drop()
            with contextlib.suppress(SystemdUnavailable):
                self._reopen()
            return
        self._tell({self._noted(signal) for signal in signals})
        if more and self._loop is not None:
            self._loop.call_soon(self._drain)

    def _noted(self, signal: Signal) -> str:
        if isinstance(signal, JobRemoved):
            waiter = self._jobs.get(signal.job)
            if waiter is not None and not waiter.done():
                waiter.set_result(signal.result)
        return signal.unit

    def _tell(self, units: set[str]) -> None:
        for unit in units:
            for callback in self._subscribers:
                callback(unit)

    def _ticked(self) -> None:
        if self._loop is None:
            return
        self._tick = self._loop.call_later(_TICK, self._ticked)
        if self._bus is None:
            with contextlib.suppress(SystemdUnavailable):
                self._reopen()
        self._drain()

    # --- jobs ----------------------------------------------------------------------------------

    def _deadline(self, timeout: float) -> float:
        loop = asyncio.get_running_loop()
        self.attach(loop)
        return loop.time() + timeout

    async def _queue_start(self, name: str, arguments: list[tuple[int, Any]], deadline: float) -> int:
        """The job's number. An answer lost on the way is made good: then the unit that exists is ours."""
        lost = False
        while True:
            try:
                with self._calling() as bus:
                    return _job_number(bus.call_raw("StartTransientUnit", arguments))
            except BusLost:
                lost = True
            except BusError as error:
                if lost and _exists(error):
                    return self._current_job(name)
                raise _start_refused(name, error) from error
            await self._reconnected(deadline)

    async def _queue_stop(self, name: str, deadline: float) -> int | None:
        while True:
            try:
                with self._calling() as bus:
                    return _job_number(bus.call("StopUnit", "ss", name, "replace"))
            except BusError as error:
                if error.no_such_unit:
                    return None
                raise _refused(error) from error
            except BusLost:
                await self._reconnected(deadline)

    def _current_job(self, name: str) -> int:
        number, _ = self._call(lambda bus: bus.read(object_path(name), UNIT, "Job", "(uo)"))
        return int(number)

    async def _job_result(self, job: int, name: str, deadline: float) -> str:
        """How the job ended: by its signal, or by reading the unit again when the signal got lost."""
        loop = asyncio.get_running_loop()
        waiter = self._jobs.setdefault(job, loop.create_future())
        try:
            while not waiter.done():
                left = deadline - loop.time()
                if left <= 0:
                    raise SystemdUnavailable(f"{name}: systemd did not end the job in time")
                await asyncio.wait({waiter}, timeout=min(_RECHECK, left))
                if not waiter.done() and self._current_job(name) != job:
                    return _result_read(self.info(name))
            return waiter.result()
        finally:
            self._jobs.pop(job, None)

    def _tolerant(self, call: Callable[[Bus], Any]) -> None:
        with contextlib.suppress(UnknownUnit):
            self._call(call)


def _job_number(path: str) -> int:
    return int(path.rsplit("/", 1)[1])


def _exists(error: BusError) -> bool:
    return error.name == _UNIT_EXISTS or error.number == errno.EEXIST


def _refused(error: BusError) -> SystemdError:
    return UnknownUnit(str(error)) if error.no_such_unit else SystemdError(str(error))


def _start_refused(name: str, error: BusError) -> SystemdError:
    return UnitExists(name) if _exists(error) else SystemdError(f"{name}: {error}")


def _result_read(info: UnitInfo | None) -> str:
    return "failed" if info is not None and info.active == "failed" else "done"


def _failure(name: str, job_result: str, info: UnitInfo | None) -> UnitFailed:
    if info is None or info.result == "success":
        return UnitFailed(name, job_result)
    return UnitFailed(name, info.result, info.exec_main_status)


def _read_info(bus: Bus, name: str) -> UnitInfo | None:
    path = object_path(name)
    unit = bus.read_all(path, UNIT)
    if unit["LoadState"] == "not-found":
        return None
    service = bus.read_all(path, SERVICE)
    return UnitInfo(
        name=name,
        description=unit["Description"],
        active=unit["ActiveState"],
        sub=unit["SubState"],
        result=service["Result"],
        exec_main_code=service["ExecMainCode"],
        exec_main_status=service["ExecMainStatus"],
        main_pid=service["MainPID"],
        active_since=_seconds(unit["ActiveEnterTimestamp"]),
        inactive_since=_seconds(unit["InactiveEnterTimestamp"]),
        started_at=_seconds(service["ExecMainStartTimestamp"]),
        exited_at=_seconds(service["ExecMainExitTimestamp"]),
        control_group=service["ControlGroup"],
    )


def _seconds(microseconds: int) -> float | None:
    return microseconds / 1e6 if microseconds else None
