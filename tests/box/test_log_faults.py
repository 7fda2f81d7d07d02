"""Kill what the log goes through while dynos count: each number comes once, in order, or is said to be lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.counting import DYNOS, Heard, counters, history, tail
from tests.support.platform import Platform
from tests.support.waiting import wait_until

APP = "log-faults"
DRAINED = f"/var/log/hostd/{APP}.log"
IN_DOUBT = 5 * DYNOS
"""Frames that a drain may have sent when it was killed; each begins again once for each dyno."""
AFTER = 200
"""Numbers of each dyno that come after the fault."""
SECONDS = 60.0


@pytest.fixture(scope="module", autouse=True)
def counting(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The journal namespace of an app with dynos that count."""
    platform.hostctl("apps:create", APP)
    try:
        platform.push(platform.commit(counters(), tmp_path_factory.mktemp("faults") / "app"), APP)
        platform.hostctl("ps:scale", f"worker={DYNOS}", "-a", APP)
        platform.hostctl("drains:add", f"file:///{APP}.log", "-a", APP)
        app_id = json.loads(platform.hostctl("apps:info", "-a", APP, "--json").stdout)["app"]["id"]
        yield f"hostd-{app_id}"
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)
        platform.run(["rm", "-f", DRAINED])


@pytest.fixture(autouse=True)
def drained(platform: Platform, counting: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """What a drain got during the test: each number, in order; twice only what was in a frame that was in doubt."""
    if "small" in request.fixturenames:
        # It starts journald anew, which may lose what it has just read.
        request.getfixturevalue("small")
    begin = int(platform.run(["stat", "-c", "%s", DRAINED], check=False).stdout or 0)
    yield
    heard = Heard()
    for row in platform.run(["tail", "-c", f"+{begin + 1}", DRAINED]).stdout.splitlines():
        heard.row(row)
    assert len(heard.numbers) == DYNOS
    assert heard.missing <= heard.said_lost + lost_with_journald(heard) and heard.repeated <= IN_DOUBT


def kill(platform: Platform, unit: str) -> None:
    """kill -9 of all processes of a unit."""
    platform.run(["systemctl", "kill", "--signal=KILL", unit])


def goes_on(heard: Heard, more: int = AFTER) -> None:
    """Wait until so many more numbers of each dyno have come."""
    before = {process: heard.newest.get(process, 0) for process in (f"worker.{n + 1}" for n in range(DYNOS))}
    wait_until(
        lambda: all(heard.newest.get(process, 0) >= last + more for process, last in before.items()), seconds=SECONDS
    )


def lost_with_journald(heard: Heard) -> int:
    """How many numbers may be lost by what was said: of a journald that was killed, as many as 48 KiB may hold."""
    return sum("journald was killed" in text for text in heard.told) * (48 << 10) // len("count 1000\n")


def assert_whole(heard: Heard) -> None:
    """Each number once and in order, or said to be lost."""
    assert len(heard.numbers) == DYNOS and heard.repeated == 0
    # A tail that had to come back knows that files were vacuumed meanwhile, and not how much was in them.
    uncounted = any("dropped some messages" in text for text in heard.told)
    assert heard.said_lost <= heard.missing, heard.told
    assert uncounted or heard.missing <= heard.said_lost + lost_with_journald(heard), heard.told


@pytest.mark.parametrize("times", [1, 5])
def test_kill_9_of_the_logplex(platform: Platform, times: int) -> None:
    with tail(platform, APP) as heard:
        for _ in range(times):
            goes_on(heard)
            kill(platform, "hostd-logplex.service")
        goes_on(heard)
    assert_whole(heard)


def test_kill_9_of_hostd(platform: Platform) -> None:
    with tail(platform, APP) as heard:
        goes_on(heard)
        kill(platform, "hostd.service")
        goes_on(heard)
    assert_whole(heard)


@pytest.mark.parametrize("times", [1, 5])
def test_kill_9_of_the_apps_journald(platform: Platform, counting: str, times: int) -> None:
    with tail(platform, APP) as heard:
        for _ in range(times):
            goes_on(heard)
            told = len(heard.told)
            kill(platform, f"systemd-journald@{counting}.service")
            wait_until(lambda before=told: len(heard.told) > before, seconds=SECONDS)
        goes_on(heard)
    assert_whole(heard)
    assert_whole(history(platform, APP))


FILES: dict[str, Callable[[str], list[str]]] = {
    "rotated": lambda namespace: ["journalctl", f"--namespace={namespace}", "--rotate"],
    "vacuumed": lambda namespace: ["journalctl", f"--namespace={namespace}", "--rotate", "--vacuum-size=1"],
}


@pytest.mark.parametrize("command", FILES.values(), ids=FILES)
def test_a_journal_under_its_readers(platform: Platform, counting: str, command: Callable[[str], list[str]]) -> None:
    with tail(platform, APP) as heard:
        for _ in range(3):
            goes_on(heard)
            platform.run(command(counting))
        goes_on(heard)
    assert_whole(heard)


@pytest.fixture
def clock(platform: Platform) -> Iterator[Callable[[float], None]]:
    """`clock(-60)` sets the machine's clock so many seconds off, for all that runs on it; afterwards it is right."""
    right, began = time.time(), time.monotonic()

    def set_off(seconds: float) -> None:
        platform.run(["date", "--set", f"@{right + time.monotonic() - began + seconds:.6f}"])

    yield set_off
    set_off(0)


@pytest.mark.skipif("HOSTD_TEST_CLOCK" not in os.environ, reason="it sets the machine's clock: HOSTD_TEST_CLOCK=yes")
def test_a_clock_that_jumps(platform: Platform, clock: Callable[[float], None]) -> None:
    with tail(platform, APP) as heard:
        for seconds in (90, -90, 0):
            goes_on(heard)
            clock(seconds)
        goes_on(heard)
    assert_whole(heard)
    assert_whole(history(platform, APP))


@pytest.fixture
def small(platform: Platform, counting: str) -> Iterator[str]:
    """The folder of the app's journal on a file system of its own, of 24 MB, for a while."""
    machine = platform.run(["cat", "/etc/machine-id"]).stdout.strip()
    folder, journald = f"/var/log/journal/{machine}.{counting}", f"systemd-journald@{counting}.service"
    platform.run(["mount", "-t", "tmpfs", "-o", "size=24M", "tmpfs", folder])
    try:
        platform.run(["systemctl", "restart", journald])
        yield folder
    finally:
        platform.run(["umount", "--lazy", folder])
        platform.run(["systemctl", "restart", journald])


def test_a_disk_that_is_full_and_has_room_again(platform: Platform, counting: str, small: str) -> None:
    """journald goes on in memory when it cannot begin a new file."""
    with tail(platform, APP) as heard:
        goes_on(heard)
        full = platform.run(["dd", "if=/dev/zero", f"of={small}/filler", "bs=1M", "count=100"], check=False)
        assert "No space left" in full.stderr
        for _ in range(2):
            platform.run(["journalctl", f"--namespace={counting}", "--rotate"], check=False)
            goes_on(heard)
        platform.run(["rm", f"{small}/filler"])
        goes_on(heard)
    assert_whole(heard)
