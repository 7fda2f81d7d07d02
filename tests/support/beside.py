"""What this machine has beside the box, whose network is the machine's: a service, and addresses."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Service:
    """Something of this machine's that listens on all of its addresses, and counts who came."""

    server: socket.socket
    datagrams: socket.socket
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.port = self.server.getsockname()[1]
        self.datagrams.bind(("::", self.port))
        for sock in (self.server, self.datagrams):
            sock.setblocking(False)

    def came(self) -> list[str]:
        """Who connected, or sent something."""
        found: list[str] = []
        with suppress(BlockingIOError):
            while True:
                found.append(str(self.server.accept()[1][0]))
        with suppress(BlockingIOError):
            while True:
                found.append(str(self.datagrams.recvfrom(100)[1][0]))
        return found


@contextmanager
def listening() -> Iterator[Service]:
    """A service on a port that was free."""
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as datagrams,
    ):
        yield Service(server, datagrams)


def own_addresses() -> list[str]:
    """All addresses of this machine, but for those that need an interface's name."""
    listed = json.loads(run("ip", "-json", "address"))
    # Those of networks, ours and other installations', come and go.
    lasting = [link for link in listed if not re.fullmatch(r"[a-z0-9]+-\d+", link["ifname"])]
    infos = [info for link in lasting for info in link.get("addr_info", ()) if info["scope"] != "link"]
    return [info["local"] for info in infos]


def interfaces(name: str) -> dict[str, str]:
    """The machine's ends of an installation's networks, and whose they are."""
    links = json.loads(run("ip", "-json", "link", "show", "type", "veth") or "[]")
    return {link["ifname"]: link.get("ifalias", "") for link in links if re.fullmatch(rf"{name}-\d+", link["ifname"])}


def connects(address: str, port: int) -> bool:
    """Whether it answers to this machine itself."""
    try:
        socket.create_connection((address, port), 5).close()
    except OSError:
        return False
    return True


def run(*argv: str) -> str:
    """What a program prints."""
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
