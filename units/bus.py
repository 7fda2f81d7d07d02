# ruff: noqa: N818 - errors are named for what happened
"""A connection to PID 1's private socket, on pystemd's low-level bus: calls, properties, queued signals.

pystemd's high-level objects introspect and parse XML before the first read of every unit, so nothing
hot goes through them. On the private socket systemd sends every signal without Subscribe or a match.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pystemd.dbusexc import (
    DBusBaseError,
    DBusNoReplyError,
    DBusNoSuchUnitError,
    DBusTimedOutError,
    DBusTimeoutError,
)
from pystemd.dbuslib import DBusAddress, apply_signature

from units.names import unit_at

PRIVATE_SOCKET = "unix:path=/run/systemd/private"

SYSTEMD = b"org.freedesktop.systemd1"
MANAGER_PATH = "/org/freedesktop/systemd1"
MANAGER = "org.freedesktop.systemd1.Manager"
UNIT = "org.freedesktop.systemd1.Unit"
SERVICE = "org.freedesktop.systemd1.Service"
JOB = "org.freedesktop.systemd1.Job"

_PROPERTIES = b"org.freedesktop.DBus.Properties"
_LOCAL = b"org.freedesktop.DBus.Local"
_LOST = frozenset({errno.ENOTCONN, errno.ECONNRESET, errno.EPIPE, errno.ECONNREFUSED, errno.ESHUTDOWN})
_NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"
_QUIET_TURNS = 3
_MESSAGES_A_TURN = 400


class BusError(Exception):
    """systemd refused a call; ``name`` is the D-Bus error name if pystemd kept it, ``number`` the errno."""

    def __init__(self, error: DBusBaseError) -> None:
        self.number = abs(int(error.errno))
        self.name = _NO_SUCH_UNIT if isinstance(error, DBusNoSuchUnitError) else _text(error.err_name)
        super().__init__(_text(error.err_message) or errno.errorcode.get(self.number, str(self.number)))

    @property
    def no_such_unit(self) -> bool:
        """Whether the call named a unit that is not loaded."""
        return self.name == _NO_SUCH_UNIT


class BusLost(Exception):
    """The connection is gone, or no answer came in time; whether the call arrived is unknown. ``absent``: there is not
    even a socket to connect to."""

    def __init__(self, message: str, *, timed_out: bool = False, absent: bool = False) -> None:
        self.timed_out = timed_out
        self.absent = absent
        super().__init__(message)


@dataclass(frozen=True)
class JobRemoved:
    """A job left systemd's queue: ``result`` is done, failed, canceled, timeout, dependency or skipped."""

    job: int
    unit: str
    result: str


@dataclass(frozen=True)
class UnitChanged:
    """Something about a unit changed, or systemd unloaded it; the new values only for units in ``Bus.detailed``."""

    unit: str
    values: Mapping[str, Any] = field(default_factory=dict)


Signal = JobRemoved | UnitChanged


class Bus:
    """One open connection. Not thread-safe; every call blocks for the 1-2 ms that PID 1 takes to answer."""

    def __init__(self, address: str = PRIVATE_SOCKET) -> None:
        """Connect; raises BusLost when nobody listens at the address."""
        self._bus = DBusAddress(address.encode(), True)
        try:
            self._bus.open()
        except DBusBaseError as error:
            absent = abs(int(error.errno)) == errno.ENOENT
            raise BusLost(f"no systemd at {address}: {error}", absent=absent) from error
        self.detailed: set[str] = set()

    def fileno(self) -> int:
        """The file descriptor that becomes readable when signals arrive."""
        return int(self._bus.get_fd())

    def close(self) -> None:
        """Hang up."""
        self._bus.close()

    def call(self, method: str, signature: str = "", *values: Any) -> Any:
        """Call a method of systemd's manager object; the answer in Python types, texts as str."""
        return self.call_raw(method, apply_signature(signature.encode(), list(values)))

    def call_raw(self, method: str, arguments: list[tuple[int, Any]]) -> Any:
        """``call`` with arguments already marshalled to pystemd's list form."""
        return self._call(MANAGER_PATH, MANAGER, method, arguments)

    def read(self, path: str, interface: str, name: str, signature: str) -> Any:
        """One property of an object."""
        try:
            return _plain(
                self._bus.get_property(SYSTEMD, path.encode(), interface.encode(), name.encode(), signature.encode())
            )
        except DBusBaseError as error:
            raise _judged(error) from error

    def read_all(self, path: str, interface: str) -> dict[str, Any]:
        """All properties of an object that one interface has."""
        answer = self._call(path, _PROPERTIES.decode(), "GetAll", apply_signature(b"s", [interface]))
        return answer if isinstance(answer, dict) else {}

    def signals(self) -> tuple[list[Signal], bool]:
        """What has arrived, and whether more may be waiting; raises BusLost when the other end hung up.

        pystemd does not say whether a turn did nothing or did something within, so the queue
        counts as empty after a few turns without a message.
        """
        arrived: list[Signal] = []
        quiet = 0
        for _ in range(_MESSAGES_A_TURN):
            try:
                message = self._bus.process()
            except DBusBaseError as error:
                raise BusLost(f"the connection to systemd is gone: {error}") from error
            if message.is_empty():
                quiet += 1
                if quiet == _QUIET_TURNS:
                    return arrived, False
                continue
            quiet = 0
            if (signal := self._understood(message)) is not None:
                arrived.append(signal)
        return arrived, True

    def _call(self, path: str, interface: str, method: str, arguments: list[tuple[int, Any]]) -> Any:
        try:
            message = self._bus.call_method(SYSTEMD, path.encode(), interface.encode(), method.encode(), arguments)
        except DBusBaseError as error:
            raise _judged(error) from error
        return _plain(message.body)

    def _understood(self, message: Any) -> Signal | None:
        if message.is_signal(_PROPERTIES, b"PropertiesChanged"):
            unit = unit_at(message.get_path().decode())
            if unit is None:
                return None
            return UnitChanged(unit, _changes(message) if unit in self.detailed else {})
        if message.is_signal(MANAGER.encode(), b"JobRemoved"):
            job, _, unit, result = _body(message)
            return JobRemoved(int(job), unit, result)
        if message.is_signal(MANAGER.encode(), b"UnitRemoved"):
            return UnitChanged(_body(message)[0])
        if message.is_signal(_LOCAL, b"Disconnected"):
            raise BusLost("systemd closed the connection")
        return None


def _body(message: Any) -> Any:
    message.process_reply(False)
    return _plain(message.body)


def _changes(message: Any) -> dict[str, Any]:
    _, values, _ = _body(message)
    return values if isinstance(values, dict) else {}


def _judged(error: DBusBaseError) -> BusError | BusLost:
    if isinstance(error, DBusTimeoutError | DBusTimedOutError | DBusNoReplyError):
        return BusLost("systemd did not answer in time", timed_out=True)
    number = abs(int(error.errno))
    if number in _LOST:
        return BusLost(f"the connection to systemd is gone: {errno.errorcode[number]}")
    return BusError(error)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
