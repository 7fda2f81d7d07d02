"""Which addresses are the world's, and which this machine's: what hostd may connect to for somebody else."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_TRANSLATED = IPv6Network("2002::/16")
"""Addresses of IPv4 in another form (6to4), those inside too; older versions of Python call them global."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""What else Python calls global has addresses of another protocol in it (64:ff9b::/96), or is no place (ff00::/8)."""

Address = IPv4Address | IPv6Address


def is_public(address: Address) -> bool:
    """Whether an address is one of the Internet's, and of one machine there."""
    if isinstance(address, IPv6Address):
        return address in _GLOBAL_UNICAST and address not in _TRANSLATED and address.is_global
    return address.is_global and not address.is_multicast


def written(host: str) -> Address | None:
    """The address that a host is written as, in any form that the system takes (`127.1` too); None for a name.

    Nobody is asked.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return None
    return ip_address(str(found[0][4][0]).partition("%")[0])


def is_own(address: Address) -> bool:
    """Whether an address is this machine's: it would speak to it with the same one. Nothing is sent."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:
            return False
        return ip_address(str(probe.getsockname()[0]).partition("%")[0]) == address
