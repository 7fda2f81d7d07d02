"""Control groups of a box: a group of its own in each hierarchy, so that two boxes never share one.

With cgroup v1 the box's systemd enforces limits only inside groups that belong to it alone; the machine's own
hierarchies are never remounted or changed, they only get a child group. With cgroup v2 the same child group
is made in the one tree, with the controllers handed down where the machine allows it.
"""

import contextlib
import time
from pathlib import Path

from hostd.box.errors import BoxError
from hostd.box.processes import kill_and_wait

ROOT = Path("/sys/fs/cgroup")
HIERARCHIES = ("cpu", "cpuacct", "memory", "pids", "blkio", "devices", "freezer", "systemd", "unified")


class Groups:
    """The control groups of the box `name`."""

    def __init__(self, name: str, root: Path = ROOT) -> None:
        self.root = root
        self.name = f"hostd-box-{name}"

    @property
    def unified(self) -> bool:
        """Whether the machine has cgroup v2 only."""
        return (self.root / "cgroup.controllers").exists()

    def paths(self) -> list[Path]:
        """The directories of the box's groups, one per hierarchy that this machine has."""
        if self.unified:
            return [self.root / self.name]
        return [self.root / each / self.name for each in HIERARCHIES if (self.root / each).is_dir()]

    def create(self) -> list[Path]:
        """Make the groups and return their `cgroup.procs` files: a process enters by writing 0 to each."""
        if self.unified:
            self._hand_down()
        for path in self.paths():
            path.mkdir(exist_ok=True)
        return [path / "cgroup.procs" for path in self.paths()]

    def kill(self, seconds: float = 10.0) -> None:
        """Kill every process in the groups and wait until all have ended.

        A box whose nspawn was killed goes on without it: its first process is nobody's child then, and is known by
        its groups alone. Raises BoxError if one does not end within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while left := self.processes():
            for pid in left:
                if not kill_and_wait(pid, deadline - time.monotonic()):
                    raise BoxError(f"process {pid} of the box did not end within {seconds:g} s of SIGKILL")

    def processes(self) -> list[int]:
        """The pids of every process in the groups, lowest first: the box's first process before its children."""
        found: set[int] = set()
        for path in self.paths():
            for listing in path.rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    found.update(int(pid) for pid in listing.read_text(encoding="ascii").split())
        return sorted(found - {0})

    def remove(self) -> None:
        """Remove the groups, deepest first; one that still holds a dying process stays for the next time."""
        for path in self.paths():
            below = sorted(path.rglob("*/"), key=lambda group: len(group.parts), reverse=True)
            for group in [*below, path]:
                with contextlib.suppress(OSError):
                    group.rmdir()

    def _hand_down(self) -> None:
        """Let child groups use every controller; refused where the tree's top holds processes of its own."""
        for controller in (self.root / "cgroup.controllers").read_text(encoding="ascii").split():
            with contextlib.suppress(OSError):
                (self.root / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")
