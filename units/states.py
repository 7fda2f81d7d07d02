"""What systemd says of units, read over its bus, as values of ours."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from units.bus import JOB, SERVICE, UNIT, Bus, BusError
from units.names import object_path

UNLOADED = {"ActiveState": "inactive", "SubState": "dead", "MainPID": 0}
"""Values of a unit that is no longer loaded."""
_CLD_EXITED = 1
_STATUSES_OF_SYSTEMD = range(200, 256)
_SERVICE_VALUES = {
    "Result": "s",
    "ExecMainCode": "i",
    "ExecMainStatus": "i",
    "MainPID": "u",
    "ControlGroup": "s",
    "NRestarts": "u",
}
_OF_SERVICES = {**_SERVICE_VALUES, "LogNamespace": "s"}
_UNIT_VALUES = {"SubState": "s", "ActiveEnterTimestampMonotonic": "t"}


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
    """What systemd knows about one loaded unit, above all a service; times in seconds.

    ``exec_main_code`` is 0 while the main process runs, then CLD_EXITED (1), CLD_KILLED (2) or CLD_DUMPED
    (3); ``exec_main_status`` is the exit status or the signal. With RemainAfterExit a process that ended well
    leaves its unit ``active`` and ``exited``, one that did not ``failed``. ``active_for`` are seconds by a clock that
    nobody sets; ``restarts`` are systemd's own, since it was last told to ``reset_failed``.
    """

    name: str
    description: str
    active: str
    sub: str
    result: str
    exec_main_code: int
    exec_main_status: int
    main_pid: int
    control_group: str
    active_for: float | None = None
    restarts: int = 0
    job: str = ""
    """What somebody has told systemd to do with it that is not done: start, stop, restart, ...; empty for nothing."""


def read_values(bus: Bus, name: str) -> dict[str, Any] | None:
    """The values of one moment: read again if the unit changed its state in between."""
    path = object_path(name)
    while True:
        values = bus.read_all(path, UNIT)
        if values["LoadState"] == "not-found":
            return None
        # All 250 service properties would take three times as long as these.
        for key, kind in _SERVICE_VALUES.items():
            values[key] = bus.read(path, SERVICE, key, kind) if name.endswith(".service") else "" if kind == "s" else 0
        values["JobType"] = _job_type(bus, *values["Job"])
        if bus.read(path, UNIT, "SubState", "s") == values["SubState"]:
            return values


def read_one(bus: Bus, name: str, value: str) -> Any:
    """One of a service's values, by systemd's name: one question where `read_values` asks ten."""
    interface, kind = (UNIT, _UNIT_VALUES[value]) if value in _UNIT_VALUES else (SERVICE, _OF_SERVICES[value])
    return bus.read(object_path(name), interface, value, kind)


def unit_info(name: str, values: Mapping[str, Any]) -> UnitInfo:
    """What `read_values` has read, as one value."""
    return UnitInfo(
        name=name,
        description=values["Description"],
        active=values["ActiveState"],
        sub=values["SubState"],
        result=values["Result"],
        exec_main_code=values["ExecMainCode"],
        exec_main_status=values["ExecMainStatus"],
        main_pid=values["MainPID"],
        control_group=values["ControlGroup"],
        active_for=_age(values["ActiveEnterTimestampMonotonic"]),
        restarts=values["NRestarts"],
        job=values["JobType"],
    )


def was_executed(info: UnitInfo | None) -> bool:
    """Whether a failed unit's program ran: systemd may hear of its end before it hears that execve succeeded.

    What failed before ends with a status of systemd's own (systemd.exec(5), "Process Exit Codes").
    """
    if info is None or not info.exec_main_code:
        return False
    return info.exec_main_code != _CLD_EXITED or info.exec_main_status not in _STATUSES_OF_SYSTEMD


def _job_type(bus: Bus, number: int, path: str) -> str:
    with contextlib.suppress(BusError):  # it has just ended
        return str(bus.read(path, JOB, "JobType", "s")) if number else ""
    return ""


def _age(microseconds: int) -> float | None:
    return time.monotonic() - microseconds / 1e6 if microseconds else None
