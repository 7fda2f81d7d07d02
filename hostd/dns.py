"""The DNS: where a domain leads, and which records would lead it here. Nothing in it decides what apps answer to."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Protocol

from hostd.domain_names import base_of, in_unicode, is_wildcard
from hostd.ledger.database import utc_now

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

PATIENCE = 4.0
"""Seconds that all questions about one domain may take together."""
AT_ONCE = 20
"""Domains that are asked for at the same time."""
LOOPBACK = ("127.0.0.1", "::1")


class Leads(Enum):
    """Where a domain leads."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    NOWHERE = "nowhere"
    UNANSWERED = "unanswered"
    """Nobody could tell."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the DNS says of a name: its addresses, the names that it is an alias of, and whether a zone begins with it.

    `trouble` says why not all of it could be asked; then `apex` may be None.
    """

    addresses: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    apex: bool | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record that would lead a domain here. A name that begins a zone can have no CNAME (RFC 1034, 3.6.2)."""

    type: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Check:
    """Where a domain leads, in words too, and the records that it should have."""

    leads: Leads
    message: str
    found: Found
    records: tuple[Record, ...]
    at: datetime


class Asking(Protocol):
    """What can be asked about names."""

    async def look(self, name: str) -> Found:
        """What the DNS says of a name; never raises for an answer that is missing."""


class Dns:
    """Asks the servers of /etc/resolv.conf, as that file is at the moment; or those of `resolver`."""

    def __init__(self, resolver: Callable[[], Resolver] | None = None, patience: float = PATIENCE) -> None:
        self._resolver = resolver
        self._patience = patience

    async def look(self, name: str) -> Found:
        """What the DNS says of a name. /etc/hosts and search lists have no say: a visitor has them not."""
        import dns.resolver  # 7 MB that most do without
        from dns.asyncresolver import Resolver

        try:
            resolver = (self._resolver or Resolver)()
        except dns.resolver.NoResolverConfiguration as error:
            return Found(trouble=f"/etc/resolv.conf names no server: {error}")
        resolver.lifetime = self._patience
        parts = await asyncio.gather(*(_ask(resolver, name, kind) for kind in ("A", "AAAA", "SOA")))
        ipv4, ipv6, zone = parts
        return Found(
            addresses=(*ipv4.values, *ipv6.values),
            aliases=ipv4.aliases or ipv6.aliases,
            apex=bool(zone.values) if zone.trouble is None else None,
            trouble=ipv4.trouble or ipv6.trouble,
        )


class DomainChecks:
    """Finds out where domains lead, and remembers what it found."""

    def __init__(
        self, dns: Asking, platform: str, own: Callable[[], Sequence[str]], clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._dns = dns
        self._platform = platform
        self._own = own
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._known: dict[str, tuple[str, Check]] = {}

    def known(self, hostname: str, target: str) -> Check | None:
        """What was found when the domain was asked for last."""
        asked, check = self._known.get(hostname, ("", None))
        return check if asked == target else None

    async def check(self, hostname: str, target: str, ours: Found | None = None) -> Check:
        """Find out where a domain leads that should lead to `target`, the built-in name of its app.

        `ours`, if the caller knows that, is what is right for `target`.
        """
        # A label by chance, since a server may remember for hours that one does not exist.
        asked = f"{secrets.token_hex(6)}.{base_of(hostname)}" if is_wildcard(hostname) else hostname
        async with self._turns:
            found = await self._dns.look(asked)
        check = judged(hostname, target, found, ours or await self.ours(target), self._clock())
        self._known[hostname] = target, check
        return check

    async def check_all(self, hostnames: Iterable[str], target: str, seconds: float = 2 * PATIENCE) -> None:
        """Find out where domains lead, as far as that can be done in so many seconds."""
        ours = await self.ours(target)
        tasks = [asyncio.create_task(self.check(hostname, target, ours)) for hostname in hostnames]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def forget(self, hostname: str) -> None:
        """The domain is nobody's any more."""
        self._known.pop(hostname, None)

    async def ours(self, target: str) -> Found:
        """What leads here: where the built-in name leads, and this machine's own addresses.

        Its trouble is why no record can name `target`.
        """
        own = tuple(self._own())
        if f".{self._platform}".endswith(".localhost"):
            return Found(addresses=(*LOOPBACK, *own), trouble="names below localhost lead everybody to themselves")
        found = await self._dns.look(target)
        known = tuple(dict.fromkeys((*found.addresses, *own)))
        nowhere = None if found.addresses else found.trouble or "it has no address in the DNS"
        return Found(addresses=known, trouble=nowhere)


