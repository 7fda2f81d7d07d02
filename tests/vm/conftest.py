"""What tests of a real server use: a virtual machine as if just rented, hostd installed on it, an app that is pushed.

`tests/run --vm` runs them, for one kind of server (`tests/support/images.py`) after the other, in the order of the
files: a machine is installed on, used, rebooted, cut off from its power, and cleared again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import figures, slots
from tests.support.apps import Deployed, deployed
from tests.support.images import KINDS, Kind, image
from tests.support.machine import Machine, accelerator
from tests.support.server import Server, new_server
from tests.support.waiting import PATIENCE

WANTED = "HOSTD_TEST_VM"
ECHO = (Path(__file__).parents[1] / "support/echo.py").read_text()
SHOP = "shop"
PROCFILE = """\
web: exec python3 -u server.py
worker: echo "$DYNO is working"; exec sleep infinity
over: exec python3 -c 'import signal; kept = bytearray(100 << 20); signal.pause()'
far-over: exec python3 -c 'import signal; kept = bytearray(300 << 20); signal.pause()'
bomb: exec python3 forks.py
spinner: exec python3 -c 'while True: pass'
"""
FORKS = """\
import os, signal

while True:
    try:
        os.fork() or signal.pause()
    except BlockingIOError:
        signal.pause()
"""
SLOW = "10"
"""How many times longer things may take where processors are emulated."""


@dataclass(frozen=True)
class Installed:
    """What install.sh said on a fresh server."""

    server: Server
    said: str


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only when they are asked for."""
    for item in items:
        if Path(__file__).parent in item.path.parents and WANTED not in os.environ:
            item.add_marker(pytest.mark.skip(reason="needs a virtual machine: run tests/run --vm"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long what matters took."""
    for line in figures.told:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", params=KINDS, ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on which nothing was installed yet."""
    kind: Kind = request.param
    cache, folder = Path(os.environ["HOSTD_TEST_CACHE"]), tmp_path_factory.mktemp(kind.name)
    disk = image(kind, cache)
    if accelerator(disk) == "tcg":
        os.environ[PATIENCE] = SLOW
    with slots.take() as slot:
        machine = Machine(kind.name, disk, slot, folder)
        try:
            began = time.monotonic()
            new = new_server(machine, folder)
            figures.figure(new.machine.name, "a fresh server", began)
            yield new
        finally:
            machine.close()


@pytest.fixture(scope="session")
def installed(server: Server) -> Installed:
    """install.sh has run on the server, and a user has a key."""
    began = time.monotonic()
    said = server.install("--yes")
    figures.figure(server.machine.name, "install.sh", began)
    server.add_user()
    return Installed(server, said.stderr)


@pytest.fixture(scope="session")
def platform(installed: Installed) -> Server:
    """The platform under test, by the name that the tests of the box know it by."""
    return installed.server


@pytest.fixture(scope="session")
def shop(platform: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """An app with two web dynos and a worker, pushed from here."""
    files = {"Procfile": PROCFILE, "server.py": ECHO, "forks.py": FORKS}
    with deployed(platform, SHOP, tmp_path_factory.mktemp(SHOP) / "app", files, config={"NAME": SHOP}) as app:
        app.scale(web=2, worker=1)
        yield app

