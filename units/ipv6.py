"""Whether this machine has a way out with IPv6 that networks may share."""

from pathlib import Path

FORWARDING = Path("/proc/sys/net/ipv6/conf/all/forwarding")
ROUTES = Path("/proc/net/ipv6_route")

_NOWHERE = 0xFFFFFFFF


def way_out(forwarding: Path = FORWARDING, routes: Path = ROUTES) -> bool:
    """Whether it forwards and has a default route; without either, an address would only make programs wait."""
    try:
        return forwarding.read_text().strip() == "1" and has_default(routes.read_text())
    except OSError:
        return False


def has_default(routes: str) -> bool:
    """Whether /proc/net/ipv6_route names a default route: destination, length, ..., metric, ..., interface."""
    lines = (line.split() for line in routes.splitlines())
    return any(
        len(words) == 10 and int(words[0], 16) == 0 and int(words[1], 16) == 0 and int(words[5], 16) != _NOWHERE
        for words in lines
    )
