"""Network namespaces, each with a cable (a veth pair) to the machine: made, found and taken away.

A namespace has no name in the file system. It lives as long as a process in it or a descriptor of it, so that one
whose owner was killed goes by itself, and there is no mount on the machine for it. Its cable goes with it.

By ip(8), as one batch in each of the two namespaces. pyroute2 would save the two child processes, and cost 13 MB of
memory and 150 ms at every start of hostd.
"""

import ctypes
import json
import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

from units.run import arun, run

INSIDE = "eth0"
"""What the cable's end inside a namespace is called."""

T = TypeVar("T")

_SECONDS = 30.0
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Cable:
    """A namespace's connection: the interface on the machine's side (at most 15 characters), what it is for, and
    the addresses inside and on the machine's side.

    `to_loopback`: packets that rules lead to the machine's loopback address get there.
    """

    interface: str
    purpose: str
    address: IPv4Address
    gateway: IPv4Address
    to_loopback: bool = False


def create(cable: Cable) -> int:
    """Make a namespace with this cable; returns its descriptor. Blocks for about 10 ms.

    Raises OSError when the kernel refuses, CommandError when ip does; then nothing is left.
    """
    maker = _Maker(lambda: _batch(_inside(cable)))
    maker.start()
    maker.join()
    try:
        if maker.error is not None:
            raise maker.error
        _batch(_outside(cable))
        if cable.to_loopback:
            _allow_loopback(cable.interface)
    except BaseException:
        # The last descriptor of a namespace takes the cable along.
        maker.close()
        raise
    assert maker.descriptor is not None
    return maker.descriptor


def elsewhere(work: Callable[[], T]) -> T:
    """Do something in an empty network namespace, which is gone afterwards; returns or raises what it does."""
    results: list[T] = []
    maker = _Maker(lambda: results.append(work()))
    maker.start()
    maker.join()
    maker.close()
    if maker.error is not None:
        raise maker.error
    return results[0]


def path(descriptor: int) -> Path:
    """A path by which other processes can enter a namespace that this one holds (NetworkNamespacePath=)."""
    return Path(f"/proc/{os.getpid()}/fd/{descriptor}")


async def interfaces(name: str) -> dict[str, str]:
    """The cables called `<name>-<number>` on the machine's side, and what each is for."""
    done = await arun(["ip", "-json", "link", "show", "type", "veth"], timeout=_SECONDS)
    links = {link["ifname"]: link.get("ifalias", "") for link in json.loads(done.stdout or b"[]") if "ifname" in link}
    ours = re.compile(rf"{re.escape(name)}-\d+")
    return {interface: purpose for interface, purpose in links.items() if ours.fullmatch(interface)}


async def remove(interfaces: Sequence[str]) -> None:
    """Take cables away, at both ends; those that are gone already are fine."""
    if interfaces:
        batch = "".join(f"link delete dev {name}\n" for name in interfaces)
        await arun(["ip", "-force", "-batch", "-"], input=batch.encode(), timeout=_SECONDS, check=False)


class _Maker(threading.Thread):
    """Makes a namespace and does something inside: a thread of its own, as it cannot be used for anything else after.

    Child processes are where the thread is that starts them.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(name="network namespace", daemon=True)
        self.descriptor: int | None = None
        self.error: BaseException | None = None
        self._work = work

    def run(self) -> None:
        """Make it; `descriptor` or `error` tell what came of it."""
        try:
            if _LIBC.unshare(_CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, f"cannot make a network namespace: {os.strerror(number)}")
            self.descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for this thread
            self.error = error

    def close(self) -> None:
        """Let go of what was made."""
        if self.descriptor is not None:
            os.close(self.descriptor)


def _inside(cable: Cable) -> list[str]:
    """Loopback, the cable, its address, the way out; no IPv6 but `::1`."""
    return [
        "link set dev lo up",
        f"link add name {INSIDE} type veth peer name {cable.interface} netns /proc/{os.getpid()}/ns/net",
        f"link set dev {INSIDE} addrgenmode none up",
        f"address add {cable.address} peer {cable.gateway} dev {INSIDE}",
        f"route add default via {cable.gateway}",
    ]


def _outside(cable: Cable) -> list[str]:
    """The gateway has the same address on every cable; the peer's address is the route to it."""
    return [
        f"link set dev {cable.interface} alias {cable.purpose} addrgenmode none up",
        f"address add {cable.gateway} peer {cable.address} dev {cable.interface}",
    ]


def _batch(commands: Sequence[str]) -> None:
    run(["ip", "-batch", "-"], input="".join(f"{line}\n" for line in commands).encode(), timeout=_SECONDS)


def _allow_loopback(interface: str) -> None:
    """Let packets that came in here reach 127.0.0.1: net.ipv4.conf.<interface>.route_localnet.

    By netlink (rtnetlink(7)), because /proc/sys is read-only to hostd and ip(8) has no word for it.
    """
    setting = _attribute(_IPV4_DEVCONF_ROUTE_LOCALNET, struct.pack("=I", 1))
    family = _attribute(_NESTED | socket.AF_INET, _attribute(_NESTED | _IFLA_INET_CONF, setting))
    index = socket.if_nametoindex(interface)
    body = struct.pack("=BxHiII", 0, 0, index, 0, 0) + _attribute(_NESTED | _IFLA_AF_SPEC, family)
    header = struct.pack("=IHHII", _HEADER + len(body), _RTM_SETLINK, _NLM_F_REQUEST | _NLM_F_ACK, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.bind((0, 0))
        netlink.send(header + body)
        answer = netlink.recv(1 << 12)
    (number,) = struct.unpack_from("=i", answer, _HEADER)
    if number:
        raise OSError(-number, f"cannot set route_localnet of {interface}: {os.strerror(-number)}")


def _attribute(kind: int, content: bytes) -> bytes:
    length = _HEADER_OF_ATTRIBUTE + len(content)
    return struct.pack("=HH", length, kind) + content + bytes(-length % 4)


# linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/ip.h
_HEADER, _HEADER_OF_ATTRIBUTE = 16, 4
_RTM_SETLINK, _NLM_F_REQUEST, _NLM_F_ACK, _NESTED = 19, 1, 4, 0x8000
_IFLA_AF_SPEC, _IFLA_INET_CONF, _IPV4_DEVCONF_ROUTE_LOCALNET = 26, 1, 26
