"""Processes of a box as the machine sees them.

`files/keep` starts nspawn and starts it again when the box reboots; nspawn's only child is the leader, PID 1
of the box.
"""

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Running:
    """The living processes of one box; nspawn is None for a moment while the box reboots."""

    keeper: int | None
    nspawn: int | None
    leader: int | None

    def __bool__(self) -> bool:
        return self.keeper is not None or self.nspawn is not None


def find(root: Path, proc: Path = PROC) -> Running:
    """The processes of the box whose tree is `root`.

    Found by their command lines at every call: a recorded pid could by now be another process.
    """
    mark = f"--directory={root}".encode()
    keeper = nspawn = None
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if mark not in words or _is_elsewhere(entry, proc):
                continue
            if words[0].endswith(b"systemd-nspawn"):
                nspawn = _outermost(nspawn, int(entry.name), proc)
            elif words[0].endswith(b"/sh"):
                keeper = int(entry.name)
    return Running(keeper, nspawn, None if nspawn is None else _only_child(nspawn, proc))


def _is_elsewhere(process: Path, proc: Path) -> bool:
    """Whether a process lives in another root: a container on this machine may give its box the same directory."""
    here = proc / "self/root"
    return here.exists() and not here.samefile(process / "root")


def wait_for_exit(pidfd: int, seconds: float) -> bool:
    """Wait until the process of a pidfd has ended (pidfd_open(2)); False when the time runs out."""
    ready, _, _ = select.select([pidfd], [], [], seconds)
    return bool(ready)


def kill_and_wait(pid: int, seconds: float = 10.0) -> bool:
    """Kill a process and wait until it has ended; False if it has not within `seconds`."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        _send(pid, signal.SIGKILL)
        return wait_for_exit(pidfd, max(seconds, 0.0))
    finally:
        os.close(pidfd)


def end(running: Running, seconds: float) -> bool:
    """Shut a box down: cleanly within `seconds`, else by SIGKILL. Returns whether it went cleanly.

    SIGRTMIN+3 makes the box's systemd start halt.target (systemd(1), signals), which stops every unit in
    order. The keeper goes first, so that nothing boots the box again.
    """
    if running.keeper is not None:
        kill_and_wait(running.keeper)
    if running.nspawn is None:
        return True
    try:
        pidfd = os.pidfd_open(running.nspawn)
    except ProcessLookupError:
        return True
    try:
        if running.leader is not None and seconds > 0:
            _send(running.leader, signal.SIGRTMIN + 3)
            if wait_for_exit(pidfd, seconds):
                return True
        if running.leader is not None:
            _send(running.leader, signal.SIGKILL)
        if not wait_for_exit(pidfd, 5.0):
            kill_and_wait(running.nspawn)
        return False
    finally:
        os.close(pidfd)


def _outermost(known: int | None, found: int, proc: Path) -> int:
    """Of nspawn and the copy of itself that it forks before the box's first program runs, the parent."""
    if known is None:
        return found
    return known if str(found) in _children(known, proc) else found


def _only_child(pid: int, proc: Path) -> int | None:
    children = _children(pid, proc)
    return int(children[0]) if len(children) == 1 else None


def _children(pid: int, proc: Path) -> list[str]:
    try:
        return (proc / str(pid) / "task" / str(pid) / "children").read_text(encoding="ascii").split()
    except OSError:
        return []


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
