"""Whom a network namespace asks for names: made from the machine's own resolv.conf(5); pure but for `read`."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")
RESOLVED_UPSTREAM = Path("/run/systemd/resolve/resolv.conf")
"""Where systemd-resolved writes the servers behind its own address 127.0.0.53 (systemd-resolved.service(8))."""

_MOST = 3
_KEPT = ("search", "domain", "options")


@dataclass(frozen=True)
class Resolvers:
    """`servers` are asked directly. Where there are none, `loopback` is a resolver of this machine's own.

    A namespace has a loopback address of its own, so it reaches that one by the gateway's port 53. `others` are
    the lines of resolv.conf that are not about servers.
    """

    servers: tuple[IPv4Address, ...] = ()
    loopback: IPv4Address | None = None
    others: tuple[str, ...] = ()

    def conf(self, gateway: IPv4Address) -> str:
        """The resolv.conf of a namespace."""
        servers = (gateway,) if self.loopback else self.servers
        lines = ["# Written by hostd, from the server's own.", *self.others]
        return "".join(f"{line}\n" for line in [*lines, *(f"nameserver {server}" for server in servers)])


def decide(own: str, upstream: str | None) -> Resolvers:
    """The resolvers for namespaces, by the text of the machine's resolv.conf and of resolved's, if there is one.

    No server at all means one on the loopback address (resolv.conf(5)). Servers with IPv6 addresses are left
    out, as namespaces have none.
    """
    named = list(_servers(own)) or ["127.0.0.1"]
    addresses = _ipv4(named)
    direct = [address for address in addresses if not address.is_loopback]
    if len(direct) == len(addresses):
        return Resolvers(tuple(direct[:_MOST]), None, _others(own))
    behind = [address for address in _ipv4(_servers(upstream or "")) if not address.is_loopback]
    if behind and IPv4Address("127.0.0.53") in addresses:
        return Resolvers(tuple(behind[:_MOST]), None, _others(upstream or ""))
    return Resolvers((), next(address for address in addresses if address.is_loopback), _others(own))


def read(own: Path = RESOLV_CONF, upstream: Path = RESOLVED_UPSTREAM) -> Resolvers:
    """The resolvers as they are now."""
    return decide(_text(own) or "", _text(upstream))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _servers(text: str) -> Iterable[str]:
    lines = (line.split() for line in text.splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def _others(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.split(maxsplit=1)[:1] and line.split()[0] in _KEPT)


def _ipv4(texts: Iterable[str]) -> list[IPv4Address]:
    addresses = []
    for text in texts:
        try:
            addresses.append(IPv4Address(text))
        except AddressValueError:
            continue
    return addresses
