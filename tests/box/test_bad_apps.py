"""Apps that misbehave: each gets what Heroku's would, with a line that says so, and its neighbour notices nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.apps import deployed, made
from tests.support.crowd import Crowd
from tests.support.estate import settled
from tests.support.evidence import nothing_changes
from tests.support.formation import current, dynos, scale, wait_for_formation
from tests.support.platform import Finished, Platform
from tests.support.settings import settings
from tests.support.waiting import wait_until

APP, NEIGHBOUR, SILENT = "misbehaved", "neighbour", "silent"
ECHO = (Path(__file__).parents[1] / "support/echo.py").read_text()
PROCFILE = r"""
web: python3 -u server.py
worker: sleep infinity
stubborn: trap '' TERM; echo deaf; while :; do sleep 1; done
leaver: sleep 4242 & echo left; exit 0
hog: python3 -c 'kept = [bytearray(1 << 20) for _ in range(1 << 20)]'
bomb: f() { f | f & }; f; sleep infinity
line: head -c 10000000 /dev/zero | tr '\0' x; printf '\nafter\n'; sleep infinity
bytes: printf 'caf\351 \377\376\033[2J end\n'; sleep infinity
"""
BOOT_SECONDS, KEPT_SLUGS = 3, 2
STOP_SECONDS = 30


@pytest.fixture(scope="module", autouse=True)
def impatient(platform: Platform) -> Iterator[None]:
    """A platform that waits less for an app to boot, and keeps fewer slugs."""
    # Many together may fill the pool although none has more than it may: here one does, and is let.
    with settings(platform, boot_timeout=BOOT_SECONDS, kept_slugs=KEPT_SLUGS, dyno_disk_mb=1 << 20):
        yield


@pytest.fixture(scope="module")
def repositories(platform: Platform, impatient: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An app that misbehaves when it is scaled to, and its neighbour, of the same code; the folder of both."""
    folder = tmp_path_factory.mktemp("bad")
    files = {"Procfile": PROCFILE, "server.py": ECHO}
    with (
        deployed(platform, APP, folder / APP, files, config={"NAME": APP}),
        deployed(platform, NEIGHBOUR, folder / NEIGHBOUR, files, config={"NAME": NEIGHBOUR}) as neighbour,
    ):
        neighbour.scale(web=1, worker=1)
        yield folder


@pytest.fixture(scope="module")
def crowd(platform: Platform, repositories: Path) -> Iterator[Crowd]:
    """Visitors of both apps, while everything below happens."""
    with Crowd(platform.http_port, {NEIGHBOUR: 3, APP: 1}) as crowd:
        yield crowd


@pytest.fixture(scope="module")
def stopping(platform: Platform, crowd: Crowd) -> Iterator[list[Future[Finished]]]:
    """Dynos that ignore SIGTERM and were told to end: it takes its time, so it is begun before everything else."""
    with ThreadPoolExecutor() as pool:
        scale(platform, APP, web=1, stubborn=1)
        one_off = run_detached(platform, "trap '' TERM; while :; do sleep 1; done")
        wait_until(lambda: "app[stubborn.1]: deaf" in logs(platform, "stubborn"))
        yield [
            pool.submit(platform.hostctl, "ps:scale", "-a", APP, "stubborn=0"),
            pool.submit(platform.hostctl, "ps:stop", one_off, "-a", APP),
        ]


@pytest.fixture
def dyno(platform: Platform, stopping: list[Future[Finished]]) -> Iterator[Callable[..., None]]:
    """`dyno("hog", "32M")` starts one dyno of a type, which is told to end after the test."""
    started = []

    def start(type_: str, size: str = "standard-1x") -> None:
        started.append(type_)
        platform.hostctl("ps:scale", "-a", APP, f"{type_}=1:{size}")

    yield start
    platform.hostctl("ps:scale", "-a", APP, *(f"{type_}=0" for type_ in started))


def run_detached(platform: Platform, *command: str) -> str:
    """Start a one-off dyno of the app; its name."""
    started = platform.hostctl("run:detached", "-a", APP, "--json", "--", *command).stdout
    return str(json.loads(started)["name"])


