"""The story of "Visibility and introspection": a good release, a bad one, what one sees of it, and the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.formation import scale, wait_for_formation
from tests.support.platform import USER, Answer, Platform
from tests.support.waiting import wait_until

APP = "introspected"
FILES = {
    "Procfile": "web: python3 -u web.py\nworker: python3 -u worker.py\n",
    "web.py": """\
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import os

import colours


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        text = f"{colours.FAVOURITE} {os.environ['HOSTD_RELEASE']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
""",
    "worker.py": "import signal\n\nimport colours\n\nprint(colours.FAVOURITE)\nsignal.pause()\n",
    "colours.py": "FAVOURITE = 'green'\n",
}
FIX = "FAVOURITE = 'blue'\n"
DYNOS = ("web.1", "worker.1", "worker.2")
CRASH_SECONDS = 60.0
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 ")


@dataclass(frozen=True)
class Told:
    """All that the story's person read, in the order in which it happened. v2 is good, v3 bad, v5 the fix."""

    commits: dict[int, str]
    good_push: str
    good_page: Answer
    bad_push: str
    bad_page: Answer
    ps_of_bad: str
    logs_of_bad: str
    rollback: str
    ps_of_rollback: str
    rollback_page: Answer
    fix_push: str
    ps_of_fix: str
    fix_page: Answer
    releases: str
    api_log: str


