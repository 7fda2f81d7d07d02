"""Whose socket is at the other end of a connection within this machine: sock_diag(7) knows."""

from __future__ import annotations

import socket
import struct

_SOCK_DIAG = 4
"""NETLINK_SOCK_DIAG of linux/netlink.h."""
_BY_FAMILY, _REQUEST = 20, 1
"""SOCK_DIAG_BY_FAMILY of linux/sock_diag.h, NLM_F_REQUEST of netlink(7)."""
_HEAD = struct.Struct("=IHHII")
_ASKED = struct.Struct("=BBBBI")
_PORTS = struct.Struct("!HH")
_REST_OF_ID = struct.Struct("=III")
_UID_AT = _HEAD.size + 4 + 48 + 12
"""struct inet_diag_msg: four bytes, the socket's id, three numbers, and then the uid."""
_ANY = 0xFFFFFFFF
_SECONDS = 1.0


def owner_of_peer(connection: socket.socket) -> int | None:
    """The uid that made the socket which a TCP connection over IPv4 comes from; None if that cannot be told.

    It answers from the kernel's table of sockets, in about 20 microseconds.
    """
    if connection.family != socket.AF_INET:
        return None
    try:
        ours, theirs = connection.getsockname(), connection.getpeername()
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
            kernel.settimeout(_SECONDS)
            kernel.sendto(_question(theirs, ours), (0, 0))
            said = kernel.recv(4096)
    except OSError:
        return None
    _length, kind, *_ = _HEAD.unpack_from(said)
    if kind != _BY_FAMILY:
        return None  # an error: the connection is gone
    uid: int = struct.unpack_from("=I", said, _UID_AT)[0]
    return uid


def _question(source: tuple[str, int], target: tuple[str, int]) -> bytes:
    """The one socket with these ends (struct inet_diag_req_v2)."""
    asked = b"".join(
        (
            _ASKED.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ANY),
            _PORTS.pack(source[1], target[1]),
            socket.inet_aton(source[0]).ljust(16, b"\0"),
            socket.inet_aton(target[0]).ljust(16, b"\0"),
            _REST_OF_ID.pack(0, _ANY, _ANY),
        )
    )
    return _HEAD.pack(_HEAD.size + len(asked), _BY_FAMILY, _REQUEST, 1, 0) + asked
