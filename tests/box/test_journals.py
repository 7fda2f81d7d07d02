"""A journal for each app: what one app writes, or what becomes of its journald, is nothing to another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.apps import made
from tests.support.formation import scale, wait_for_formation
from tests.support.platform import Platform
from tests.support.waiting import wait_until

NOISY, QUIET, BRIEF = "journals-noisy", "journals-quiet", "journals-brief"
PROCFILE = """\
web: python3 -m http.server $PORT
counter: for ((n = 1; ; n++)); do echo "count $n"; sleep 0.005; done
"""
AT_ONCE = 50_000
"""Lines that a dyno may write in ten seconds (log_rate)."""


@pytest.fixture(scope="module")
def apps(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with made(platform, NOISY, QUIET):
        for app in (NOISY, QUIET):
            platform.push(platform.commit({"Procfile": PROCFILE}, tmp_path_factory.mktemp("journals") / app), app)
            scale(platform, app, web=0, counter=0)
        yield


def info(platform: Platform, app: str) -> Any:
    return json.loads(platform.hostctl("logs:info", "-a", app, "--json").stdout)


def printed(platform: Platform, app: str, *words: str) -> list[str]:
    """What the app's own processes wrote, the last 1,500 lines of it."""
    lines = platform.hostctl("logs", "-a", app, "-n", "1500", "-s", "app", *words).stdout.splitlines()
    return [line.partition("]: ")[2] for line in lines]


def stored(platform: Platform, app: str, *matches: str) -> list[str]:
    """All that is in the app's journal."""
    name = info(platform, app)["namespace"]
    words = ["journalctl", f"--namespace={name}", "--output=cat", "--quiet", "--no-pager", *matches]
    return platform.run(words).stdout.splitlines()


def run(platform: Platform, app: str, command: str, last: str) -> None:
    """Run a command as a one-off dyno, until its last line is in the log."""
    platform.hostctl("run:detached", "-a", app, command)
    wait_until(lambda: last in printed(platform, app, "-p", "run"), seconds=60)


def fill(platform: Platform, app: str, dynos: int) -> None:
    """Write so many times AT_ONCE lines, each dyno its own."""
    for number in range(dynos):
        run(platform, app, f"seq -f 'noise {number} %.0f' {AT_ONCE}", f"noise {number} {AT_ONCE}")


def test_a_noisy_app_pushes_out_no_line_of_another(platform: Platform, apps: None) -> None:
    run(platform, QUIET, "seq -f 'quiet %.0f' 1500", "quiet 1500")
    fill(platform, NOISY, 4)
    noisy = stored(platform, NOISY, "HOSTD_SOURCE=app")
    assert len([line for line in noisy if line.startswith("noise")]) == 4 * AT_ONCE
    assert info(platform, NOISY)["lines"] >= 4 * AT_ONCE
    quiet = [line for line in printed(platform, QUIET) if line.startswith("quiet")]
    assert quiet == [f"quiet {number}" for number in range(1, 1501)]


def test_new_limits_are_in_force_at_once(platform: Platform, apps: None) -> None:
    before = info(platform, NOISY)
    assert before["size_bytes"] > 64 << 20
    platform.hostctl("logs:set", "-a", NOISY, "--size", "16", "--retention", "7")
    after = info(platform, NOISY)
    assert (after["size_mb"], after["retention_days"]) == (16, 7)
    assert after["size_bytes"] <= 16 << 20
    assert 1500 < after["lines"] < before["lines"]
    assert f"noise 3 {AT_ONCE}" in printed(platform, NOISY, "-p", "run")


def test_a_full_journal_gives_up_its_oldest_lines(platform: Platform, apps: None) -> None:
    run(platform, NOISY, f"seq -f 'more %.0f' {AT_ONCE}", f"more {AT_ONCE}")
    found = info(platform, NOISY)
    assert found["size_bytes"] <= 16 << 20
    last = [line for line in printed(platform, NOISY, "-p", "run") if line.startswith("more ")]
    assert last == [f"more {n}" for n in range(AT_ONCE - len(last) + 1, AT_ONCE + 1)]
    assert len(last) >= 1490
    platform.hostctl("logs:set", "-a", NOISY, "--size", "default", "--retention", "default")
    assert info(platform, NOISY)["own"] == {"size_mb": None, "retention_days": None}


