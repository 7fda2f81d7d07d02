"""Booting a box with systemd-nspawn and waiting until its systemd is ready."""

import contextlib
import os
import re
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostd.box.errors import BoxError
from hostd.box.run import run

LAUNCH = Path(__file__).with_name("launch.py")
FILES = Path(__file__).with_name("files")
TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@dataclass(frozen=True)
class Bind:
    """A directory of the machine that appears inside the box."""

    source: Path
    target: Path


def nspawn_command(name: str, root: Path, binds: Sequence[Bind], hidden: Sequence[Path], init: Path) -> list[str]:
    """The argument list that boots the box (systemd-nspawn(1)).

    - `--register=no --keep-unit`: there is no systemd-machined on the machine to register with.
    - `--capability=all` and `bpf`, `@keyring`: the box's systemd sandboxes services as on a real server.
    - `--notify-ready=yes`: READY=1 arrives when the box's systemd has ended its start-up, not when it begins.
    - `--resolv-conf=off`: the network is the machine's, and so is its name resolution.
    - `--kill-signal=SIGRTMIN+3`: a SIGTERM to nspawn is a clean shut-down.
    - `--console=read-only`: nspawn reads what PID 1 prints; a console that nobody reads would block it for good.
    - no `--boot`: the box's first process is `init`, which becomes systemd.
    """
    return [
        "systemd-nspawn",
        f"--directory={root}",
        f"--machine={name}",
        "--settings=no",
        "--register=no",
        "--keep-unit",
        "--capability=all",
        "--system-call-filter=@keyring bpf",
        "--console=read-only",
        "--notify-ready=yes",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--kill-signal=SIGRTMIN+3",
        *(f"--bind={_quoted(bind.source)}:{_quoted(bind.target)}" for bind in binds),
        *(f"--tmpfs={_quoted(path)}:mode=0700" for path in hidden),
        str(init),
    ]


def boot(command: Sequence[str], groups: Sequence[Path], log: Path, notify: Path, seconds: float) -> None:
    """Start nspawn detached from this process and wait until the box's systemd reports that it is ready.

    Raises BoxError with the last lines of the box's console if it ends, or is not ready within `seconds`.
    """
    with _notify_socket(notify) as listener:
        environment = {**os.environ, "NOTIFY_SOCKET": str(notify)}
        keeper: list[str | Path] = ["/bin/sh", FILES / "keep", *command]
        argv: list[str | Path] = [sys.executable, "-I", "-S", LAUNCH, log, *groups, "--", *keeper]
        pid = int(run(argv, env=environment))
        _wait_until_ready(listener, pid, log, seconds)


def console_tail(log: Path, lines: int = 15) -> str:
    """The last lines of the box's console, without terminal codes."""
    try:
        text = log.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return "(no console output)"
    written = [line for line in TERMINAL_CODES.sub("", text).splitlines() if line.strip()]
    return "\n".join(written[-lines:])


@contextlib.contextmanager
def _notify_socket(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _wait_until_ready(listener: socket.socket, pid: int, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError as error:
        raise BoxError(f"systemd-nspawn ended at once:\n{console_tail(log)}") from error
    try:
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([listener.fileno(), pidfd], [], [], left)
            if listener.fileno() in ready and b"READY=1" in listener.recv(4096).split(b"\n"):
                return
            if pidfd in ready:
                raise BoxError(f"the box ended while booting; its console ({log}):\n{console_tail(log)}")
    finally:
        os.close(pidfd)
    raise BoxError(f"the box was not ready within {seconds:g} s; its console ({log}):\n{console_tail(log)}")


def _quoted(path: Path) -> str:
    """A path for `--bind=` and `--tmpfs=`, where a colon separates (systemd-nspawn(1), `--bind=`)."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")