def logs(platform: Platform, process: str, app: str = APP) -> str:
    """The log of a process type."""
    return platform.hostctl("logs", "-a", app, "-p", process, "-n", "1500").stdout


def logged(platform: Platform, process: str, *lines: str, seconds: float = 30) -> str:
    """Wait until the log of a process has these lines, in this order; returns it."""

    def there() -> str:
        log = logs(platform, process)
        assert re.search(".*".join(map(re.escape, lines)), log, re.DOTALL), log[-2000:]
        return log

    return wait_until(there, seconds)


def test_one_that_fills_its_memory_is_killed_alone(platform: Platform, dyno: Callable[..., None]) -> None:
    before = [shown for shown in dynos(platform, APP) if shown["type"] == "web"]
    dyno("hog", "32M")
    logged(
        platform,
        "hog",
        "heroku[hog.1]: Error R15 (Memory quota vastly exceeded)",
        "heroku[hog.1]: Stopping process with SIGKILL",
        "heroku[hog.1]: Process exited with status 137",
        "heroku[hog.1]: State changed from up to crashed",
    )
    assert [shown for shown in dynos(platform, APP) if shown["type"] == "web"] == before


def test_one_that_fork_bombs_gets_no_more_than_its_tasks(platform: Platform, dyno: Callable[..., None]) -> None:
    dyno("bomb")
    wait_until(lambda: tasks(platform, "bomb.1") > 200, 30)
    assert tasks(platform, "bomb.1") <= 256
    assert platform.hostctl("run", "-a", NEIGHBOUR, "echo unharmed").stdout == "unharmed\n"
    platform.hostctl("ps:restart", "worker", "-a", NEIGHBOUR)
    wait_for_formation(platform, NEIGHBOUR, web=1, worker=1)


def tasks(platform: Platform, name: str) -> int:
    """How many processes and threads a dyno of the current release has."""
    pattern = f"hostd-{APP}-{name}-v*.service"
    shown = platform.run(["systemctl", "show", "--property=TasksCurrent", "--value", pattern]).stdout.strip()
    return int(shown) if shown.isdigit() else 0


def test_one_that_forks_and_exits_takes_along_what_it_left(platform: Platform, dyno: Callable[..., None]) -> None:
    dyno("leaver")
    logged(
        platform,
        "leaver",
        "app[leaver.1]: left",
        "heroku[leaver.1]: Process exited with status 0",
        "to crashed",
    )
    platform.hostctl("ps:scale", "-a", APP, "leaver=0")
    wait_until(lambda: platform.run(["pgrep", "-fx", "sleep 4242"], check=False).stdout == "", 10)


def test_a_line_of_10_mb_in_the_log_is_split(platform: Platform, dyno: Callable[..., None]) -> None:
    dyno("line")
    log = logged(platform, "line", "app[line.1]: after")
    assert log.count("x") > 1_000_000
    assert max(map(len, log.splitlines())) < 10_100


def test_bytes_that_are_no_text_are_shown_and_harm_no_terminal(platform: Platform, dyno: Callable[..., None]) -> None:
    dyno("bytes")
    assert "\x1b" not in logged(platform, "bytes", "app[bytes.1]: caf\ufffd \ufffd\ufffd\\e[2J end")


def test_one_that_never_listens_takes_no_traffic_from_the_release_before(
    platform: Platform, stopping: list[Future[Finished]], repositories: Path
) -> None:
    good = current(platform, NEIGHBOUR)
    pushed = platform.push(platform.commit({"Procfile": DEAF}, repositories / NEIGHBOUR), NEIGHBOUR).stderr
    assert f"Launching... v{good + 1} is not up" in pushed
    why = f"web.1 (did not listen on $PORT within {BOOT_SECONDS} seconds, R10)"
    assert f" !     Release v{good + 1} of {NEIGHBOUR} crashed: {why}." in pushed
    assert f" !     v{good} goes on serving its web requests." in pushed
    error = "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 3 seconds of launch"
    assert f"heroku[web.1]: {error}" in logs(platform, "web", NEIGHBOUR)
    platform.hostctl("rollback", "-a", NEIGHBOUR)
    wait_for_formation(platform, NEIGHBOUR, web=1, worker=1)


