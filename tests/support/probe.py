"""Runs inside a dyno, as its app: tries to get out, and prints as JSON what came of each try.

Usage: probe.py PID TERCES   a process of another app, and a secret word of it, backwards: so that the word itself
                             stands nowhere on account of the probe
"""

import ctypes
import errno
import functools
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWPID = 0x20000, 0x10000000, 0x40000000, 0x20000000
PTRACE_TRACEME, PTRACE_SEIZE = 0, 0x4206
AF_VSOCK = 40


def tried(action: Callable[[], object]) -> str:
    """`did it`, or the name of the error."""
    try:
        result = action()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "did it" if result is None else f"did it: {str(result)[:80]}"


def call(name: str, *arguments: object) -> Callable[[], None]:
    """A function of the C library that returns -1 if it fails."""

    def action() -> None:
        if getattr(LIBC, name)(*arguments) == -1:
            raise OSError(ctypes.get_errno(), name)

    return action


def read(path: Path) -> object:
    """What is in a file or a folder."""
    return list(path.iterdir()) if path.is_dir() else path.read_bytes()


def processes_of_others() -> list[str]:
    """What can be seen of processes that are not ours."""
    return [
        entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and entry.stat().st_uid != os.getuid()
    ]


def files_with(secret: str) -> list[str]:
    """Files in which another app's word stands: those of the places where one would look."""
    places = ("/app", "/tmp", "/var", "/run", "/opt", "/srv", "/mnt", "/home", "/root", "/etc", "/dev/shm", "/cache")
    found = subprocess.run(["grep", "-rlsF", "--", secret, *places], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()


def setuid_shell() -> None:
    """Make a shell of our own run as whoever owns it."""
    shutil.copy("/bin/bash", "/tmp/shell")
    Path("/tmp/shell").chmod(0o4755)
    if not Path("/tmp/shell").stat().st_mode & stat.S_ISUID:
        raise PermissionError(errno.EPERM, "not setuid")


def run(*argv: str) -> Callable[[], str]:
    """A program that must fail."""

    def action() -> str:
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise PermissionError(errno.EPERM, done.stderr)
        return done.stdout

    return action


def connect(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)


def main(pid: int, secret: str) -> dict[str, object]:
    """Everything that was tried."""
    unreadable = (
        *("/etc/shadow", "/etc/hostd/hostd.toml", "/etc/ssh", "/root", "/home/any", "/opt/hostd", "/var/lib/hostd"),
        *("/var/lib/hostd/master/ledger.key", "/var/lib/hostd/pool/slugs", "/run/hostd/env", "/run/hostd/hostd.sock"),
        *("/var/log/journal", "/run/log/journal", "/run/systemd/journal/io.systemd.journal", "/run/user"),
        *("/run/systemd/private", "/run/dbus", "/proc/1/environ", f"/proc/{pid}/environ", f"/proc/{pid}/root"),
        *("/proc/kcore", "/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/loop-control", "/sys/kernel/debug/tracing"),
    )
    unwritable = (
        *("/x", "/usr/x", "/etc/x", "/etc/passwd", "/.hostd/launch", "/.hostd/x", "/dev/x", "/var/x", "/sys/x"),
        *("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/x"),
    )
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    return {
        "read": {path: tried(functools.partial(read, Path(path))) for path in unreadable},
        "write": {path: tried(functools.partial(Path(path).write_text, "x")) for path in unwritable},
        "do": {
            "setuid": tried(lambda: os.setuid(0)),
            "setgid": tried(lambda: os.setgid(0)),
            "setgroups": tried(lambda: os.setgroups([0])),
            "setuid shell": tried(setuid_shell),
            "su": tried(run("su", "-c", "id")),
            "mount": tried(call("mount", b"none", b"/tmp", b"tmpfs", 0, None)),
            "umount": tried(call("umount2", b"/app", 2)),
            "chroot": tried(lambda: os.chroot("/app")),
            "device": tried(lambda: os.mknod("/tmp/disk", stat.S_IFBLK | 0o600, os.makedev(7, 0))),
            "chown": tried(lambda: os.chown("/app", 0, 0)),
            "user namespace": tried(call("unshare", CLONE_NEWUSER)),
            "mount namespace": tried(call("unshare", CLONE_NEWNS)),
            "network namespace": tried(call("unshare", CLONE_NEWNET)),
            "namespace of init": tried(lambda: os.open("/proc/1/ns/mnt", os.O_RDONLY)),
            "be traced": tried(call("ptrace", PTRACE_TRACEME, 0, None, None)),
            "trace": tried(call("ptrace", PTRACE_SEIZE, pid, None, None)),
            "signal": tried(lambda: os.kill(pid, signal.SIGCONT)),
            "signal init": tried(lambda: os.kill(1, signal.SIGCONT)),
            "raw socket": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()),
            "packet socket": tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
            "vsock": tried(lambda: socket.socket(AF_VSOCK, socket.SOCK_STREAM).close()),
            "low port": tried(lambda: socket.create_server(("127.0.0.1", 1)).close()),
            "clock": tried(call("settimeofday", (ctypes.c_long * 2)(0, 0), None)),
            "reboot": tried(call("reboot", 0)),
            "hostname": tried(lambda: socket.sethostname("mine")),
            "API": tried(lambda: connect("/run/hostd/hostd.sock")),
            "systemd": tried(lambda: connect("/run/systemd/private")),
            "D-Bus": tried(lambda: connect("/run/dbus/system_bus_socket")),
            "systemctl": tried(run("systemctl", "stop", "hostd.service")),
        },
        "processes": processes_of_others(),
        "secrets": files_with(secret),
        "environment": [name for name, value in os.environ.items() if secret in value],
        "status": {name: status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")},
        "uid": os.getuid(),
    }


if __name__ == "__main__":
    json.dump(main(int(sys.argv[1]), sys.argv[2][::-1]), sys.stdout)
