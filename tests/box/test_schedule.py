"""Scheduled jobs: run at their times and once, whatever becomes of hostd meanwhile."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hostd.cli.output import seconds
from tests.support.estate import in_order
from tests.support.formation import dynos
from tests.support.platform import PYTHON, Platform
from tests.support.waiting import wait_until

APP = "schedule-jobs"
FILES = {"Procfile": "worker: sleep 1000\n"}
FAULT = "/run/hostd/faults/snapshot-made"
TICK = "echo $DYNO ticks; exit 3"
SETTLE = """\
import sqlite3, sys
with sqlite3.connect("/var/lib/hostd/master/ledger.db") as ledger:
    ledger.execute("UPDATE jobs SET settled_at = ? WHERE every LIKE 'daily%'", sys.argv[1:])
"""


@pytest.fixture(scope="module", autouse=True)
def deployed(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An app with a job that is due every minute, which the last test waits for."""
    platform.hostctl("apps:create", APP)
    try:
        platform.push(platform.commit(FILES, tmp_path_factory.mktemp("schedule") / "app"), APP)
        platform.ssh("schedule:add", TICK, "--every", "1m", "-a", APP)
        yield
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)
    wait_until(lambda: not any(APP in timer for timer in timers(platform)))
    wait_until(lambda: in_order(platform))


def add(platform: Platform, command: str, *more: str) -> str:
    """The number of a new job, which is due once a day, twelve hours from now."""
    far = datetime.now(UTC) + timedelta(hours=12)
    made = platform.hostctl("schedule:add", command, "--every", f"daily@{far:%H:%M}", *more, "--json", "-a", APP)
    return str(json.loads(made.stdout)["number"])


def runs(platform: Platform, number: str) -> list[dict[str, Any]]:
    """The runs of a job, newest first."""
    found: list[dict[str, Any]] = json.loads(platform.hostctl("schedule:info", number, "--json", "-a", APP).stdout)[
        "runs"
    ]
    return found


def ended(platform: Platform, number: str) -> list[dict[str, Any]]:
    """The runs of a job, if there are some and none goes on."""
    found = runs(platform, number)
    return found if found and all(run["status"] != "running" for run in found) else []


def timers(platform: Platform) -> dict[str, str]:
    """The timers of jobs, with what they say of themselves."""
    listed = platform.run(["systemctl", "list-units", "--all", "--output=json", "hostd-schedule@*.timer"]).stdout
    return {unit["unit"]: unit["description"] for unit in json.loads(listed)}


def off_for(platform: Platform, length: timedelta) -> None:
    """Let it be as if the machine had been off: what daily jobs should have done is not settled when hostd starts."""
    platform.run(["systemctl", "stop", "hostd.service"])
    since = (datetime.now(UTC) - length).isoformat(timespec="microseconds")
    platform.run([PYTHON, "-c", SETTLE, since])
    platform.run(["systemctl", "start", "hostd.service"])


def log(platform: Platform, process: str) -> str:
    """What the app's log says of a process."""
    return platform.hostctl("logs", "-n", "1500", "-d", process, "-a", APP).stdout


def test_a_run_is_a_one_off_dyno_that_outlives_hostd_and_does_not_overlap_itself(platform: Platform) -> None:
    job = add(platform, "echo $((6 * 7)) begun; sleep 600")
    told = platform.ssh("schedule:run", job, "-a", APP).stderr
    dyno = told.rpartition("done, ")[2].strip()
    assert dyno.startswith("scheduler.")
    again = platform.hostctl("schedule:run", job, "-a", APP, check=False)
    assert again.returncode == 1 and f"The job runs already: {dyno}" in again.stderr
    platform.hostctl("apps:rename", f"{APP}-renamed", "-a", APP)
    off_for(platform, timedelta(days=1))
    platform.hostctl("apps:rename", APP, "-a", f"{APP}-renamed")
    wait_until(lambda: f"it still runs in {dyno}" in log(platform, "scheduler"))
    assert [run["dyno"] for run in runs(platform, job)] == [dyno]
    (shown,) = [shown for shown in dynos(platform, APP) if shown["name"] == dyno]
    assert (shown["state"], shown["type"]) == ("up", "scheduler")
    assert f"{dyno}: up for" in platform.hostctl("ps", "-a", APP).stdout
    wait_until(lambda: f"app[{dyno}]: 42 begun" in platform.hostctl("schedule:logs", job, "-a", APP).stdout)
    platform.hostctl("ps:stop", dyno, "-a", APP)
    (run,) = ended(platform, job)
    assert (run["status"], run["exit_status"]) == ("failed", 143)
    assert dyno not in platform.hostctl("ps", "-a", APP).stdout
    platform.hostctl("schedule:remove", job, "-a", APP)


