"""A web server that builds can reach: somewhere outside, as far as the machine's rules can tell.

Nothing of this machine answers a build. The server therefore runs in a network namespace of the test's own, behind an
address of those that are kept for documentation (RFC 5737) and routed to it.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import wait_until

NETWORKS = 64
"""Of four addresses each, from 198.51.100.0 on: tests of several boxes may run at once."""
LOCKS = Path("/run/hostd-box")
PORT = 8080
PROJECT = Path(__file__).parents[2]


@contextmanager
def outside(directory: Path) -> Iterator[str]:
    """Serve the directory (`webfiles`) there, and yield its URL. Needs root."""
    with _network() as (near, far):
        yield from _served(directory, near, far)


@contextmanager
def _network() -> Iterator[tuple[str, str]]:
    """Two addresses, ours and the server's, that no other test has; the kernel gives them back when this ends."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    for number in range(NETWORKS):
        with (LOCKS / f"outside-{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield f"198.51.100.{4 * number + 1}", f"198.51.100.{4 * number + 2}"
            return
    raise AssertionError("every network for tests is in use")


def _served(directory: Path, near: str, far: str) -> Iterator[str]:
    name = f"out-{uuid.uuid4().hex[:8]}"
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
        _ip("netns", "delete", name)
        wait_until(lambda: not Path("/sys/class/net", name).exists(), 10, what="the test's network to go")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
