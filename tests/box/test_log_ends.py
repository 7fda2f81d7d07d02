"""What a process prints stands in its app's log in whole, and before its end: dynos, jobs, builds, release commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.platform import Platform
from tests.support.waiting import wait_until

APP = "log-ends"
COUNT = 1000
CRASHES = 60.0
"""Seconds in which a dyno that ends at once has been started and has ended."""
WRITE = "import sys; sys.stdout.write(''.join(f'line {n}\\n' for n in range(1, 1001)) + 'no line end')"
WHOLE = [*(f"line {number}" for number in range(1, COUNT + 1)), "no line end"]
FILES: dict[str, str | bytes] = {
    "Procfile": "web: python3 write.py\nrelease: python3 write.py\n",
    "write.py": WRITE,
}
ROW = re.compile(r"\S+ (?P<source>app|heroku)\[(?P<process>[^]]+)\]: (?P<text>.*)")


@pytest.fixture(scope="module", autouse=True)
def deployed(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app whose dynos print a lot and end at once; what its push said."""
    platform.hostctl("apps:create", APP)
    try:
        yield platform.push(platform.commit(FILES, tmp_path_factory.mktemp("ends") / "app"), APP).stderr
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def log(platform: Platform, process: str) -> list[str]:
    """The newest lines of a process, `app:` or `heroku:` in front."""
    rows = platform.hostctl("logs", "-n", "1500", "-a", APP, "-p", process).stdout.splitlines()
    found = [ROW.fullmatch(row) for row in rows]
    return [f"{match['source']}: {match['text']}" for match in found if match]


def ended(platform: Platform, process: str) -> list[str]:
    """The newest whole life of a process, from its beginning to its end; empty while there is none."""
    lines = log(platform, process)
    ends = [place for place, line in enumerate(lines) if line.startswith("heroku: Process exited with status")]
    for end in reversed(ends):
        for begin in range(end, -1, -1):
            if lines[begin].startswith("heroku: Starting process with command"):
                return lines[begin : end + 1]
    return []


def in_order(lines: list[str], status: int = 0) -> bool:
    """Whether the app's lines are whole, in order, and in front of the end."""
    own = [line.removeprefix("app: ") for line in lines if line.startswith("app: ")]
    return own == WHOLE and lines[-1] == f"heroku: Process exited with status {status}"


def detached(platform: Platform, command: str) -> str:
    """The name of a one-off dyno that runs a command."""
    told = platform.hostctl("run:detached", "-a", APP, "--", "bash", "-c", command).stderr
    return told.partition("detached... done, ")[2].partition("\n")[0]


def test_a_web_dyno_that_ends_at_once_loses_nothing(platform: Platform) -> None:
    lines = wait_until(lambda: ended(platform, "web.1"), seconds=CRASHES)
    assert isinstance(lines, list) and in_order(lines), lines


def test_a_release_command_is_in_the_log_to_its_last_word(platform: Platform) -> None:
    found = platform.hostctl("logs", "-n", "1500", "-a", APP, "-p", "release").stdout.splitlines()
    (process,) = {match["process"] for match in map(ROW.fullmatch, found) if match}
    lines = log(platform, process)
    assert re.fullmatch(r"release\.\d+", process)
    assert lines[0] == "heroku: Starting process with command `python3 write.py`"
    assert lines[-1] == "heroku: State changed from up to complete"
    assert in_order(lines[:-1]), lines[-5:]


def test_a_build_is_in_the_log_as_it_was_heard_by_the_pusher(platform: Platform, deployed: str) -> None:
    lines = log(platform, "build")
    assert re.fullmatch(r"heroku: Starting build of [0-9a-f]{7}", lines[0])
    assert lines[-1] == "heroku: State changed from building to complete"
    own = [line.removeprefix("app: ") for line in lines[1:-1]]
    heard = [line.removeprefix("remote: ").rstrip() for line in deployed.splitlines()]
    assert own[0].startswith("-----> Building on") and own[-1].startswith("-----> Snapshotting slug... done")
    assert [line for line in heard if line in own] == own


def test_a_build_that_fails_is_said_to_have_failed(platform: Platform, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"requirements.txt": "no-such-package-here==1.0\n", "Procfile": "web: true\n"}
    platform.push(platform.commit(files, tmp_path / "broken"), APP, "main", "--force", check=False)
    lines = log(platform, "build")
    assert lines[-1] == "heroku: State changed from building to failed"
    assert any("no-such-package-here" in line for line in lines if line.startswith("app: ")), lines


def test_one_off_dynos_and_many_at_once_lose_nothing(platform: Platform) -> None:
    names = [detached(platform, f"python3 write.py; exit {status}") for status in range(5)]
    wait_until(lambda: all(ended(platform, name) for name in names), seconds=CRASHES)
    for status, name in enumerate(names):
        lines = ended(platform, name)
        assert in_order(lines, status), (name, lines[-3:])


def test_a_job_loses_nothing(platform: Platform) -> None:
    made = platform.hostctl("schedule:add", "python3 write.py", "--every", "daily@03:00", "--json", "-a", APP)
    number = str(json.loads(made.stdout)["number"])
    platform.hostctl("schedule:run", number, "-a", APP)
    wait_until(lambda: ended(platform, "scheduler"), seconds=CRASHES)
    assert in_order(ended(platform, "scheduler"))


def test_an_attached_dyno_says_all_to_its_client_and_its_end_to_the_log(platform: Platform) -> None:
    done = platform.hostctl("run", "-a", APP, "--", "python3", "write.py")
    assert done.stdout.splitlines() == WHOLE
    wait_until(lambda: ended(platform, "run")[-1:] == ["heroku: Process exited with status 0"])
