"""Whether this machine has a way out with IPv6 that networks may share."""

from pathlib import Path

FORWARDING = Path("/proc/sys/net/ipv6/conf/all/forwarding")
ROUTES = Path("/proc/net/ipv6_route")

_NOWHERE = 0xFFFFFFFF


def way_out(forwarding: Path = FORWARDING, routes: Path = ROUTES) -> bool:
    """Whether it has a default route, and forwards; without either, an address would only make programs wait."""
    return _has_default(routes) and _forwards(forwarding)


def unused(forwarding: Path = FORWARDING, routes: Path = ROUTES) -> bool:
    """Whether it has a default route, and only does not forward."""
    return _has_default(routes) and not _forwards(forwarding)


def _forwards(forwarding: Path) -> bool:
    return forwarding.exists() and forwarding.read_text().strip() == "1"


def _has_default(routes: Path) -> bool:
    """Whether one is listed: destination, its length, source, its length, next hop, metric, ..., interface."""
    lines = (line.split() for line in routes.read_text().splitlines()) if routes.exists() else ()
    return any(
        len(words) == 10 and int(words[0], 16) == int(words[1], 16) == 0 and int(words[5], 16) != _NOWHERE
        for words in lines
    )
