"""The kernel's network configuration: what pyroute2 is asked to say to it, and to understand of it.

Its `IPRoute` has an event loop of its own, so that it belongs in a thread, and opens another socket in each thread that
uses it: what is made in one is used there only.
"""

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from pyroute2 import IPRoute, NetlinkError
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_NEWLINK, RTNLGRP_LINK
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_NODAD
from pyroute2.netlink.rtnl.ifinfmsg import IFF_UP
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

Address = IPv4Address | IPv6Address

LOOPBACK = 1
"""The index of `lo`, the first interface of every network namespace."""

_READ = 1 << 16
_LINK_HEAD = struct.Struct("=IHHIIBxHiI")
"""A message's head and that of an interface, up to its flags (nlmsghdr, netlink(7); ifinfomsg, rtnetlink(7))."""
_WITHOUT_LINK_LOCAL = {"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", 1)]})]}


@dataclass(frozen=True)
class LinkChange:
    """An interface that is gone, or was changed."""

    name: str
    there: bool
    up: bool


def connect() -> socket.socket:
    """A connection to the network namespace in which the calling thread is, for `Configuration` in any thread."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, socket.NETLINK_ROUTE)


class Configuration:
    """The links, addresses and routes of one network namespace: that of the connection, else of the calling thread.

    All methods block for about a millisecond, but for `remove`, which waits for the kernel to forget: 10 to 30 ms.
    They raise OSError with the kernel's reason.
    """

    def __init__(self, connection: socket.socket | None = None) -> None:
        self._route = IPRoute(use_socket=connection)

    def close(self) -> None:
        """Let go of the namespace."""
        self._route.close()

    def add_cable(self, name: str, mac: str, *, peer: str, peer_mac: str, namespace: int) -> None:
        """Make a veth pair: one end here, the peer in the namespace of a descriptor."""
        other = {"ifname": peer, "address": peer_mac, "net_ns_fd": namespace}
        self._ask("link", "add", kind="veth", ifname=name, address=mac, peer=other)

    def index(self, name: str) -> int:
        """The number of an interface."""
        return int(self._ask("link", "get", ifname=name)[0]["index"])

    def bring_up(self, index: int, *, alias: str = "") -> None:
        """Switch an interface on, without link-local addresses of its own making."""
        own = {} if index == LOOPBACK else {"af_spec": _WITHOUT_LINK_LOCAL}
        named = {"ifalias": alias} if alias else {}
        self._ask("link", "set", index=index, state="up", **own, **named)

    def add_address(self, index: int, address: Address, peer: Address) -> None:
        """Have an address on an interface, whose other end has the address `peer`."""
        ends = {"local": str(address), "address": str(peer), "prefixlen": address.max_prefixlen}
        self._ask("addr", "add", index=index, flags=IFA_F_NODAD, **ends)

    def add_neighbour(self, index: int, address: Address, mac: str) -> None:
        """Know for ever which hardware address an address has: nobody is asked, and no table of neighbours fills up."""
        self._ask("neigh", "add", ifindex=index, dst=str(address), lladdr=mac, state="permanent")

    def add_default_route(self, index: int, gateway: Address) -> None:
        """Send everything else to the gateway, which is at the interface's other end.

        Said on purpose (`onlink`): the kernel makes the route to an IPv6 peer only some time after the address.
        """
        self._ask("route", "add", gateway=str(gateway), oif=index, flags=["onlink"])

    def remove(self, name: str) -> None:
        """Take an interface away, a cable at both ends; one that is gone already is fine."""
        try:
            self._ask("link", "del", ifname=name)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def _ask(self, what: str, command: str, /, **arguments: Any) -> Any:
        try:
            return getattr(self._route, what)(command, **arguments)
        except NetlinkError as error:
            raise OSError(error.code, os.strerror(error.code)) from error


class Messages:
    """Calls `told` with each message that the kernel sends to a group of listeners, in the event loop.

    With b"" when messages were lost, for there may be too many of them to keep up with; a socket of pyroute2 is of no
    use after that. Some groups need CAP_NET_ADMIN.
    """

    def __init__(self, protocol: int, group: int, told: Callable[[bytes], None]) -> None:
        self._told = told
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self._socket.setblocking(False)
        self._socket.bind((0, 1 << (group - 1)))
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self.read)

    def close(self) -> None:
        """Be told no more."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def read(self) -> None:
        """Take what there is now, without waiting for the event loop."""
        while True:
            try:
                message = self._socket.recv(_READ)
            except BlockingIOError:
                return
            except OSError:
                # ENOBUFS: more than fit.
                message = b""
            self._told(message)


def link_messages(told: Callable[[LinkChange | None], None]) -> Messages:
    """Be told of interfaces that are gone or not up; None when something was missed."""

    def read(message: bytes) -> None:
        if of_one_that_is_up(message):
            return
        for change in link_changes(message) if message else [None]:
            told(change)

    return Messages(socket.NETLINK_ROUTE, RTNLGRP_LINK, read)


def of_one_that_is_up(message: bytes) -> bool:
    """Whether a message only says that an interface is up: to understand it in full would take a millisecond."""
    if len(message) < _LINK_HEAD.size:
        return False
    length, kind, *_, flags = _LINK_HEAD.unpack_from(message)
    return length == len(message) and kind == RTM_NEWLINK and bool(flags & IFF_UP)


def link_changes(data: bytes) -> Iterator[LinkChange]:
    """What a message of the group says."""
    for message in MarshalRtnl().parse(data):
        kind = message["header"]["type"]
        if kind in (RTM_NEWLINK, RTM_DELLINK):
            yield LinkChange(message.get("ifname", ""), kind == RTM_NEWLINK, bool(message["flags"] & IFF_UP))