def judged(hostname: str, target: str, found: Found, ours: Found, at: datetime) -> Check:
    """Where a domain leads; `ours` as `DomainChecks.ours` says."""
    leads, message = _judged(hostname, target, found, ours)
    if ours.trouble and leads is not Leads.HERE and not target.endswith(".localhost"):
        message += f" No record can name {target}: {ours.trouble}."
    return Check(leads, message, found, wanted(hostname, target, found.apex, ours), at)


def wanted(hostname: str, target: str, apex: bool | None, ours: Found) -> tuple[Record, ...]:
    """The records that lead a domain here. Where nobody knows whether a zone begins with it, its dots tell."""
    begins_zone = hostname.count(".") == 1 if apex is None else apex
    if not ours.trouble and (not begins_zone or is_wildcard(hostname)):
        return (Record("CNAME", hostname, target),)
    by_address = tuple(Record(_kind(address), hostname, address) for address in _advised(ours.addresses))
    return by_address if ours.trouble else (Record("ALIAS", hostname, target), *by_address)


def own_addresses(prefix: str) -> list[str]:
    """The addresses of this machine's interfaces that others may reach, those by which it speaks to the world first.

    The gateway's of its dynos, in `prefix`, is none of them.
    """
    import psutil

    inner = ip_network(prefix)
    entries = [entry for entries in psutil.net_if_addrs().values() for entry in entries]
    found = [entry.address for entry in entries if entry.family in (socket.AF_INET, socket.AF_INET6)]
    known = [ip_address(address.partition("%")[0]) for address in found]
    outer = [each for each in known if not (each.is_loopback or each.is_link_local or each in inner)]
    ways_out = filter(None, map(_way_out, (("1.1.1.1", socket.AF_INET), ("2606:4700:4700::1111", socket.AF_INET6))))
    return list(dict.fromkeys((*ways_out, *map(str, outer))))


@dataclass(frozen=True, slots=True)
class _Part:
    values: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    trouble: str | None = None


async def _ask(resolver: Resolver, name: str, kind: str) -> _Part:
    import dns.exception
    import dns.resolver

    try:
        answer = await resolver.resolve(f"{name}.", kind, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return _Part()
    except dns.exception.Timeout:
        servers = ", ".join(map(str, resolver.nameservers))
        return _Part(trouble=f"{servers} did not answer within {resolver.lifetime:g} seconds")
    except (dns.exception.DNSException, OSError) as error:
        return _Part(trouble=" ".join(str(error).split()).rstrip(".")[:300])
    values = tuple(str(value) for value in answer.rrset) if answer.rrset else ()
    aliases = [str(alias.target).rstrip(".") for chain in answer.chaining_result.cnames for alias in chain]
    # A zone that begins with what a name is an alias of does not begin with the name.
    return _Part(() if kind == "SOA" and aliases else values, tuple(aliases))


def _judged(hostname: str, target: str, found: Found, ours: Found) -> tuple[Leads, str]:
    shown, right = in_unicode(hostname), set(ours.addresses)
    wrong = [address for address in found.addresses if address not in right]
    if wrong and target not in found.aliases:
        also = ", and here too" if len(wrong) < len(found.addresses) else ""
        return Leads.ELSEWHERE, f"{shown} leads to {', '.join(wrong)}, which is not this server{also}."
    if found.addresses:
        return Leads.HERE, f"{shown} leads here."
    if found.trouble:
        return Leads.UNANSWERED, f"Where {shown} leads could not be asked: {found.trouble}."
    if found.aliases:
        return Leads.NOWHERE, f"{shown} is an alias of {found.aliases[-1]}, which has no address."
    return Leads.NOWHERE, f"{shown} has no address in the DNS yet."


def _way_out(there: tuple[str, socket.AddressFamily]) -> str | None:
    """The address of ours with which we would speak to that one; nothing is sent."""
    with socket.socket(there[1], socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((there[0], 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def _advised(addresses: Sequence[str]) -> list[str]:
    """The addresses for records: all that are public, else the first of each kind, loopback only as a last resort."""
    if public := [address for address in addresses if ip_address(address).is_global]:
        return public
    known = [address for address in addresses if not ip_address(address).is_loopback] or addresses
    return [next(each for each in known if _kind(each) == kind) for kind in dict.fromkeys(map(_kind, known))]


def _kind(address: str) -> str:
    return "AAAA" if ":" in address else "A"
