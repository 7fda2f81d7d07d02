"""How dynos end: the status as a shell shows it, and a word for what systemd saw. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from units.oom import RESULT
from units.systemd import UnitInfo

STOPPED = "stopped"
"""The result of a dyno whose unit somebody else stopped, as with systemctl: systemd keeps no other of it."""

RESTARTED = "restarted"
"""The result of a dyno that runs, on files that another left, as somebody started its unit anew."""

NETWORK_GONE = "network-gone"
"""The result of a dyno that runs, and cannot go on, as somebody took its network away."""

_CLD_EXITED = 1
"""``si_code`` of a process that ended by itself (waitid(2)); systemd reports it as ExecMainCode."""

_SIGNALLED = 128
"""What a shell adds to a signal's number to make a status (bash(1), EXIT STATUS)."""

ENDED_BY_OTHERS = _SIGNALLED + signal.SIGTERM
"""The status of what somebody ended who is not hostd: a command that was cut off has not done its work."""
_SHELL_STATUSES = {126: "the command cannot be executed", 127: "command not found"}


@dataclass(frozen=True, slots=True)
class Exit:
    """How a dyno ended: a status as a shell would show it, and a word for what systemd saw."""

    status: int
    result: str

    @property
    def out_of_memory(self) -> bool:
        """True when the kernel killed it for its memory limit."""
        return self.result == RESULT

    @property
    def stopped(self) -> bool:
        """True when it did not end by itself: somebody stopped or restarted its unit, or took its network away."""
        return self.result in (STOPPED, RESTARTED, NETWORK_GONE)

    @property
    def reason(self) -> str:
        """The end in a few words."""
        if self.out_of_memory:
            return "out of memory, R15"
        if self.result == NETWORK_GONE:
            return "its network is gone"
        if self.stopped:
            return f"{self.result} from outside hostd"
        if self.result in ("success", "exit-code"):
            return f"exit status {self.status}{self.detail and f', {self.detail}'}"
        return self.detail or self.result

    @property
    def detail(self) -> str:
        """What the bare status does not say; empty for nothing."""
        match self.result:
            case "exit-code":
                return _meaning(self.status)
            # SIGTERM, SIGINT, SIGHUP and SIGPIPE are clean ends to systemd.
            case "signal" | "success" if self.status:
                return f"killed by {_signal_name(self.status - _SIGNALLED)}"
            case "core-dump":
                return f"killed by {_signal_name(self.status - _SIGNALLED)}, core dumped"
            case "timeout":
                return "did not end in time"
        return ""


def shell_status(info: UnitInfo) -> int:
    """The exit status as a shell shows it."""
    if info.exec_main_code in (0, _CLD_EXITED):
        return info.exec_main_status
    return _SIGNALLED + info.exec_main_status


def _meaning(status: int) -> str:
    """What a shell means by a status (bash(1), EXIT STATUS)."""
    if status in _SHELL_STATUSES:
        return _SHELL_STATUSES[status]
    name = _signal_name(status - _SIGNALLED)
    return f"as of a process killed by {name}" if name.startswith("SIG") else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