DEAF = "web: sleep infinity\n"

# Space that is taken without being written.
FILL = """
import os, signal, sys

file, size, step = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY), 0, 1 << 40
while step >= 4096:
    try:
        os.posix_fallocate(file, size, step)
        size += step
    except OSError:
        step //= 2
print("full", flush=True)
if sys.argv[2:]:
    signal.pause()
"""
POOL = "/var/lib/hostd/pool"


def room_is_back(platform: Platform) -> bool:
    """Whether the pool has room; btrfs is told not to wait with it, as it would for half a minute."""
    platform.run(["btrfs", "filesystem", "sync", POOL])
    return "pool     ok" in platform.hostctl("status", check=False).stdout


def test_one_that_fills_the_disk_is_stopped_alone(platform: Platform, stopping: list[Future[Finished]]) -> None:
    filler = run_detached(platform, "python3", "-c", FILL, "/var/tmp/fill", "stay")
    told = "Error: the disk of all dynos is full ("
    # It is often stopped before it can say itself that the disk is full.
    logged(platform, filler, told, "and this one has written most: ", "State changed from up to complete", seconds=60)
    wait_until(lambda: room_is_back(platform), 60)


def test_a_full_disk_stops_builds_and_nothing_else(
    platform: Platform, stopping: list[Future[Finished]], repositories: Path
) -> None:
    platform.run(["python3", "-c", FILL, f"{POOL}/fill"])
    status = platform.hostctl("status", check=False)
    assert re.search(r"^pool +degraded +0\.0 GiB free of", status.stdout, re.MULTILINE)

    source = platform.commit({"Procfile": PROCFILE}, repositories / NEIGHBOUR)
    with nothing_changes(platform):
        refused = platform.push(source, NEIGHBOUR, check=False)
        assert refused.returncode == 1
        full = r"The slug store is nearly full: \S+ of \S+ free, a build needs \S+\. Running apps are not affected\."
        assert re.search(full, refused.stderr)
    platform.hostctl("ps:restart", "worker", "-a", NEIGHBOUR)
    platform.hostctl("config:set", "-a", NEIGHBOUR, "FULL=1")
    wait_for_formation(platform, NEIGHBOUR, web=1, worker=1)

    platform.run(["rm", f"{POOL}/fill"])
    wait_until(lambda: room_is_back(platform), 60)
    platform.push(source, NEIGHBOUR)
    wait_for_formation(platform, NEIGHBOUR, web=1, worker=1)


def test_a_slug_that_is_gone_cannot_be_gone_back_to_and_the_message_says_how(
    platform: Platform, impatient: None, tmp_path: Path
) -> None:
    with made(platform, SILENT):
        for number in range(KEPT_SLUGS + 1):
            source = platform.commit({"Procfile": "worker: sleep infinity\n", "number": str(number)}, tmp_path / SILENT)
            platform.push(source, SILENT)
        oldest = platform.git(source, "rev-list", "--max-parents=0", "HEAD").stdout[:7]
        with nothing_changes(platform):
            refused = platform.hostctl("rollback", "v2", "-a", SILENT, check=False)
        assert refused.returncode == 1
        assert f"The slug of v2 is gone: those of the last {KEPT_SLUGS} releases are kept. Push its" in refused.stderr
        assert f"git push --force REMOTE {oldest}:main" in refused.stderr


def test_those_that_ignored_sigterm_were_killed(platform: Platform, stopping: list[Future[Finished]]) -> None:
    for future in stopping:
        future.result(timeout=STOP_SECONDS + 30)
    for process in ("stubborn", "run"):
        logged(
            platform,
            process,
            "]: Stopping all processes with SIGTERM",
            "]: Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM",
            "]: Stopping remaining processes with SIGKILL",
            "]: Process exited with status 137",
            seconds=STOP_SECONDS + 30,
        )


def test_nobody_noticed_any_of_it(platform: Platform, crowd: Crowd) -> None:
    assert crowd.tally.answered
    assert crowd.tally.failures == []
    settled(platform)