def test_what_was_missed_is_made_good_once_even_if_hostd_is_killed_in_between(platform: Platform) -> None:
    one, none = add(platform, "echo made good"), add(platform, "echo never", "--catch-up", "none")
    paused = add(platform, "echo never")
    platform.hostctl("schedule:pause", paused, "-a", APP)
    # The run is in the ledger by then, and has no unit yet.
    platform.run(["install", "-D", "/dev/null", FAULT])
    off_for(platform, timedelta(days=3))
    (run,) = wait_until(lambda: ended(platform, one), 30)
    assert platform.run(["test", "-e", FAULT], check=False).returncode == 1
    assert run["exit_status"] == 0
    assert seconds(run["started_at"]) - seconds(run["due_at"]) > 60
    wait_until(lambda: log(platform, run["dyno"]).count("made good\n") == 1)
    told = log(platform, "scheduler")
    assert f"Job {one} (`echo made good`) could not run at" in told and "it is run once now" in told
    assert f"Job {none} (`echo never`) could not run at" in told and "it is not made good" in told
    assert runs(platform, none) == runs(platform, paused) == []
    platform.run(["systemctl", "restart", "hostd.service"])
    assert len(runs(platform, one)) == 1


def test_timers_are_the_ledgers(platform: Platform) -> None:
    """They follow an app's new name, come back when somebody stops one, and go with their app."""
    name, renamed = (f"t-{uuid.uuid4().hex[:10]}" for _ in range(2))
    platform.hostctl("apps:create", name)
    try:
        platform.hostctl("schedule:add", "true", "--every", "0 0 1 1 *", "-a", name)
        expected = f"job 1, due at {datetime.now(UTC).year + 1}-01-01 00:00:00 UTC"
        wait_until(lambda: timers(platform).get(f"hostd-schedule@{name}.1.timer") == f"{name}: {expected}")
        platform.run(["systemctl", "stop", f"hostd-schedule@{name}.1.timer"])
        wait_until(lambda: timers(platform).get(f"hostd-schedule@{name}.1.timer") == f"{name}: {expected}")
        platform.hostctl("apps:rename", renamed, "-a", name)
        wait_until(lambda: timers(platform).get(f"hostd-schedule@{renamed}.1.timer") == f"{renamed}: {expected}")
        assert f"hostd-schedule@{name}.1.timer" not in timers(platform)
        name = renamed
    finally:
        platform.hostctl("apps:destroy", "-a", name, "--confirm", name)
    wait_until(lambda: not any(name in timer for timer in timers(platform)))


def test_a_job_is_run_when_its_timer_elapses(platform: Platform) -> None:
    (run,) = wait_until(lambda: [run for run in ended(platform, "1") if run["due_at"]][-1:], 90)
    assert (run["status"], run["exit_status"], run["reason"]) == ("failed", 3, "exit status 3")
    assert seconds(run["due_at"]) % 60 == 0
    assert 0 <= seconds(run["started_at"]) - seconds(run["due_at"]) <= 60
    dyno = run["dyno"]
    wanted = [
        f"heroku[{dyno}]: Starting process with command `{TICK}`",
        f"heroku[{dyno}]: State changed from starting to up",
        f"app[{dyno}]: {dyno} ticks",
        f"heroku[{dyno}]: Process exited with status 3",
        f"heroku[{dyno}]: State changed from up to complete",
    ]
    wait_until(lambda: all(line in log(platform, dyno) for line in wanted))
    assert f"Starting process with command `{TICK}` by scheduler (job 1)" in log(platform, "api")
    # The first run may have been one that was made good: hostd was stopped in the tests before.
    elapsed = ["journalctl", "--no-pager", f"--unit=hostd-schedule@{APP}.1.service"]
    wait_until(lambda: "Finished" in platform.run(elapsed).stdout, 90)
    listed = platform.ssh("schedule", "-a", APP).stdout
    assert TICK in listed and "next in" in listed
    due = json.loads(platform.hostctl("schedule:info", "1", "--json", "-a", APP).stdout)["next_runs"][0]
    assert timers(platform)[f"hostd-schedule@{APP}.1.timer"] == (
        f"{APP}: job 1, due at {due.replace('T', ' ').removesuffix('Z')} UTC"
    )
