"""Service: what systemd hands to a worker, and what a worker tells systemd."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

_FIRST = 3


@dataclass(frozen=True, slots=True)
class Sockets:
    """Listening sockets by what is spoken on them."""

    http: list[socket.socket] = field(default_factory=list)
    https: list[socket.socket] = field(default_factory=list)


def inherited(environ: Mapping[str, str], pid: int) -> Sockets:
    """The sockets systemd passes (sd_listen_fds(3)). They are told apart by FileDescriptorName=, `http` or `https`;
    without such names, as in one unit with two ListenStream=, the first is http and the second https."""
    sockets = Sockets()
    if environ.get("LISTEN_PID") != str(pid):
        return sockets
    count = int(environ.get("LISTEN_FDS", "0"))
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    named = "http" in names or "https" in names
    for index in range(count):
        listener = socket.socket(fileno=_FIRST + index)
        listener.setblocking(False)
        os.set_inheritable(listener.fileno(), False)
        secure = names[index : index + 1] == ["https"] if named else index == 1
        (sockets.https if secure else sockets.http).append(listener)
    return sockets


def pulse(environ: Mapping[str, str]) -> float | None:
    """How often in seconds systemd wants to hear `WATCHDOG=1`, so that it takes us for alive (sd_watchdog_enabled(3));
    None if it does not care."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdigit() else None


def notify(environ: Mapping[str, str], *lines: str) -> None:
    """Tell systemd something (`READY=1`), as sd_notify(3) does; without systemd nothing happens."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto("\n".join(lines).encode(), address)
