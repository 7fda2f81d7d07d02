"""Gate: who may come to an app: people who have a password, and clients of certain networks. Pure."""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Gate:
    """Where there are users, a client has to be one; where there are networks, it has to come from one; or both."""

    users: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)
    """The hash of each user's password (`passwords.hashed`)."""
    networks: tuple[Network, ...] = ()

    def admits(self, address: str) -> bool:
        """Whether clients may come from this address."""
        if not self.networks:
            return True
        known = _address(address)
        return known is not None and any(known in network for network in self.networks)


def credentials(values: Sequence[bytes]) -> tuple[str, bytes] | None:
    """The name and the password in the fields Authorization of a request (RFC 7617); None if there are none."""
    if len(values) != 1:
        return None
    scheme, _, token = values[0].partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, colon, password = binascii.a2b_base64(token.strip(), strict_mode=True).partition(b":")
        return (name.decode(), password) if colon else None
    except ValueError:
        return None


def without_credentials(wire: bytes) -> bytes:
    """A request's head, as it is written for a dyno, without Authorization: that was for the gate."""
    return b"\r\n".join(line for line in wire.split(b"\r\n") if line[:14].lower() != b"authorization:")


def neighbourhood(address: str) -> str:
    """What counts as one client: an IPv4 address, or the 64 bits of an IPv6 network that its owner fills at will."""
    known = _address(address)
    return str(IPv6Network((known, 64), strict=False)) if isinstance(known, IPv6Address) else address


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        # A link-local address comes with its interface.
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None
