"""A TCP connection from inside the network namespace of a unit's process, to a port on its loopback address."""

import asyncio
import ctypes
import os
import socket
import threading
from dataclasses import dataclass

from units.enter import opened

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_SECONDS = 10.0
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Target:
    """A port, and the process (of the unit with this control group) in whose network it is; `uid` is to connect."""

    pid: int
    control_group: str
    uid: int
    port: int


async def connect(target: Target) -> socket.socket:
    """A connected socket. Raises enter.Refused when the process has ended, else OSError."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[socket.socket] = loop.create_future()

    def tell(made: socket.socket | None, error: Exception | None) -> None:
        if result.done():
            if made is not None:
                made.close()
        elif made is not None:
            result.set_result(made)
        elif error is not None:
            result.set_exception(error)

    def work() -> None:
        try:
            made = _connected(target)
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits
            loop.call_soon_threadsafe(tell, None, error)
        else:
            loop.call_soon_threadsafe(tell, made, None)

    # A thread of its own that ends with this: no other work may ever run in the foreign namespace.
    threading.Thread(target=work, name="connect inside", daemon=True).start()
    return await result


def _connected(target: Target) -> socket.socket:
    process = opened(target.pid, target.control_group)
    try:
        if _LIBC.setns(process, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter the network: {os.strerror(number)}")
    finally:
        os.close(process)
    for number, (family, address) in enumerate(_LOOPBACK):
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            # To the kernel and its firewall it is a socket of the app, not of root.
            os.fchown(made.fileno(), target.uid, target.uid)
            made.settimeout(_SECONDS)
            made.connect((address, target.port))
            made.settimeout(None)
        except OSError:
            made.close()
            if number == len(_LOOPBACK) - 1:
                raise
        else:
            return made
    raise AssertionError("there is no loopback address")
