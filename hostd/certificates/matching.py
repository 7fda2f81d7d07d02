"""Matching: which host is served with which certificate. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar


class Named(Protocol):
    """What is needed of a certificate."""

    @property
    def names(self) -> Sequence[str]:
        """The hosts it is for, in lower case; `*.example.com` for all that are one label below."""

    @property
    def starts_at(self) -> datetime:
        """From when on it is valid."""

    @property
    def expires_at(self) -> datetime:
        """Until when it is valid."""


class Kept(Named, Protocol):
    """What is needed of a certificate that an app has."""

    @property
    def automatic(self) -> bool:
        """Whether the app got it by itself."""


Any = TypeVar("Any", bound=Kept)


def covers(name: str, host: str) -> bool:
    """Whether a certificate's name is good for a host; a host may itself be a wildcard (RFC 9525, 6.3)."""
    if name == host:
        return True
    label, _, rest = host.partition(".")
    return name.startswith("*.") and name[2:] == rest and label not in ("", "*")


def covering(certificate: Named, hosts: Iterable[str]) -> list[str]:
    """The hosts that a certificate is good for."""
    return [host for host in hosts if any(covers(name, host) for name in certificate.names)]


def assign(certificates: Sequence[Any], hosts: Iterable[str], now: datetime) -> Mapping[str, Any]:
    """The certificate with which each host is served; hosts without any are left out.

    One that is valid now before one that is not, one that somebody added before an automatic one, one that names the
    host before one with a wildcard, and then the later in `certificates`.
    """
    best: dict[str, _Rank] = {}
    for place, each in enumerate(certificates):
        rank = (each.starts_at <= now < each.expires_at, not each.automatic, place)
        for name in each.names:
            best[name] = max(best.get(name, rank), rank)
    chosen: dict[str, Any] = {}
    for host in hosts:
        label, _, rest = host.partition(".")
        wildcard = None if label == "*" else best.get(f"*.{rest}")
        found = [
            (valid, added, exact, place)
            for exact, rank in ((True, best.get(host)), (False, wildcard))
            if rank is not None
            for valid, added, place in (rank,)
        ]
        if found:
            chosen[host] = certificates[max(found)[3]]
    return chosen


_Rank = tuple[bool, bool, int]
"""Whether a certificate is valid, whether somebody added it, and its place."""
