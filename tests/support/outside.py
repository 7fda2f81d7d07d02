"""A web server that builds can reach: somewhere outside, as far as the machine's rules can tell.

Nothing of this machine answers a build. The server therefore runs in a network namespace of the test's own, behind an
address of those that are kept for documentation (RFC 5737) and routed to it. The machine itself may well have one of
these: a network that it routes already is left alone.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

from tests.support.waiting import wait_until

NETWORKS = [
    network
    for documentation in ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24")
    for network in IPv4Network(documentation).subnets(new_prefix=30)
]
"""Of four addresses each: tests of several boxes may run at once."""
LOCKS = Path("/run/hostd-box")
PORT = 8080
PROJECT = Path(__file__).parents[2]


@contextmanager
def outside(directory: Path) -> Iterator[str]:
    """Serve the directory (`webfiles`) there, and yield its URL. Needs root."""
    with _network() as (name, network):
        yield from _served(directory, name, network)


@contextmanager
def _network() -> Iterator[tuple[str, IPv4Network]]:
    """A network that no other test has, and a name for it; the kernel gives both back when this process ends."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    for number, network in enumerate(NETWORKS):
        with (LOCKS / f"outside-{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            name = f"outside-{number}"
            _remove(name)
            if not any(network.overlaps(other) for other in _routed()):
                yield name, network
                return
    raise AssertionError("every network for tests is in use")


def _routed() -> list[IPv4Network]:
    """What the machine knows a way to, but for the default one."""
    listed = subprocess.run(["ip", "-json", "-4", "route", "show", "table", "all"], check=True, capture_output=True)
    return [IPv4Network(route["dst"]) for route in json.loads(listed.stdout) if route["dst"] != "default"]


def _remove(name: str) -> None:
    """Take the namespace of that name away, which a test that was killed may have left.

    And its cable: whoever copied the machine's mounts meanwhile, as a box does that starts, keeps the namespace.
    """
    for argv in (["ip", "netns", "delete", name], ["ip", "link", "delete", "dev", name]):
        subprocess.run(argv, check=False, capture_output=True)
    wait_until(lambda: not Path("/sys/class/net", name).exists(), 10, what="the test's network to go")


def _served(directory: Path, name: str, network: IPv4Network) -> Iterator[str]:
    near, far = map(str, network.hosts())
    _ip("netns", "add", name)
    server: subprocess.Popen[bytes] | None = None
    try:
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("address", "add", f"{near}/30", "dev", name)
        _ip("link", "set", name, "up")
        _ip("-n", name, "address", "add", f"{far}/30", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "route", "add", "default", "via", near)
        argv = ["ip", "netns", "exec", name, sys.executable, "-m", "tests.support.webfiles", str(directory), far]
        server = subprocess.Popen([*argv, str(PORT)], cwd=PROJECT, stdout=subprocess.PIPE)
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield f"http://{far}:{PORT}"
    finally:
        if server is not None:
            server.kill()
            server.communicate()
        _remove(name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
