"""Runs inside a dyno: prints as JSON what the kernel makes of this process, down to each system call by number.

`likeness.py hunt SECONDS` instead looks for processes that come up meanwhile, and tries to get hold of what they have.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import sys
import time
from pathlib import Path

CALLS = 470
NOT_TRIED = {"x86_64": {15, 60, 231, 68, 162}, "aarch64": {93, 94, 139, 186, 81}}
"""sigreturn and exit, which do not come back; msgget, which finds what another process of the dyno has made; sync,
which takes as long as the machine has to write."""
OWN = {"PWD", "OLDPWD", "SHLVL", "_", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "LOG_NAMESPACE"}
"""Variables that a shell sets, and those by which systemd tells a service about itself."""
OUTSIDE = ("/run/", "/var/lib/", "/opt/", "/etc/", "/sys/", "pidfd", "ns/", "net:", "mnt:", "user:")
"""What is in the name of a descriptor that a process of a dyno must not have."""


def names(folder: str) -> list[str]:
    """What is in a folder."""
    return [path.name for path in Path(folder).iterdir()]


def likeness() -> dict[str, object]:
    """All that should be the same in every process of a dyno."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    shown = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Umask")
    groups = sorted(line.split(":", 1)[1] for line in Path("/proc/self/cgroup").read_text().splitlines())
    descriptors = sorted(int(name) for name in names("/proc/self/fd"))
    return {
        "namespaces": {name: str(Path(f"/proc/self/ns/{name}").readlink()) for name in sorted(names("/proc/self/ns"))},
        "status": {name: status[name].split() for name in shown},
        "groups": groups,
        "limits": Path("/proc/self/limits").read_text().splitlines(),
        "score": Path("/proc/self/oom_score_adj").read_text(),
        "root": sorted(names("/")),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "variables": {name: value for name, value in os.environ.items() if name not in OWN},
        "calls": [outcome(number) for number in range(CALLS)],
        # The last is the folder's own.
        "descriptors": descriptors[:-1],
    }


def outcome(number: int) -> str:
    """What comes of a system call with nothing but wrong arguments, in a process of its own."""
    if number in NOT_TRIED[os.uname().machine]:
        return "not tried"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(1)
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.syscall(number, *[ctypes.c_long(-1)] * 6) == -1
        os.write(writer, errno.errorcode.get(ctypes.get_errno(), "?").encode() if failed else b"did it")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return said or f"ended with {ended}"


def hunt(seconds: float) -> list[str]:
    """What could be had of processes that are not ours, besides what any program of this app has itself."""
    known = {name for name in names("/proc") if name.isdigit()}
    found: set[str] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for pid in names("/proc"):
            if pid.isdigit() and pid not in known:
                found.update(had_of(pid))
    return sorted(found)


def is_ours(path: str, there: os.stat_result) -> bool:
    """Whether that is a file which this process could open itself, as programs inside do: /etc/nsswitch.conf."""
    try:
        return path.startswith("/") and os.path.samestat(Path(path).stat(), there) and os.access(path, os.R_OK)
    except OSError:
        return False


def had_of(pid: str) -> list[str]:
    """What another process lets us have: descriptors beyond the usual, memory of what is not the app's, its program."""
    had = []
    try:
        # Not the folder's owner: the kernel calls that root while a process that has just ended goes away.
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except OSError:
        return []
    name, owner = status["Name"], int(status["Uid"].split()[1])
    try:
        if owner != os.getuid():
            had.append(f"{name} of {owner} is seen")
        for descriptor in names(f"/proc/{pid}/fd"):
            link = Path(f"/proc/{pid}/fd/{descriptor}")
            target, there = str(link.readlink()), link.stat()
            if any(word in target for word in OUTSIDE) and not is_ours(target, there):
                had.append(f"{name} has {target}")
        program = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"enter.py" in program:
            with Path(f"/proc/{pid}/mem").open("r+b"):
                had.append(f"memory of {program!r}")
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ESRCH):
            had.append(f"{name}: {error}")
    return had


if __name__ == "__main__":
    json.dump(hunt(float(sys.argv[2])) if sys.argv[1:] else likeness(), sys.stdout)
