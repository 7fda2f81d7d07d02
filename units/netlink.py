"""The kernel's network configuration by its own messages (netlink(7), rtnetlink(7)): a few kinds, and no more.

What ip(8) would do for a network, without a child process for it: 1 ms instead of 8. pyroute2 does all of it and far
more; docs/dependencies.md says what it costs.
"""

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address
Attribute = tuple[int, bytes]

LOOPBACK = 1
"""The index of `lo`, the first interface of every network namespace."""

_SECONDS = 10.0
_READ = 1 << 16


@dataclass(frozen=True)
class LinkChange:
    """An interface that is gone, or was changed."""

    name: str
    there: bool
    up: bool


class Configuration:
    """The links, addresses and routes of one network namespace: the one in which this object is made.

    All methods block for far less than a millisecond, but for `remove`, which waits for the kernel to forget: 10 to
    30 ms. They raise OSError with the kernel's reason.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.settimeout(_SECONDS)
        self._socket.bind((0, 0))

    def close(self) -> None:
        """Let go of the namespace."""
        self._socket.close()

    def add_cable(self, name: str, mac: bytes, *, peer: str, peer_mac: bytes, namespace: int) -> None:
        """Make a veth pair: one end here, the peer in the namespace of a descriptor."""
        other = _link(0) + _attributes(
            (_IFLA_IFNAME, _text(peer)), (_IFLA_ADDRESS, peer_mac), (_IFLA_NET_NS_FD, struct.pack("=I", namespace))
        )
        kind = (_IFLA_INFO_KIND, b"veth")
        data = (_IFLA_INFO_DATA, _attributes((_VETH_INFO_PEER, other)))
        self._ask(
            _RTM_NEWLINK,
            _link(0),
            (_IFLA_IFNAME, _text(name)),
            (_IFLA_ADDRESS, mac),
            (_IFLA_LINKINFO, _attributes(kind, data)),
            flags=_NLM_F_CREATE | _NLM_F_EXCL,
        )

    def index(self, name: str) -> int:
        """The number of an interface."""
        answer = self._ask(_RTM_GETLINK, _link(0), (_IFLA_IFNAME, _text(name)))
        return int(struct.unpack_from("=i", answer, _HEADER + 4)[0])

    def is_up(self, name: str) -> bool:
        """Whether an interface is there and was not switched off."""
        try:
            answer = self._ask(_RTM_GETLINK, _link(0), (_IFLA_IFNAME, _text(name)))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return False
        return bool(struct.unpack_from("=I", answer, _HEADER + 8)[0] & _IFF_UP)

    def bring_up(self, index: int, *, alias: str = "", to_loopback: bool = False) -> None:
        """Switch an interface on, without link-local addresses of its own making.

        `to_loopback`: packets that came in here may reach 127.0.0.1 (net.ipv4.conf.<interface>.route_localnet).
        """
        families = [(socket.AF_INET6, _attributes((_IFLA_INET6_ADDR_GEN_MODE, bytes([_ADDR_GEN_MODE_NONE]))))]
        if to_loopback:
            route_localnet = _attributes((_NESTED | _IPV4_DEVCONF_ROUTE_LOCALNET, struct.pack("=I", 1)))
            families.append((socket.AF_INET, _attributes((_NESTED | _IFLA_INET_CONF, route_localnet))))
        specific = _attributes(*((_NESTED | family, content) for family, content in families))
        named = [(_IFLA_IFALIAS, alias.encode())] if alias else []
        up = _link(index, flags=_IFF_UP, change=_IFF_UP)
        self._ask(_RTM_NEWLINK, up, *named, *([] if index == LOOPBACK else [(_NESTED | _IFLA_AF_SPEC, specific)]))

    def add_address(self, index: int, address: Address, peer: Address) -> None:
        """Have an address on an interface, whose other end has the address `peer`."""
        body = struct.pack("=BBBBI", _family(address), address.max_prefixlen, _IFA_F_NODAD, 0, index)
        self._ask(
            _RTM_NEWADDR, body, (_IFA_LOCAL, address.packed), (_IFA_ADDRESS, peer.packed), flags=_NLM_F_CREATE
        )

    def add_neighbour(self, index: int, address: Address, mac: bytes) -> None:
        """Know for ever which hardware address an address has: nobody is asked, and no table of neighbours fills up."""
        body = struct.pack("=BxHiHBB", _family(address), 0, index, _NUD_PERMANENT, 0, 0)
        self._ask(_RTM_NEWNEIGH, body, (_NDA_DST, address.packed), (_NDA_LLADDR, mac), flags=_NLM_F_CREATE)

    def add_default_route(self, index: int, gateway: Address) -> None:
        """Send everything else to the gateway, which is at the interface's other end.

        Said on purpose (RTNH_F_ONLINK): the kernel makes the route to an IPv6 peer only some time after the address.
        """
        table, made_by, kind = _RT_TABLE_MAIN, _RTPROT_STATIC, _RTN_UNICAST
        body = struct.pack("=BBBBBBBBI", _family(gateway), 0, 0, 0, table, made_by, 0, kind, _RTNH_F_ONLINK)
        out = (_RTA_OIF, struct.pack("=i", index))
        self._ask(_RTM_NEWROUTE, body, (_RTA_GATEWAY, gateway.packed), out, flags=_NLM_F_CREATE)

    def remove(self, name: str) -> None:
        """Take an interface away, a cable at both ends; one that is gone already is fine."""
        try:
            self._ask(_RTM_DELLINK, _link(0), (_IFLA_IFNAME, _text(name)))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def _ask(self, kind: int, body: bytes, *attributes: Attribute, flags: int = 0) -> bytes:
        content = body + _attributes(*attributes)
        asked = 0 if kind == _RTM_GETLINK else _NLM_F_ACK
        header = struct.pack("=IHHII", _HEADER + len(content), kind, _NLM_F_REQUEST | asked | flags, 1, 0)
        self._socket.send(header + content)
        answer = self._socket.recv(_READ)
        (answered,) = struct.unpack_from("=H", answer, 4)
        if answered == _NLMSG_ERROR:
            (number,) = struct.unpack_from("=i", answer, _HEADER)
            if number:
                raise OSError(-number, os.strerror(-number))
        return answer


class Messages:
    """Calls `told` with each message that the kernel sends to a group of listeners, in the event loop.

    With b"" when messages were lost, for there may be too many of them to keep up with. Some groups need
    CAP_NET_ADMIN.
    """

    def __init__(self, protocol: int, group: int, told: Callable[[bytes], None]) -> None:
        self._told = told
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setblocking(False)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, struct.pack("=i", group))
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
    """Be told of interfaces that are gone, come or change; None when something was missed."""

    def read(message: bytes) -> None:
        for change in link_changes(message) if message else [None]:
            told(change)

    return Messages(socket.NETLINK_ROUTE, _RTNLGRP_LINK, read)


def link_changes(data: bytes) -> Iterator[LinkChange]:
    """What a message of the group says."""
    while len(data) >= _HEADER + _LINK:
        length, kind = struct.unpack_from("=IH", data)
        flags, _ = struct.unpack_from("=II", data, _HEADER + 8)
        name = dict(_parsed(data[_HEADER + _LINK : length])).get(_IFLA_IFNAME, b"").rstrip(b"\0").decode()
        if kind in (_RTM_NEWLINK, _RTM_DELLINK):
            yield LinkChange(name, kind == _RTM_NEWLINK, bool(flags & _IFF_UP))
        data = data[_aligned(length) :]


def _link(index: int, *, flags: int = 0, change: int = 0) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, flags, change)


def _attributes(*attributes: Attribute) -> bytes:
    return b"".join(
        struct.pack("=HH", _HEADER_OF_ATTRIBUTE + len(content), kind) + content + bytes(-len(content) % 4)
        for kind, content in attributes
    )


def _parsed(data: bytes) -> Iterator[Attribute]:
    while len(data) >= _HEADER_OF_ATTRIBUTE:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & _KIND, data[_HEADER_OF_ATTRIBUTE:length]
        data = data[max(_aligned(length), _HEADER_OF_ATTRIBUTE) :]


def _aligned(length: int) -> int:
    return length + -length % 4


def _text(name: str) -> bytes:
    return name.encode() + b"\0"


def _family(address: Address) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


# linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/neighbour.h, linux/ip.h, linux/veth.h
_HEADER, _LINK, _HEADER_OF_ATTRIBUTE = 16, 16, 4
_NLMSG_ERROR, _NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_EXCL, _NLM_F_CREATE = 2, 1, 4, 0x200, 0x400
_NESTED, _KIND = 0x8000, 0x3FFF
_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _RTNLGRP_LINK = 270, 1, 1
_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK, _RTM_NEWADDR, _RTM_NEWROUTE, _RTM_NEWNEIGH = 16, 17, 18, 20, 24, 28
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_IFALIAS, _IFLA_AF_SPEC, _IFLA_NET_NS_FD = 1, 3, 18, 20, 26, 28
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFLA_INET_CONF, _IPV4_DEVCONF_ROUTE_LOCALNET, _IFLA_INET6_ADDR_GEN_MODE, _ADDR_GEN_MODE_NONE = 1, 26, 8, 1
_IFF_UP = 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_F_NODAD = 1, 2, 2
_NDA_DST, _NDA_LLADDR, _NUD_PERMANENT = 1, 2, 0x80
_RTA_OIF, _RTA_GATEWAY, _RT_TABLE_MAIN, _RTPROT_STATIC, _RTN_UNICAST, _RTNH_F_ONLINK = 4, 5, 254, 4, 1, 4
