"""A program of its own, run by systemd as root: becomes a process of a running unit, with all that shuts that unit in.

`enter.py ORDER` enters the unit and executes a program; `enter.py ORDER leave` kills what that left running. Alone in
its file and with nothing but the standard library, because nothing may be loaded from inside the unit's file system.

The unit that runs it (`units.entering`) has the other's seccomp filters, limits and no_new_privs already, put there by
systemd. What is left is what no property of systemd does: to join control groups and namespaces of a process.
"""

import ctypes
import json
import os
import platform
import re
import select
import signal
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# linux/sched.h
_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
ENTERED = _CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWUSER | _CLONE_NEWNET
"""The namespaces that a sandbox has of its own; its network may be the machine's, which is joined all the same."""
_ALL_NAMESPACES = ENTERED | 0x2000000 | 0x20000000

# linux/prctl.h, linux/keyctl.h
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 4, 22, 24, 38
_SECCOMP_MODE_FILTER = 2
_KEYCTL_JOIN_SESSION_KEYRING = 1
_CAPABILITIES = 64

_KILL_SECONDS = 10.0
_MOUNT = re.compile(r"\S+ \S+ \S+ (?P<root>\S+) (?P<target>\S+) .* - (?P<kind>cgroup2?) \S+ (?P<options>\S+)")


@dataclass(frozen=True)
class Calls:
    """The numbers of system calls on one architecture (asm/unistd.h); elsewhere nothing is entered."""

    audit: int
    setns: int
    setgroups: int
    fchown: int
    unshare: int
    clone: int
    clone3: int
    keyctl: int


CALLS = {
    "x86_64": Calls(0xC000003E, setns=308, setgroups=116, fchown=93, unshare=272, clone=56, clone3=435, keyctl=250),
    "aarch64": Calls(0xC00000B7, setns=268, setgroups=159, fchown=55, unshare=97, clone=220, clone3=435, keyctl=219),
}
ENDED = "It has ended."
OF_SYSTEMD = ("PATH", "LANG")
"""Variables that systemd gives to every unit; all others are in the order."""
NEEDED = ("setns", "setgroups", "fchown", "keyctl")
"""What is called here and refused to a sandbox: allowed by the unit's own filter, refused by `last_filter`."""


@dataclass(frozen=True)
class Order:
    """What to do: which process to join, of which unit, as whom, and what to execute there.

    `control_group` is the unit's, `group` the name of the one below it that this session gets for itself.
    """

    pid: int
    control_group: str
    group: str
    uid: int
    argv: list[str]
    env: dict[str, str] = field(repr=False)

    @classmethod
    def read(cls, path: str) -> "Order":
        """From a file that only root can read, as it holds config vars."""
        found = json.loads(Path(path).read_text())
        return cls(**{name: found[name] for name in cls.__dataclass_fields__})


class Refused(Exception):  # noqa: N818 - says what happened
    """It cannot be entered; the message is for the user."""


def main() -> None:
    """Enter, or clear away what a session left."""
    order = Order.read(sys.argv[1])
    if sys.argv[2:] == ["leave"]:
        leave(order)
        return
    try:
        enter(order)
    except Exception as error:  # noqa: BLE001 - the interpreter would look for files, and they may be the sandbox's
        os.write(2, f" !    {error}\n".encode())
        os._exit(1)


def enter(order: Order) -> None:
    """Become the program. Raises Refused or OSError; some of the way may have been gone then, so the caller ends."""
    calls = CALLS.get(platform.machine())
    if calls is None:
        raise Refused(f"Nothing can be entered on {platform.machine()}.")
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Filter(last_filter(calls))
    env = {**{name: os.environ[name] for name in OF_SYSTEMD if name in os.environ}, **order.env}
    # Until execve the sandbox's processes get nothing of this one: no memory, no descriptors, no /proc/PID/exe. Root's
    # processes are not theirs to look at, and from the change of uid on this is what keeps them out (ptrace(2)).
    _prctl(libc, _PR_SET_DUMPABLE, 0)
    # Python ignores these two, and execve would hand that on.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    process = opened(order.pid, order.control_group)
    if os.isatty(0):
        os.fchown(0, order.uid, -1)
    for folder in groups_to_join(order):
        (folder / "cgroup.procs").write_text("0")
    os.setgroups([order.uid])
    _check(libc.setns(process, ENTERED), "setns")
    # From here on everything is inside: paths are the sandbox's, and nothing may be imported any more.
    if _wait(process, 0):
        raise Refused(ENDED)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    for number in range(_CAPABILITIES):
        if libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            break
    os.setresgid(order.uid, order.uid, order.uid)
    os.setresuid(order.uid, order.uid, order.uid)
    _check(libc.syscall(calls.keyctl, _KEYCTL_JOIN_SESSION_KEYRING, None), "keyctl")
    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    _prctl(libc, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program.pointer)
    os.execve(order.argv[0], order.argv, env)  # noqa: S606 - a program of the sandbox, by an argument list


def leave(order: Order) -> None:
    """Kill what the session's program left running, and remove the session's control group; idempotent."""
    folder = _own_group(order)
    while folder.exists() and (running := (folder / "cgroup.procs").read_text().split()):
        for process in [_killed(int(pid), f"{order.control_group}/{order.group}") for pid in running]:
            if process is not None:
                _wait(process, _KILL_SECONDS)
                os.close(process)
    if folder.exists():
        folder.rmdir()


