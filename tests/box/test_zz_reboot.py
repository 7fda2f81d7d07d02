"""A reboot: every app is back, with the same formation, without a command. Last by name: it ends every service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.apps import made
from tests.support.estate import settled
from tests.support.formation import dynos, scale, wait_for_formation
from tests.support.platform import Answer, Platform
from tests.support.waiting import wait_until

BACK_SECONDS = 60.0
BUSY, WORKING, RESTING, EMPTY = "reboot-busy", "reboot-working", "reboot-resting", "reboot-empty"
PROCFILE = """\
web: python3 -m http.server $PORT
worker: trap 'echo "$DYNO goes home"; exit' TERM; echo "working for $OWNER"; sleep infinity & wait
"""
FORMATIONS = {BUSY: {"web": 2, "worker": 1}, WORKING: {"web": 0, "worker": 2}, RESTING: {"web": 0, "worker": 0}}
OWNER = 'Ada "the first" $HOME'


@dataclass(frozen=True)
class Rebooted:
    """What was known of each app before the reboot, and the answer to a request made at once after it."""

    before: dict[str, dict[str, str]]
    first_page: Answer


@pytest.fixture(scope="module")
def rebooted(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rebooted]:
    """Apps of every kind, one of them with a one-off dyno at work, over a stop and a start of the box."""
    with made(platform, *FORMATIONS, EMPTY):
        for app, formation in FORMATIONS.items():
            deploy(platform, app, tmp_path_factory.mktemp("reboot") / app)
            scale(platform, app, **formation)
        platform.hostctl("run:detached", "-a", BUSY, "sleep 3600")
        before = {app: remembered(platform, app) for app in FORMATIONS}
        platform.hostctl("box", "stop")
        platform.hostctl("box", "start")
        yield Rebooted(before, platform.http_get(BUSY))


def deploy(platform: Platform, app: str, directory: Path) -> None:
    platform.hostctl("config:set", "-a", app, f"OWNER={OWNER}")
    platform.push(platform.commit({"Procfile": PROCFILE, "index.html": f"here is {app}\n"}, directory), app)


def log(platform: Platform) -> str:
    """All that the log of one app has."""
    return platform.hostctl("logs", "-a", BUSY, "-n", "1500").stdout


def remembered(platform: Platform, app: str) -> dict[str, str]:
    """What a reboot must not change."""
    commands = (("config", "--json"), ("ps:scale",), ("releases", "--json"))
    return {words[0]: platform.hostctl(words[0], "-a", app, *words[1:]).stdout for words in commands}


def test_every_app_is_back_with_the_same_formation(platform: Platform, rebooted: Rebooted) -> None:
    for app, formation in FORMATIONS.items():
        wait_for_formation(platform, app, **formation)
        assert remembered(platform, app) == rebooted.before[app]
    assert dynos(platform, EMPTY) == []
    settled(platform)


def test_the_router_knows_that_dynos_of_another_boot_are_gone(platform: Platform, rebooted: Rebooted) -> None:
    this_boot = platform.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout.strip()
    table = json.loads(platform.run(["cat", "/var/lib/hostd/routes/routes.json"]).stdout)
    assert table["boot"] == this_boot


def test_the_first_request_waits_for_the_app_and_is_answered(rebooted: Rebooted) -> None:
    assert (rebooted.first_page.status, rebooted.first_page.text) == (200, f"here is {BUSY}\n")


def test_logs_hold_what_was_before_and_what_came_after(platform: Platform, rebooted: Rebooted) -> None:
    said = f"app[worker.1]: working for {OWNER}"
    wait_until(lambda: log(platform).count(said) >= 2, BACK_SECONDS)
    first, _, second = log(platform).partition("app[worker.1]: worker.1 goes home")
    assert (first.count(said), second.count(said)) == (1, 1)
    # Of the first dyno, the platform and the router, from the first line on.
    for line in ("heroku[worker.1]: Starting process with command", "heroku[web.1]: Starting process with command"):
        assert second.count(line) == 1
    wait_until(lambda: f"host={BUSY}.localhost" in log(platform).partition("worker.1 goes home")[2])


def test_ssh_and_deploys_work_and_the_ledger_verifies(platform: Platform, rebooted: Rebooted, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    platform.git(tmp_path, "clone", "-q", platform.git_url(BUSY), str(clone))
    platform.commit({"index.html": "after the reboot\n"}, clone)
    assert "Launching... done, v4" in platform.push(clone, BUSY).stderr
    assert platform.http_get(BUSY).text == "after the reboot\n"
    assert "every release is as it was made" in platform.ssh("releases:verify").stderr


def test_nothing_has_failed(platform: Platform, rebooted: Rebooted) -> None:
    assert platform.hostctl("status").stdout.startswith("=== hostd")
    assert "degraded" not in platform.hostctl("status").stdout
    assert platform.run(["systemctl", "list-units", "--failed", "--output=json", "hostd*"]).stdout == "[]\n"
