"""Nobody notices anything: 50 visitors ask without a pause while everything that may happen to an app happens."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import Deployed, deployed
from tests.support.crowd import Crowd
from tests.support.estate import in_order, running, settled
from tests.support.platform import Platform
from tests.support.waiting import wait_until

ECHO = Path(__file__).parents[1] / "support/echo.py"
BUSY_VISITORS, STILL_VISITORS = 40, 10
AT_LEAST_SECONDS = 30.0
SETTLED_SECONDS = 60.0
PROCFILE = "web: python3 -u server.py\nworker: python3 -uc 'import signal; signal.pause()'\n"


def test_no_request_fails_whatever_happens(platform: Platform, busy: Deployed, still: Deployed) -> None:
    """50 clients with kept-alive connections for 30 s and more; not one request may fail.

    A client sends a GET once more if the kept connection it was sent on closed before any byte of an answer came,
    as RFC 9110, 9.2.2 allows and browsers do. That may happen when the router worker that holds the connection is
    killed, and at no other step.
    """
    begun, rounds = time.monotonic(), 0
    with Crowd(platform.http_port, {busy.name: BUSY_VISITORS, still.name: STILL_VISITORS}) as crowd:
        story = Story(platform, crowd, busy)
        while time.monotonic() < begun + AT_LEAST_SECONDS:
            rounds += 1
            story.round(rounds)
    print(f"\n{rounds} rounds in {time.monotonic() - begun:.1f} s: {crowd.tally}")
    assert crowd.tally.failures == []
    assert all(step.startswith("kill hostd-router@") for step in crowd.tally.retries)
    platform.hostctl("releases:verify")
    for app in busy, still:
        assert_ps_agrees(platform, app.name)


@pytest.fixture
def busy(platform: Platform, tmp_path: Path) -> Iterator[Deployed]:
    """The app that everything happens to."""
    with in_order_again(platform, "busy", tmp_path) as app:
        yield app


@pytest.fixture
def still(platform: Platform, tmp_path: Path) -> Iterator[Deployed]:
    """Its neighbour, to which nothing happens."""
    with in_order_again(platform, "still", tmp_path) as app:
        yield app


@contextmanager
def in_order_again(platform: Platform, prefix: str, directory: Path) -> Iterator[Deployed]:
    """An app that runs; it is destroyed at the end, and nothing is left of it."""
    wait_until(lambda: in_order(platform), what="order before the load")
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    files = {"Procfile": PROCFILE, "server.py": ECHO.read_text()}
    with deployed(platform, name, directory / name, files, config={"NAME": name}) as app:
        yield app
    settled(platform)


@dataclass(frozen=True)
class Story:
    """Does things to the busy app, one after another, while the crowd asks."""

    platform: Platform
    crowd: Crowd
    app: Deployed

    def round(self, number: int) -> None:
        """Everything that may happen, once."""
        self.step("deploy", lambda: self.app.push({"version": f"{number}\n"}))
        self.step("config:set", lambda: self.app.hostctl("config:set", f"COLOUR={number}"))
        self.step("scale up", lambda: self.app.hostctl("ps:scale", "web=3", "worker=1"))
        self.step("scale down", lambda: self.app.hostctl("ps:scale", "web=1"))
        self.step("rollback", lambda: self.app.hostctl("rollback"))
        found = self.step("scale to two", lambda: self.app.hostctl("ps:scale", "web=2", "worker=0"))
        self.step("ps:restart", lambda: self.restart(self.places(found)))
        self.step("kill hostd", lambda: self.kill("hostd.service"))
        self.step("kill logplex", lambda: self.kill("hostd-logplex.service"))
        worker = f"hostd-router@{1 + number % 2}.service"
        with self.crowd.only_gets():
            self.step(f"kill {worker}", lambda: self.kill(worker))

    def step(self, name: str, act: Callable[[], object]) -> dict[str, Any]:
        """Do one thing, wait until it has settled, and return the survey; fails if a visitor saw anything."""
        self.crowd.step = name
        act()
        found = settled(self.platform)
        assert self.crowd.tally.failures == []
        return found

    def restart(self, before: set[tuple[str, str]]) -> None:
        """Restart all dynos, and wait until there are others in their stead."""
        self.app.hostctl("ps:restart")
        wait_until(lambda: not before & self.places(in_order(self.platform)), SETTLED_SECONDS)

    def kill(self, unit: str) -> None:
        """Kill -9 one of hostd's own services, and wait until systemd has brought it back."""
        before = main_pid(self.platform, unit)
        self.platform.run(["systemctl", "kill", "--signal=KILL", unit])
        wait_until(lambda: main_pid(self.platform, unit) not in ("0", before), SETTLED_SECONDS)
        wait_until(lambda: self.platform.run(["systemctl", "is-active", "--quiet", unit], check=False).returncode == 0)

    def places(self, found: dict[str, Any]) -> set[tuple[str, str]]:
        """Where the busy app's dynos listen, which tells a dyno from its successor of the same name."""
        return {(dyno.name, dyno.place.address) for dyno in running(found).values() if dyno.app == self.app.name}


def main_pid(platform: Platform, unit: str) -> str:
    """The process that is a service; 0 if none is."""
    return platform.run(["systemctl", "show", "--property=MainPID", "--value", unit]).stdout.strip()


def assert_ps_agrees(platform: Platform, name: str) -> None:
    """`ps` tells of exactly the dynos that systemd runs."""
    dynos = [dyno for dyno in running(in_order(platform)).values() if dyno.app == name]
    shown = json.loads(platform.hostctl("ps", "-a", name, "--json").stdout)
    told = {(dyno["name"], dyno["release"]["version"], dyno["extended"]["address"]) for dyno in shown}
    assert told == {(dyno.name, dyno.version, dyno.place.address) for dyno in dynos}
    assert {dyno["state"] for dyno in shown} == {"up"}
    assert all(dyno["extended"]["serving"] == (dyno["type"] == "web") for dyno in shown)
