"""Which address belongs to which network namespace, and which addresses are free for an installation: pure."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, NetmaskValueError
from itertools import chain

SMALLEST_PREFIX = 24
"""Bits of the smallest range that an installation may have: 252 namespaces."""

_PREFIX_BITS = 16
_QUAD = r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}"
_MENTIONED = re.compile(rf"({_QUAD}(?:-{_QUAD}|/\d{{1,2}})?)(?![\d.])")


class NoAddress(Exception):  # noqa: N818 - named for what happened
    """All addresses are in use."""


class Addresses:
    """Gives out slots, and an address for each, out of one range; no two holders ever have the same.

    The first address of the range is the gateway's, on the machine's side of every namespace. A slot that was
    given back is the last to be used again, so that what is still on its way to its old holder meets nobody.
    """

    def __init__(self, prefix: IPv4Network) -> None:
        self.prefix = prefix
        self.gateway = prefix.network_address + 1
        self.prefix6 = unique_local(str(prefix))
        self.gateway6 = self.prefix6.network_address + 1
        self._first = 2
        self._last: int = prefix.num_addresses - 2
        self._next: int = self._first
        self._taken: set[int] = set()

    def address(self, slot: int) -> IPv4Address:
        """The address of a slot."""
        return self.prefix.network_address + slot

    def address6(self, slot: int) -> IPv6Address:
        """Its IPv6 address."""
        return self.prefix6.network_address + slot

    def slot(self, address: IPv4Address) -> int | None:
        """The slot of an address; None for one that is none of ours."""
        slot = int(address) - int(self.prefix.network_address)
        return slot if self._first <= slot <= self._last else None

    def take(self) -> int:
        """A slot that nobody has. Raises NoAddress when there is none."""
        for slot in chain(range(self._next, self._last + 1), range(self._first, self._next)):
            if slot not in self._taken:
                self._taken.add(slot)
                self._next = slot + 1 if slot < self._last else self._first
                return slot
        raise NoAddress(f"all {self._last - self._first + 1} addresses of {self.prefix} are in use")

    def keep(self, slot: int) -> None:
        """Count a slot as taken: somebody has had it since before this object was made."""
        self._taken.add(slot)

    def give_back(self, slot: int) -> None:
        """The slot's holder is gone."""
        self._taken.discard(slot)


def unique_local(seed: str) -> IPv6Network:
    """A range of IPv6 addresses that nobody else is likely to have (RFC 4193, section 3.2.2)."""
    digest = hashlib.sha256(f"hostd {seed}".encode()).digest()
    return IPv6Network((bytes([0xFD, *digest[:5]]) + bytes(10), 64))


def free_range(seed: str, taken: Iterable[IPv4Network]) -> IPv4Network | None:
    """A private range of 65,536 addresses that overlaps nothing of `taken`; None when there is none.

    Where the search begins depends on the seed, so that installations that cannot see each other seldom meet.
    """
    used = [network for network in taken if network.prefixlen > 0]
    candidates = list(_candidates())
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") % len(candidates)
    for candidate in candidates[start:] + candidates[:start]:
        if not any(candidate.overlaps(network) for network in used):
            return candidate
    return None


def mentioned(text: str) -> set[IPv4Network]:
    """The addresses and ranges that stand in a text, such as a list of routes or of firewall rules."""
    return {network for match in _MENTIONED.findall(text) if (network := _network(match)) is not None}


def _candidates() -> Iterator[IPv4Network]:
    """Quarters of private space that few use: not the low ends, where networks usually begin."""
    for second in range(64, 255):
        yield IPv4Network((IPv4Address(f"10.{second}.0.0"), _PREFIX_BITS))
    for second in range(24, 32):
        yield IPv4Network((IPv4Address(f"172.{second}.0.0"), _PREFIX_BITS))


def _network(text: str) -> IPv4Network | None:
    first, _, _ = text.partition("-")
    try:
        return IPv4Network(first, strict=False)
    except (AddressValueError, NetmaskValueError):
        return None
