"""Tries to get hold of what `valuables.py` has, and of what the kernel has only one of; prints what came of it as JSON.

Usage: ways_out.py TARGETS   JSON: {NAME: {"pid": PID, "address": ADDRESS}, ...}, processes of `valuables.py`
"""

import contextlib
import ctypes
import errno
import json
import os
import platform
import resource
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

NAME, KEY = "valuables", 0x76616C75
CREATE = os.O_CREAT | os.O_RDWR
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
CALLS = {
    "io_uring_setup": (425, 425),
    "io_setup": (206, 0),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "userfaultfd": (323, 282),
    "ptrace": (101, 117),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "mount": (165, 40),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "mount_setattr": (442, 442),
    "pivot_root": (155, 41),
    "setns": (308, 268),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setscheduler": (144, 119),
    "move_pages": (279, 239),
    "syslog": (103, 116),
    "clock_settime": (227, 112),
    "sethostname": (170, 161),
}
"""System calls by their numbers on x86_64 and aarch64 (asm/unistd.h)."""


class Vector(ctypes.Structure):
    """struct iovec"""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def tried(action: Callable[[], object]) -> str:
    """`did it`, or the name of the error."""
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "did it"


def checked(result: int) -> int:
    """What a function of the C library returned. Raises OSError."""
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def connect(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)


def memory(pid: int, address: int) -> None:
    """Read from another process by the call for that."""
    into = ctypes.create_string_buffer(9)
    here, there = Vector(ctypes.addressof(into), 9), Vector(address, 9)
    checked(LIBC.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0))


def memory_as_file(pid: int, address: int) -> None:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        file.seek(address)
        file.read(9)


def taken(pid: int, address: int) -> dict[str, str]:
    """What came of each way to a process's things."""
    ways: dict[str, Callable[[], object]] = {
        "abstract socket": lambda: connect(f"\0{NAME}"),
        "socket": lambda: connect(f"/tmp/{NAME}.sock"),
        "file in /tmp": lambda: Path("/tmp", NAME).read_text(),
        "file in /dev/shm": lambda: Path("/dev/shm", NAME).read_text(),
        "shared memory": lambda: checked(LIBC.shmget(KEY, 0, 0)),
        "semaphores": lambda: checked(LIBC.semget(KEY, 0, 0)),
        "messages": lambda: checked(LIBC.msgget(KEY, 0)),
        "memory": lambda: memory(pid, address),
        "memory as a file": lambda: memory_as_file(pid, address),
        "environment": lambda: Path(f"/proc/{pid}/environ").read_bytes(),
        "command": lambda: Path(f"/proc/{pid}/cmdline").read_bytes(),
        "descriptors": lambda: list(Path(f"/proc/{pid}/fd").iterdir()),
        "files": lambda: list(Path(f"/proc/{pid}/root/tmp").iterdir()),
        "limits": lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE),
        "signal": lambda: os.kill(pid, signal.SIGCONT),
    }
    return {name: tried(way) for name, way in ways.items()}


def called() -> dict[str, str]:
    """What the kernel says of system calls with nothing but wrong arguments."""
    which = ("x86_64", "aarch64").index(platform.machine())
    wrong = [ctypes.c_long(-1)] * 6
    return {name: tried(lambda n=numbers[which]: checked(LIBC.syscall(n, *wrong))) for name, numbers in CALLS.items()}


def exhausted() -> dict[str, object]:
    """How many descriptors and files in memory one gets, and what then comes."""
    return {
        "timers": until_refused(lambda _: checked(LIBC.timer_create(1, None, ctypes.byref(ctypes.c_void_p())))),
        "message queues": tried(lambda: checked(LIBC.mq_open(f"/{NAME}".encode(), CREATE, 0o600, None))),
        "files in memory": until_refused(lambda number: os.close(os.open(f"/dev/shm/{number}", os.O_CREAT))),
        "more descriptors": tried(lambda: raise_limit(20_000)),
        "descriptors": until_refused(lambda _: os.dup(0)),
    }


def raise_limit(most: int) -> None:
    """Ask for more descriptors than one process may have."""
    limit = (ctypes.c_ulong * 2)(most, most)
    checked(LIBC.setrlimit(resource.RLIMIT_NOFILE, limit))


def until_refused(take: Callable[[int], object], most: int = 100_000) -> tuple[int, str]:
    """How often it could be had, and the error that ended that."""
    for number in range(most):
        if (came := tried(lambda number=number: take(number))) != "did it":
            return number, came
    return most, "did it"


def dumped() -> str:
    """`core`, if a process of ours leaves one that asks for it, else `none`."""
    child = os.fork()
    if child == 0:
        tried(lambda: os.chdir("/tmp"))
        with contextlib.suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        os.abort()
    status = os.waitpid(child, 0)[1]
    return "core" if os.WCOREDUMP(status) else "none"


def main(targets: dict[str, dict[str, int]]) -> dict[str, object]:
    """Everything that was tried, but for taking all there is."""
    return {"taken": {name: taken(**it) for name, it in targets.items()}, "calls": called(), "dumped": dumped()}


if __name__ == "__main__":
    found = main(json.loads(sys.argv[1]))
    print(json.dumps(found | ({"exhausted": exhausted()} if sys.argv[2:] else {})))
