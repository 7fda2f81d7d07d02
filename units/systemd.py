"""systemd as the rest of the code sees it: start, stop, list, read and watch units."""

import asyncio
import contextlib
import errno
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pystemd.dbuslib import apply_signature

from units.bus import (
    MANAGER,
    MANAGER_PATH,
    PRIVATE_SOCKET,
    UNIT,
    Bus,
    BusError,
    BusLost,
    JobRemoved,
    Signal,
)
from units.connection import Connection, refused
from units.errors import SystemdError, SystemdUnavailable, UnitExists, UnitFailed, UnknownUnit
from units.names import object_path
from units.properties import encode
from units.states import UNLOADED, UnitInfo, UnitStatus, read_one, read_values, unit_info, was_executed

__all__ = [
    "ANY_UNIT", "Systemd", "SystemdError", "SystemdUnavailable",
    "UnitExists", "UnitFailed", "UnitInfo", "UnitStatus", "UnknownUnit",
]  # fmt: skip

ANY_UNIT = "*"
"""What subscribers are called with when signals were lost, so that any unit may have changed."""

_TRANSIENT = Path("/run/systemd/transient")
_INVOCATIONS = Path("/run/systemd/units")
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 120.0
_RECHECK = 1.0
_UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists"


class Systemd:
    """The connection to systemd, for one event loop.

    Calls block for 1-2 ms each; ``start`` and ``stop`` wait for the job's end by signal. A lost
    connection is opened again at the next call or tick.
    """

    def __init__(self, address: str = PRIVATE_SOCKET) -> None:
        self._connection = Connection(address, self._noted, self._lost)
        self._jobs: dict[int, asyncio.Future[str]] = {}
        self._changes: dict[str, asyncio.Future[None]] = {}
        self._followed: dict[str, dict[str, Any]] = {}
        self._subscribers: list[Callable[[str], None]] = []
        self._changed: set[str] = set()

    # --- units ---------------------------------------------------------------------------------

    async def start(
        self,
        name: str,
        properties: Mapping[str, Any],
        *,
        timeout: float = _START_TIMEOUT,
    ) -> None:
        """Start a transient unit and wait until systemd says that it runs (``Type=exec``: execve succeeded).

        A program that ends at once has been started all the same: ``info`` says how it ended.
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
        info = None if result == "done" else self.info(name)
        if result != "done" and not was_executed(info):
            raise _failure(name, result, info)

    async def stop(self, name: str, *, timeout: float = _STOP_TIMEOUT) -> UnitInfo | None:
        """Stop a unit, wait until it has ended and return its last state; None if it was not loaded.

        systemd unloads a unit that ended well at once, with its exit status: the state returned was
        put together from the signals before. One that had to be killed stays loaded until ``unref``.
        """
        deadline = self._deadline(timeout)
        values = self._connection.call(lambda bus: read_values(bus, name))
        if values is None:
            return None
        with self._following(name, values) as latest:
            job = await self._queue_stop(name, deadline)
            if job is not None:
                await self._job_result(job, name, deadline)
        return self.info(name) or unit_info(name, {**latest, **UNLOADED})

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
        rows = self._connection.call(lambda bus: bus.call("ListUnitsByPatterns", "asas", [], list(patterns)))
        return [UnitStatus(*row[:5]) for row in rows]

    def is_stopping(self) -> bool:
        """Whether the whole machine is being shut down."""
        state = self._connection.call(lambda bus: bus.read(MANAGER_PATH, MANAGER, "SystemState", "s"))
        return bool(state == "stopping")

    def info(self, name: str) -> UnitInfo | None:
        """What systemd knows about a unit now, or None when it is not loaded; what only services have is empty."""
        values = self._connection.call(lambda bus: read_values(bus, name))
        return None if values is None else unit_info(name, values)

    def read(self, name: str, value: str) -> Any:
        """One of a service's values, by systemd's name: one question where ``info`` asks ten. "" or 0 if not loaded."""
        return self._connection.call(lambda bus: read_one(bus, name, value))

    def invocation(self, name: str) -> uuid.UUID:
        """The id of this run of a unit (systemd.exec(5), $INVOCATION_ID); all zeros for one that does not run.

        systemd leaves it in a link, where journald finds it too: nobody has to be asked.
        """
        try:
            return uuid.UUID(str((_INVOCATIONS / f"invocation:{name}").readlink()))
        except (OSError, ValueError):
            return uuid.UUID(int=0)

    def set_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        """Change a running unit: systemd takes limits and the description, nothing of the sandbox."""
        arguments = [*apply_signature(b"sb", [name, True]), *encode(properties)]
        self._connection.call(lambda bus: bus.call_raw("SetUnitProperties", arguments))

    def changed_units(self) -> set[str]:
        """The transient units that were changed since they were started, as with ``systemctl set-property``.

        systemd sends no signal for that; it writes what was changed beside the unit's own file.
        """
        return {folder.name.removesuffix(".d") for folder in _TRANSIENT.glob("*.d")}

    # --- signals -------------------------------------------------------------------------------

    def subscribe(self, callback: Callable[[str], None]) -> None:
        """Have ``callback`` called with a unit's name whenever something about it may have changed.

        Called once per unit and turn of the loop, without what changed: read it. Called with
        ANY_UNIT after the connection was lost.
        """
        self._subscribers.append(callback)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connect and watch in an event loop; raises SystemdUnavailable when systemd is not there."""
        self._connection.attach(loop)

    def close(self) -> None:
        """Hang up; units go on."""
        self._connection.close()

    def _noted(self, signal: Signal) -> None:
        if isinstance(signal, JobRemoved):
            waiter = self._jobs.get(signal.job)
            if waiter is not None and not waiter.done():
                waiter.set_result(signal.result)
        elif signal.unit in self._followed:
            self._followed[signal.unit].update(signal.values)
        if (change := self._changes.pop(signal.unit, None)) is not None and not change.done():
            change.set_result(None)
        self._tell_soon(signal.unit)

    def _lost(self) -> None:
        self._tell_soon(ANY_UNIT)

    def _tell_soon(self, unit: str) -> None:
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._tell)
        self._changed.add(unit)

    def _tell(self) -> None:
        changed, self._changed = self._changed, set()
        for unit in changed:
            for callback in self._subscribers:
                callback(unit)

    @contextlib.contextmanager
    def _following(self, name: str, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The values, kept up to date by the unit's signals."""
        self._connection.detailed.add(name)
        try:
            yield self._followed.setdefault(name, values)
        finally:
            self._followed.pop(name, None)
            self._connection.detailed.discard(name)

    # --- jobs ----------------------------------------------------------------------------------

    def _deadline(self, timeout: float) -> float:
        loop = asyncio.get_running_loop()
        self._connection.attach(loop)
        return loop.time() + timeout

    async def _queue_start(self, name: str, arguments: list[tuple[int, Any]], deadline: float) -> int:
        """The job's number. An answer lost on the way is made good: then the unit that exists is ours."""
        lost = False
        while True:
            try:
                with self._connection.once() as bus:
                    job = _job_number(bus.call_raw("StartTransientUnit", arguments))
            except BusLost:
                lost = True
            except BusError as error:
                if not _exists(error):
                    raise SystemdError(f"{name}: {error}") from error
                if lost:
                    return self._current_job(name)
                if not self._leaving(name) or asyncio.get_running_loop().time() >= deadline:
                    raise UnitExists(name) from error
                await self._next_signal(name)
            else:
                return job
            if lost:
                await self._connection.again(deadline)

    async def _queue_stop(self, name: str, deadline: float) -> int | None:
        while True:
            try:
                with self._connection.once() as bus:
                    return _job_number(bus.call("StopUnit", "ss", name, "replace"))
            except BusError as error:
                if error.no_such_unit:
                    return None
                raise refused(error) from error
            except BusLost:
                await self._connection.again(deadline)

    def _leaving(self, name: str) -> bool:
        """Whether systemd is about to unload the unit, so that its name is free in a moment."""
        values = self._connection.call(lambda bus: read_values(bus, name))
        if values is None or values["ActiveState"] in ("inactive", "deactivating"):
            return True
        # systemd begins with a job only when no message waits for it: a unit told to stop may still be active.
        return bool(values["ActiveState"] == "active" and values["JobType"])

    async def _next_signal(self, name: str) -> None:
        """Wait until something about the unit changed, or long enough to look again."""
        waiter = self._changes.setdefault(name, asyncio.get_running_loop().create_future())
        await asyncio.wait({waiter}, timeout=_RECHECK)

    def _current_job(self, name: str) -> int:
        number, _ = self._connection.call(lambda bus: bus.read(object_path(name), UNIT, "Job", "(uo)"))
        return int(number)

    async def _job_result(self, job: int, name: str, deadline: float) -> str:
        """How the job ended: by its signal, or by reading the unit again when the signal got lost."""
        loop = asyncio.get_running_loop()
        waiter = self._jobs.setdefault(job, loop.create_future())
        try:
            while job and not waiter.done():
                left = deadline - loop.time()
                if left <= 0:
                    raise SystemdUnavailable(f"{name}: systemd did not end the job in time")
                await asyncio.wait({waiter}, timeout=min(_RECHECK, left))
                if not waiter.done() and self._current_job(name) != job:
                    return _result_read(self.info(name))
            return waiter.result() if job else _result_read(self.info(name))
        finally:
            self._jobs.pop(job, None)

    def _tolerant(self, call: Callable[[Bus], Any]) -> None:
        with contextlib.suppress(UnknownUnit):
            self._connection.call(call)


def _job_number(path: str) -> int:
    return int(path.rsplit("/", 1)[1])


def _exists(error: BusError) -> bool:
    return error.name == _UNIT_EXISTS or error.number == errno.EEXIST


def _result_read(info: UnitInfo | None) -> str:
    return "failed" if info is not None and info.active == "failed" else "done"


def _failure(name: str, job_result: str, info: UnitInfo | None) -> UnitFailed:
    if info is None or info.result == "success":
        return UnitFailed(name, job_result)
    return UnitFailed(name, info.result, info.exec_main_status)
