"""Runs inside a build, as its app: tries to reach things over the network, and prints as JSON what came of each try.

Usage: network_probe.py TRIES   JSON: {"tcp": [[address, port], ...], "udp": [...], "names": [...], "urls": [...],
                                "hold": seconds or 0}
With `hold` it first listens on port HELD for so long, or until there is a file OVER, and tells at the end who came.
"""

import contextlib
import errno
import json
import socket
import sys
import time
import urllib.request
from pathlib import Path

HELD = 7777
OVER = Path("/app/over")
SECONDS = 5.0


def tcp(address: str, port: int) -> str:
    """`connected`, or the name of the error."""
    try:
        socket.create_connection((address, port), SECONDS).close()
    except OSError as error:
        return named(error)
    return "connected"


def udp(address: str, port: int) -> str:
    """`sent`, when the datagram got away; whoever should not get it tells the rest."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.sendto(b"from a build", (address, port))
    except OSError as error:
        return named(error)
    return "sent"


def looked_up(name: str) -> str:
    """An address of a name, or the error."""
    try:
        return str(socket.getaddrinfo(name, 443, socket.AF_INET)[0][4][0])
    except OSError as error:
        return str(error)


def fetched(url: str) -> int | str:
    """The status of a page, or the error."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except OSError as error:
        return str(error)


def named(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))


def own_address() -> str:
    """Connecting a datagram socket sends nothing, and tells which address would be used."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("192.0.2.1", 9))
        return str(sock.getsockname()[0])


def hold(seconds: float) -> list[str]:
    """Who connects until it is over."""
    came, until = [], time.monotonic() + seconds
    with socket.create_server(("", HELD)) as server:
        server.settimeout(0.1)
        while time.monotonic() < until and not OVER.exists():
            with contextlib.suppress(TimeoutError):
                came.append(server.accept()[1][0])
    return came


def main(tries: dict[str, list[list[object]] | list[str] | float]) -> dict[str, object]:
    """Everything that was tried, in order."""
    seconds = float(tries.get("hold", 0))
    came = hold(seconds) if seconds else []
    return {
        "address": own_address(),
        "came": came,
        "tcp": {f"{address} {port}": tcp(address, port) for address, port in tries.get("tcp", [])},
        "udp": {f"{address} {port}": udp(address, port) for address, port in tries.get("udp", [])},
        "names": {name: looked_up(name) for name in tries.get("names", [])},
        "urls": {url: fetched(url) for url in tries.get("urls", [])},
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "sysfs": sorted(entry.name for entry in Path("/sys/class/net").iterdir()),
        "namespace": str(Path("/proc/self/ns/net").readlink()),
        "resolv.conf": Path("/etc/resolv.conf").read_text(),
    }


if __name__ == "__main__":
    print("probe:", json.dumps(main(json.loads(sys.argv[1]))), flush=True)
