"""Which units the kernel ended for lack of memory, where systemd cannot tell."""

import signal
from pathlib import Path

from units.cgroups import CGROUP_ROOT, parse_table
from units.systemd import UnitInfo

VMSTAT = Path("/proc/vmstat")
RESULT = "oom-kill"
"""What systemd says of a unit that ran out of memory (systemd.exec(5), $SERVICE_RESULT)."""

_CLD_KILLED = 2


class OutOfMemory:
    """Tells an end by lack of memory from other ends.

    With cgroup v2 systemd does. With cgroup v1 it hears nothing of it, and the group that counted is gone with its
    last process: then a SIGKILL counts as one for lack of memory if the kernel has killed anything on this machine
    for that reason since the unit started.
    """

    def __init__(self, cgroups: Path = CGROUP_ROOT, vmstat: Path = VMSTAT) -> None:
        self._systemd_tells = (cgroups / "cgroup.controllers").exists()
        self._vmstat = vmstat
        self._at_first = self._kills()
        self._at_start: dict[str, int] = {}

    def starting(self, unit: str) -> None:
        """Say that a unit is about to start."""
        self._at_start[unit] = self._kills()

    def forget(self, unit: str) -> None:
        """Say that a unit is gone."""
        self._at_start.pop(unit, None)

    def ended(self, info: UnitInfo) -> bool:
        """Whether this is what ended the unit."""
        if info.result == RESULT:
            return True
        killed = info.exec_main_code == _CLD_KILLED and info.exec_main_status == signal.SIGKILL
        return killed and self._kills() > self._at_start.get(info.name, self._at_first)

    def _kills(self) -> int:
        """How many processes the kernel has killed for lack of memory; 0 where systemd tells."""
        return 0 if self._systemd_tells else parse_table(self._vmstat.read_text()).get("oom_kill", 0)