def test_kill_9_of_an_apps_journald_loses_no_line_of_a_dyno_that_goes_on(platform: Platform, apps: None) -> None:
    scale(platform, QUIET, counter=1)
    wait_for_formation(platform, QUIET, counter=1)
    service = f"systemd-journald@{info(platform, QUIET)['namespace']}.service"
    for _ in range(3):
        seen = counted(platform)[-1:]
        platform.run(["systemctl", "kill", "--signal=KILL", service])
        wait_until(lambda seen=seen: counted(platform)[-1:] > [sum(seen) + 50], seconds=20)
    numbers = counted(platform)
    scale(platform, QUIET, counter=0)
    assert numbers == list(range(1, len(numbers) + 1))


def counted(platform: Platform) -> list[int]:
    lines = stored(platform, QUIET, "HOSTD_PROCESS=counter.1", "HOSTD_SOURCE=app")
    return [int(found[1]) for line in lines if (found := re.fullmatch(r"count (\d+)", line))]


def test_a_journald_that_is_not_there_stops_nothing_and_gets_what_was_said(platform: Platform, apps: None) -> None:
    found = info(platform, QUIET)["namespace"]
    units = [f"systemd-journald@{found}.service", f"systemd-journald@{found}.socket"]
    platform.run(["systemctl", "stop", f"systemd-journald-varlink@{found}.socket", *units])
    for number in range(3):
        platform.hostctl("config:set", "-a", QUIET, f"NUMBER={number}")
    platform.hostctl("logs:set", "-a", QUIET, "--size", "300")
    said = wait_until(lambda: "Set log limits" in (text := api_lines(platform)) and text, seconds=20)
    told = re.findall(r"Set (?:NUMBER|log limits)[^\n]*", str(said))
    assert len(told) == 4 and told[-1].startswith("Set log limits to 300 MB")


def api_lines(platform: Platform) -> str:
    return platform.hostctl("logs", "-a", QUIET, "-s", "heroku", "-p", "api", "-n", "1500").stdout


def test_a_destroyed_app_leaves_nothing(platform: Platform) -> None:
    with made(platform, BRIEF):
        name = info(platform, BRIEF)["namespace"]
        assert platform.run(["sh", "-c", f"ls -d /var/log/journal/*.{name}"]).stdout.strip()
    left = [f"/var/log/journal/*.{name}", f"/run/systemd/journal.{name}", f"/etc/systemd/journald@{name}.conf"]
    assert platform.run(["sh", "-c", f"ls -d {' '.join(left)} 2>/dev/null"], check=False).stdout == ""
    app_id = name.removeprefix("hostd-")
    units = ["systemctl", "list-units", "--all", "--no-legend", f"*{app_id}*"]
    assert platform.run(units).stdout == ""


def test_nobody_asks_for_units_that_are_gone(platform: Platform) -> None:
    """systemd would load each, say so, and be asked again: two busy processors, and nothing to be seen of it."""
    with made(platform, BRIEF):
        unit = f"systemd-journald@{info(platform, BRIEF)['namespace']}.service"
    # Somebody else asks once, such as `systemctl status`: from then on hostd has heard of it.
    platform.run(["systemctl", "show", "--property=NRestarts", unit])
    signals = platform.run(["timeout", "2", "busctl", "monitor", "org.freedesktop.systemd1"], check=False).stdout
    assert signals.count("Member=UnitNew") < 100


def test_each_apps_limits_are_its_own(platform: Platform, apps: None) -> None:
    platform.hostctl("logs:set", "-a", QUIET, "--size", "64")
    files = [f"/etc/systemd/journald@{info(platform, app)['namespace']}.conf" for app in (NOISY, QUIET)]
    texts = platform.run(["grep", "--no-filename", "SystemMaxUse", *files]).stdout.split()
    assert texts == [f"SystemMaxUse={info(platform, NOISY)['size_mb']}M", "SystemMaxUse=64M"]
    assert info(platform, NOISY)["size_mb"] != 64
