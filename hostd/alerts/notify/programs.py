"""By a program of the operator's: it gets the message on its standard input, in a unit of its own."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import stat
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hostd.alerts.notify.notifier import Message, NotSent
from slugs.ending import Endings
from units.systemd import Systemd, SystemdError, UnitFailed, UnitInfo

log = logging.getLogger(__name__)

USER = "hostd-alerts"
SECONDS = 30
"""What a program may take."""
SLICE = "hostd-platform.slice"
_OURS = re.compile(r"hostd-alert-[0-9a-f]{12}\.service")
_NOT_EXECUTED = 203
"""systemd's own exit status for what is no program (systemd.exec(5))."""
_MEMORY, _TASKS = 256 << 20, 64


class Units:
    """Runs programs in transient units, as a user who has no rights here."""

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd
        self._endings = Endings(systemd)

    def sweep(self) -> None:
        """Let go of what a hostd that was killed has left; what it was to tell is told again."""
        for unit in self._systemd.list_units(["hostd-alert-*.service"]):
            # An app may be called alert.
            if _OURS.fullmatch(unit.name):
                self._systemd.unref(unit.name)

    async def run(self, argv: Sequence[str], content: bytes, *, confined: bool) -> None:
        """Run a program with this input to its end. Raises NotSent. Cancelled, it ends the program."""
        name = f"hostd-alert-{uuid.uuid4().hex[:12]}.service"
        file = _in_memory(content)
        try:
            await self._systemd.start(name, unit_properties(argv, file, confined=confined))
        except SystemdError as error:
            with suppress(SystemdError):
                self._systemd.unref(name)
            raise NotSent(f"{Path(argv[0]).name} cannot be started: {_why(error)}") from error
        finally:
            os.close(file)
        try:
            info = await self._endings.removed(name)
        except SystemdError as error:
            raise NotSent(f"how {Path(argv[0]).name} ended is not known: {error}") from error
        if (reason := failure(info)) is not None:
            raise NotSent(f"{Path(argv[0]).name} {reason}")


    async def run_unconfined(self, argv: Sequence[str], content: bytes) -> None:
        """Run a program of the system's, which gets rights by itself. Raises NotSent."""
        await self.run(argv, content, confined=False)


class Programs:
    """The programs in a directory that only root can write to."""

    def __init__(self, directory: Path, units: Units) -> None:
        self._directory = directory
        self._units = units

    def sweep(self) -> None:
        """Let go of programs that an earlier hostd ran."""
        try:
            self._units.sweep()
        except SystemdError as error:
            log.warning("programs of alerts that an earlier hostd ran are left: %s", error)

    async def send(self, where: str, message: Message) -> None:
        """Run the program with the message as JSON on its standard input. Raises NotSent."""
        program = self.checked(where)
        await self._units.run([str(program)], json.dumps(dict(message)).encode() + b"\n", confined=True)

    def checked(self, name: str) -> Path:
        """The program of that name, if it is one that only root can have put there. Raises NotSent."""
        path = self._directory / name
        for each in (self._directory, path):
            try:
                found = each.lstat()
            except OSError as error:
                raise NotSent(f"there is no program {path} (alert_programs)") from error
            if found.st_uid != os.getuid() or found.st_mode & 0o022:
                raise NotSent(f"{each} must be root's, and nobody else may write to it")
        if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o005 != 0o005:
            raise NotSent(f"{path} must be a file that everybody may read and run: chmod 755 {path}")
        return path


def unit_properties(argv: Sequence[str], stdin: int, *, confined: bool) -> dict[str, Any]:
    """The unit as a value. What is not `confined` may do what the programs of the mail system need, whose queue is of
    a group that they get by themselves."""
    properties: dict[str, Any] = {
        "Description": f"alert by {Path(argv[0]).name}",
        "Type": "exec",
        "ExecStart": [(argv[0], [argument.replace("$", "$$") for argument in argv], False)],
        "User": USER,
        "WorkingDirectory": "/",
        "StandardInputFileDescriptor": stdin,
        "StandardOutput": "journal",
        "StandardError": "journal",
        "Slice": SLICE,
        "CollectMode": "inactive",
        "RemainAfterExit": True,
        "KillMode": "control-group",
        "RuntimeMaxUSec": SECONDS * 1_000_000,
        "TimeoutStopUSec": 2_000_000,
        "MemoryMax": _MEMORY,
        "TasksMax": _TASKS,
        "UMask": 0o077,
        "LimitCORE": 0,
        "PrivateTmp": True,
        "ProtectHome": "yes",
        "ProtectControlGroups": True,
    }
    return properties | (_CONFINED if confined else {})


_CONFINED: dict[str, Any] = {
    "NoNewPrivileges": True,
    "CapabilityBoundingSet": 0,
    # Most of what follows keeps programs from getting a group by themselves, too (systemd.exec(5), NoNewPrivileges=).
    "PrivateDevices": True,
    "ProtectClock": True,
    "ProtectKernelLogs": True,
    "ProtectKernelModules": True,
    "ProtectKernelTunables": True,
    "RestrictRealtime": True,
    "LockPersonality": True,
    "ProtectSystem": "strict",
    "ProtectProc": "invisible",
    "ProtectHostname": True,
    "RestrictSUIDSGID": True,
    "RestrictAddressFamilies": (True, ["AF_INET", "AF_INET6", "AF_UNIX"]),
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": (True, ["@system-service"]),
    "SystemCallErrorNumber": errno.EPERM,
}


def failure(info: UnitInfo | None) -> str | None:
    """Why a program did not do its work; None if it did."""
    if info is None:
        return "was stopped"
    match info.result:
        case "success":
            return None
        case "timeout":
            return f"took longer than {SECONDS} seconds"
        case "oom-kill":
            return f"needed more than {_MEMORY >> 20} MB of memory"
        case "exit-code":
            return f"ended with status {info.exec_main_status}"
    return f"ended with {info.result}"


def _why(error: SystemdError) -> str:
    if isinstance(error, UnitFailed) and error.status == _NOT_EXECUTED:
        return "it must be machine code, or begin with #! and a program that is there"
    return str(error)


def _in_memory(content: bytes) -> int:
    """A file that is nowhere, to be read from its beginning."""
    file = os.memfd_create("hostd-alert", os.MFD_CLOEXEC)
    os.write(file, content)
    os.lseek(file, 0, os.SEEK_SET)
    return file
