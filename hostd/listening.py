"""What systemd hands to a service, and what a service tells systemd: sd_listen_fds(3) and sd_notify(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

_FIRST_DESCRIPTOR = 3


def inherited(environ: Mapping[str, str] = os.environ) -> dict[str, socket.socket]:
    """The listening sockets that systemd holds for this process, by FileDescriptorName=."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    count = int(environ.get("LISTEN_FDS", "0"))
    return {
        name: socket.socket(fileno=_FIRST_DESCRIPTOR + number)
        for number, name in enumerate(names[:count])
    }


def notify(state: str, environ: Mapping[str, str] = os.environ) -> None:
    """Tell systemd our state, such as ``READY=1``; nothing happens outside a service."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