def opened(pid: int, control_group: str) -> int:
    """A descriptor of a unit's process, which cannot become another's as a number can. Raises Refused."""
    try:
        process = os.pidfd_open(pid)
    except OSError:
        raise Refused(ENDED) from None
    try:
        # What is read is of the process that is open, if that still runs afterwards.
        groups = _by_hierarchy(Path(f"/proc/{pid}/cgroup").read_text()).values()
        if control_group in groups and not _wait(process, 0):
            return process
    except OSError:
        pass
    os.close(process)
    raise Refused(ENDED)


def groups_to_join(order: Order, proc: Path = Path("/proc")) -> Iterator[Path]:
    """The directories of the control groups in which the unit's process is, with a new one below where it is tracked.

    One of the version 2 hierarchy, or with version 1 one in each hierarchy in which the unit has a group of its own.
    """
    mounted = dict(_mounted_hierarchies((proc / "self/mountinfo").read_text()))
    tracking = _tracking(mounted)
    own = _by_hierarchy((proc / "self/cgroup").read_text())
    for hierarchy, path in _by_hierarchy((proc / f"{order.pid}/cgroup").read_text()).items():
        if hierarchy in mounted and path != own.get(hierarchy):
            folder = Path(mounted[hierarchy] + path)
            if hierarchy == tracking:
                folder /= order.group
                folder.mkdir()
            yield folder


def last_filter(calls: Calls) -> bytes:
    """A program for seccomp(2) that refuses what entering needed: joining or making namespaces, groups, owners, keys.

    As `RestrictNamespaces=` does it, clone3 is not there (its flags cannot be seen, and all who call it fall back).
    """
    load = 0x20  # BPF_LD | BPF_W | BPF_ABS
    equal, any_of, give = 0x15, 0x45, 0x06  # BPF_JMP | BPF_JEQ, BPF_JMP | BPF_JSET, BPF_RET
    allow, refuse, missing, kill = 0x7FFF0000, 0x50000 | 1, 0x50000 | 38, 0x80000000
    number, architecture, first_argument = 0, 4, 16  # struct seccomp_data, little-endian
    lines = [
        (load, 0, 0, architecture),
        (equal, 1, 0, calls.audit),
        (give, 0, 0, kill),
        (load, 0, 0, number),
        (equal, 8, 0, calls.setns),
        (equal, 7, 0, calls.setgroups),
        (equal, 6, 0, calls.fchown),
        (equal, 5, 0, calls.keyctl),
        (equal, 5, 0, calls.clone3),
        (equal, 1, 0, calls.unshare),
        (equal, 0, 4, calls.clone),
        (load, 0, 0, first_argument),
        (any_of, 0, 2, _ALL_NAMESPACES),
        (give, 0, 0, refuse),
        (give, 0, 0, missing),
        (give, 0, 0, allow),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


class _Filter:
    """struct sock_fprog, with what it points to kept alive."""

    def __init__(self, program: bytes) -> None:
        self._code = ctypes.create_string_buffer(program, len(program))
        head = struct.pack("@HP", len(program) // 8, ctypes.addressof(self._code))
        self._head = ctypes.create_string_buffer(head, len(head))
        self.pointer = ctypes.addressof(self._head)


def _wait(process: int, seconds: float) -> bool:
    """Whether a process ends in that time."""
    waiting = select.poll()
    waiting.register(process, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))


def _killed(pid: int, group: str) -> int | None:
    """A descriptor of a process of that group that was told to end; None if it has ended."""
    try:
        process = opened(pid, group)
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except (Refused, ProcessLookupError):
        return None
    return process


def _own_group(order: Order) -> Path:
    mounted = dict(_mounted_hierarchies(Path("/proc/self/mountinfo").read_text()))
    return Path(mounted[_tracking(mounted)] + order.control_group) / order.group


def _tracking(mounted: dict[str, str]) -> str:
    """The hierarchy by which systemd tells what belongs to a unit: version 2 wherever there is one."""
    return "" if "" in mounted else "name=systemd"


def _mounted_hierarchies(mountinfo: str) -> Iterator[tuple[str, str]]:
    """Where each hierarchy is mounted as a whole, by its name in /proc/PID/cgroup."""
    for line in mountinfo.splitlines():
        if (mount := _MOUNT.match(line)) and mount["root"] == "/":
            options = mount["options"].split(",")
            yield "" if mount["kind"] == "cgroup2" else _hierarchy(options), mount["target"]


def _by_hierarchy(text: str) -> dict[str, str]:
    """The groups of a process by hierarchy (cgroups(7)); that of version 2 has the name ``""``."""
    fields = (line.split(":", 2) for line in text.splitlines())
    return {_hierarchy(controllers.split(",")): path for _, controllers, path in fields}


def _hierarchy(controllers: list[str]) -> str:
    return ",".join(sorted(name for name in controllers if name not in ("rw", "ro", "xattr", "nsdelegate")))


def _prctl(libc: ctypes.CDLL, option: int, value: int, address: int = 0) -> None:
    _check(libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(address), 0, 0), f"prctl {option}")


def _check(result: int, what: str) -> None:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