@pytest.fixture(scope="module")
def told(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The story, told once; every test below reads one page of it."""
    platform.ssh("apps:create", APP)
    try:
        yield live_through_it(platform, tmp_path_factory.mktemp("story") / "app")
    finally:
        platform.ssh("apps:destroy", "-a", APP, "--confirm", APP)


def live_through_it(platform: Platform, directory: Path) -> Told:
    """Push, scale, push what crashes, look, roll back, fix."""
    commits: dict[int, str] = {}

    def push(version: int) -> str:
        commits[version] = platform.git(directory, "rev-parse", "HEAD").stdout[:7]
        return remote_lines(platform.push(directory, APP).stderr)

    platform.commit(FILES, directory)
    good_push = push(2)
    scale(platform, APP, web=1, worker=2)
    good_page = platform.http_get(APP)

    (directory / "colours.py").unlink()
    platform.commit({}, directory)
    bad_push = push(3)
    ps_of_bad = wait_until(lambda: all_crashed(platform.ssh("ps", "-a", APP).stdout), CRASH_SECONDS)
    bad_page = platform.http_get(APP)
    logs_of_bad = platform.ssh("logs", "-p", "web.1", "-a", APP).stdout

    rollback = platform.ssh("rollback", "-a", APP).stderr
    wait_for_formation(platform, APP, web=1, worker=2)
    ps_of_rollback = platform.ssh("ps", "-a", APP).stdout
    rollback_page = platform.http_get(APP)

    platform.commit({"colours.py": FIX}, directory)
    fix_push = push(5)
    wait_for_formation(platform, APP, web=1, worker=2)
    return Told(
        commits=commits,
        good_push=good_push,
        good_page=good_page,
        bad_push=bad_push,
        bad_page=bad_page,
        ps_of_bad=ps_of_bad,
        logs_of_bad=logs_of_bad,
        rollback=rollback,
        ps_of_rollback=ps_of_rollback,
        rollback_page=rollback_page,
        fix_push=fix_push,
        ps_of_fix=platform.ssh("ps", "-a", APP).stdout,
        fix_page=platform.http_get(APP),
        releases=platform.ssh("releases", "-a", APP).stdout,
        api_log=platform.ssh("logs", "--source", "heroku", "--ps", "api", "-a", APP).stdout,
    )


def test_the_good_release_is_launched_and_answers(told: Told) -> None:
    assert_in_order(told.good_push, ["-----> Procfile app detected", "Procfile declares types -> web, worker"])
    assert "-----> Launching... done, v2" in told.good_push
    assert (told.good_page.status, told.good_page.text) == (200, "green v2")


def test_the_bad_push_says_what_crashed_and_why_and_the_way_back(told: Told) -> None:
    wanted = [
        "-----> Launching... v3 is not up",
        f" !     Release v3 of {APP} crashed: web.1",
        " !     v2 goes on serving its web requests.",
        "ModuleNotFoundError: No module named 'colours'",
        f" !     See `hostctl logs -a {APP}`; go back with `hostctl rollback -a {APP}`.",
    ]
    assert_in_order(told.bad_push, wanted)


def test_the_old_web_dyno_goes_on_serving(told: Told) -> None:
    assert (told.bad_page.status, told.bad_page.text) == (200, "green v2")
    assert re.search(r"^web\.1: up .*\(serving, v2\)$", told.ps_of_bad, re.MULTILINE)


def test_ps_shows_every_dyno_of_every_type_crashed_with_its_command(told: Told) -> None:
    for dyno in DYNOS:
        assert re.search(rf"^{dyno}: crashed for \d+s", told.ps_of_bad, re.MULTILINE), dyno
    titles = [line for line in told.ps_of_bad.splitlines() if line.startswith("===")]
    assert titles == [
        "=== web (Standard-1X): python3 -u web.py (1)",
        "=== worker (Standard-1X): python3 -u worker.py (2)",
    ]


def test_logs_show_the_platforms_line_and_the_apps_own_stack_trace(told: Told) -> None:
    lines = told.logs_of_bad.splitlines()
    assert all(re.match(r"(app|heroku)\[web\.1\]: ", unstamped(line)) for line in lines)
    everything = "\n".join(map(unstamped, lines))
    platforms = [
        "heroku[web.1]: Starting process with command `python3 -u web.py`",
        "heroku[web.1]: State changed from created to starting",
        "heroku[web.1]: State changed from starting to up",
        "heroku[web.1]: Starting process with command `python3 -u web.py`",
        "heroku[web.1]: State changed from created to starting",
        "heroku[web.1]: Process exited with status 1",
        "heroku[web.1]: State changed from starting to crashed",
    ]
    assert_in_order(everything, platforms)
    apps = [
        "app[web.1]: Traceback (most recent call last):",
        'app[web.1]:   File "/app/web.py", line 4, in <module>',
        "app[web.1]:     import colours",
        "app[web.1]: ModuleNotFoundError: No module named 'colours'",
    ]
    assert_in_order(everything, apps)


def test_rollback_makes_a_new_release_of_the_old_one(told: Told) -> None:
    assert f"Rolling back {APP} to v2... done, v4" in told.rollback
    for dyno in DYNOS:
        assert re.search(rf"^{dyno}: up for \d+s$", told.ps_of_rollback, re.MULTILINE), dyno
    assert "crashed" not in told.ps_of_rollback
    assert (told.rollback_page.status, told.rollback_page.text) == (200, "green v4")


def test_the_fix_is_launched_and_answers(told: Told) -> None:
    assert "-----> Launching... done, v5" in told.fix_push
    assert (told.fix_page.status, told.fix_page.text) == (200, "blue v5")
    assert "crashed" not in told.ps_of_fix


def test_releases_lists_what_was_done_by_whom_and_when(told: Told) -> None:
    title, _, *rows = told.releases.splitlines()
    assert title == f"=== {APP} Releases - Current: v5"
    whats = [
        f"v5  Deploy {told.commits[5]}",
        "v4  Rollback to v2",
        f"v3  Deploy {told.commits[3]}",
        f"v2  Deploy {told.commits[2]}",
        "v1  Initial release",
    ]
    for row, what in zip(rows, whats, strict=True):
        when = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d [+-]\d{4} \(~ \d+[smh] ago\)"
        assert re.fullmatch(rf"{what} +{re.escape(USER)} +{when}", row), row


def test_the_log_of_the_api_is_just_what_people_did(told: Told) -> None:
    wanted = [
        f"Deploy {told.commits[2]} by {USER}",
        f"Release v2 created by {USER}",
        "Scaled to web@1 worker@2 by ",
        f"Deploy {told.commits[3]} by {USER}",
        f"Release v3 created by {USER}",
        f"Rollback to v2 by {USER}",
        f"Release v4 created by {USER}",
        f"Deploy {told.commits[5]} by {USER}",
        f"Release v5 created by {USER}",
    ]
    assert_in_order(told.api_log, [f"heroku[api]: {line}" for line in wanted])
    assert "web.1" not in told.api_log


def test_the_ledger_proves_that_nothing_was_erased(told: Told, platform: Platform) -> None:
    assert "every release is as it was made" in platform.ssh("releases:verify").stderr


def all_crashed(shown: str) -> str:
    """What `ps` printed, once all dynos of the bad release have crashed; before, nothing."""
    return shown if all(f"{dyno}: crashed" in shown for dyno in DYNOS) else ""


def remote_lines(shown: str) -> str:
    """What the server said, without git's `remote: ` and the spaces it ends lines with."""
    return "\n".join(line.removeprefix("remote: ").rstrip() for line in shown.splitlines())


def unstamped(line: str) -> str:
    """A log line without its time."""
    found = STAMP.match(line)
    assert found, line
    return line[found.end() :]


def assert_in_order(text: str, parts: Sequence[str]) -> None:
    """All parts are in the text, one behind the other."""
    position = 0
    for part in parts:
        position = text.find(part, position)
        assert position >= 0, f"{part!r} is not where it should be in\n{text}"
        position += len(part)
