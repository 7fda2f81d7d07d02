"""Network namespaces, each with a cable (a veth pair) to the machine: made, found and taken away.

A namespace has no mount on the machine. It lives as long as a process in it or a descriptor of it, so that one
whose owner was killed goes by itself, and its cable with it.
"""

import asyncio
import ctypes
import errno
import json
import os
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Generic, TypeVar

from pyroute2.netlink.rtnl.ifinfmsg import IFF_UP

from units.netlink import LOOPBACK, Configuration, connect
from units.run import arun

INSIDE = "eth0"
"""What the cable's end inside a namespace is called."""

T = TypeVar("T")

_SECONDS = 30.0
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_GONE = (errno.ENOENT, errno.ENODEV, errno.EINVAL)
"""What sysfs says of an interface that is not there, or is just going."""
_LIBC = ctypes.CDLL(None, use_errno=True)

# Nobody else is on a cable, so all have the same hardware addresses (of the kind that are locally administered).
_OUTER, _INNER = "02:00:00:00:00:01", "02:00:00:00:00:02"


@dataclass(frozen=True)
class Ends:
    """The addresses of a cable's two ends: inside, and on the machine's side, which is the gateway."""

    inside: IPv4Address | IPv6Address
    gateway: IPv4Address | IPv6Address


@dataclass(frozen=True)
class Cable:
    """A namespace's connection: the interface on the machine's side (at most 15 characters), what it is for, and
    the addresses, one pair for each family.

    `to_loopback`: packets that rules lead to the machine's loopback address get there.
    """

    interface: str
    purpose: str
    ends: tuple[Ends, ...]
    to_loopback: bool = False


def create(cable: Cable) -> int:
    """Make a namespace with this cable; returns its descriptor. Blocks for some milliseconds.

    Raises OSError when the kernel refuses; then nothing is left.
    """
    maker = _Maker(connect)
    maker.start()
    maker.join()
    if maker.result is None or maker.descriptor is None:
        maker.close()
        raise maker.error or OSError("a network namespace could not be made")
    try:
        with maker.result as there, closing(Configuration(there)) as inside, closing(Configuration()) as machine:
            _connect(cable, maker.descriptor, inside, machine)
    except BaseException:
        # The last descriptor of a namespace takes the cable along.
        maker.close()
        raise
    return maker.descriptor


def elsewhere(work: Callable[[], T]) -> T:
    """Do something in an empty network namespace, which is gone afterwards; returns or raises what it does."""
    maker = _Maker(lambda: (work(),))
    maker.start()
    maker.join()
    maker.close()
    if maker.result is None:
        raise maker.error or OSError("a network namespace could not be made")
    return maker.result[0]


def path(descriptor: int) -> Path:
    """A path by which other processes can enter a namespace that this one holds (NetworkNamespacePath=)."""
    return Path(f"/proc/{os.getpid()}/fd/{descriptor}")


def reopen(path: Path) -> int | None:
    """The descriptor of a namespace that somebody else holds; None when there is none, or only the machine's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return None
    kind = str(Path(f"/proc/self/fd/{descriptor}").readlink())
    if kind.startswith("net:[") and kind != str(Path("/proc/self/ns/net").readlink()):
        return descriptor
    os.close(descriptor)
    return None


def works(interface: str) -> bool:
    """Whether a cable is there, and up."""
    try:
        return bool(int(Path(f"/sys/class/net/{interface}/flags").read_text(), 16) & IFF_UP)
    except OSError as error:
        if error.errno not in _GONE:
            raise
        return False


async def interfaces(name: str) -> dict[str, str]:
    """The cables called `<name>-<number>` on the machine's side, and what each is for."""
    done = await arun(["ip", "-json", "link", "show", "type", "veth"], timeout=_SECONDS)
    links = {link["ifname"]: link.get("ifalias", "") for link in json.loads(done.stdout or b"[]") if "ifname" in link}
    ours = re.compile(rf"{re.escape(name)}-\d+")
    return {interface: purpose for interface, purpose in links.items() if ours.fullmatch(interface)}


async def remove(interfaces: Sequence[str]) -> None:
    """Take cables away, at both ends; those that are gone already are fine. Raises OSError."""
    if interfaces:
        await asyncio.to_thread(_remove, interfaces)


class _Maker(threading.Thread, Generic[T]):
    """Makes a namespace and does something inside: a thread of its own, as it cannot be used for anything else after.

    Child processes are where the thread is that starts them, sockets belong where they were made.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(name="network namespace", daemon=True)
        self.descriptor: int | None = None
        self.result: T | None = None
        self.error: BaseException | None = None
        self._work = work

    def run(self) -> None:
        """Make it; `descriptor` and `result`, or `error`, tell what came of it."""
        try:
            if _LIBC.unshare(_CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, f"cannot make a network namespace: {os.strerror(number)}")
            self.descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for this thread
            self.error = error

    def close(self) -> None:
        """Let go of what was made."""
        if self.descriptor is not None:
            os.close(self.descriptor)


def _connect(cable: Cable, namespace: int, inside: Configuration, machine: Configuration) -> None:
    """Loopback, the cable, its addresses, the way out. The gateway has the same addresses on every cable."""
    machine.add_cable(cable.interface, _OUTER, peer=INSIDE, peer_mac=_INNER, namespace=namespace)
    inside.bring_up(LOOPBACK)
    here, there = inside.index(INSIDE), machine.index(cable.interface)
    inside.bring_up(here)
    machine.bring_up(there, alias=cable.purpose)
    if cable.to_loopback:
        Path(f"/proc/sys/net/ipv4/conf/{cable.interface}/route_localnet").write_text("1")
    for ends in cable.ends:
        inside.add_address(here, ends.inside, ends.gateway)
        inside.add_neighbour(here, ends.gateway, _OUTER)
        inside.add_default_route(here, ends.gateway)
        machine.add_address(there, ends.gateway, ends.inside)
        machine.add_neighbour(there, ends.inside, _INNER)


def _remove(interfaces: Sequence[str]) -> None:
    with closing(Configuration()) as machine:
        for name in interfaces:
            machine.remove(name)
