"""Build records: every build is kept with what it printed, can be watched while it runs, and cancelled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Client
from tests.support.endless import BUILDING, ENDLESS, WEB, pushing
from tests.support.estate import settled
from tests.support.formation import current
from tests.support.platform import PYTHON, Platform
from tests.support.tarballs import tar_of, upload
from tests.support.terminal import open_terminal
from tests.support.waiting import wait_until

Repository = Callable[..., Path]

KEPT = """
import sqlite3, sys, zlib
file = sqlite3.connect("file:/var/lib/hostd/master/ledger.db?mode=ro", uri=True)
rows = file.execute(
    "SELECT head FROM build_outputs JOIN builds ON builds.id = build_id JOIN apps ON apps.id = app_id "
    "WHERE apps.name = ? AND status = 'pending'", sys.argv[1:]
).fetchall()
sys.stdout.write("".join(zlib.decompress(row[0]).decode() for row in rows))
"""


def test_builds_that_failed_and_succeeded_are_kept(platform: Platform, app: str, repository: Repository) -> None:
    assert f"{app} was never built" in platform.hostctl("builds", "-a", app).stderr
    assert "never built" in platform.hostctl("builds:info", "-a", app, check=False).stderr
    directory = repository({"README": "no app\n"})
    rejected = platform.push(directory, app, check=False)
    platform.push(repository(WEB, directory), app)
    commits = platform.git(directory, "log", "--format=%H").stdout.split()
    good, bad = builds(platform, app)
    assert [good["source_blob"]["version"], bad["source_blob"]["version"]] == commits
    assert (good["status"], good["extended"]["release_version"]) == ("succeeded", 2)
    assert (bad["status"], bad["release"], bad["extended"]["cancelled"]) == ("failed", None, False)
    assert good["stack"].startswith("host@")
    assert [pack["name"] for pack in good["buildpacks"]] == ["heroku/procfile"]
    assert good["user"]["email"] == platform.user.email

    output = platform.ssh("builds:output", bad["id"][:6], "-a", app, check=False)
    assert output.returncode == 1
    for line in output.stdout.splitlines():
        assert line in rejected.stderr
    assert "No buildpack fits this app" in output.stdout
    assert "Launching... done, v2" in platform.ssh("builds:output", good["id"], "-a", app).stdout
    info = platform.ssh("builds:info", bad["id"][:6].upper(), "-a", app).stdout
    assert "Status:" in info
    assert "No buildpack fits this app" in info
    table = platform.hostctl("builds", "-a", app).stdout
    assert f"{bad['id'][:8]}  failed" in table
    assert f"{good['id'][:8]}  succeeded v2  {commits[0][:7]}  git push" in table


def test_wrong_builds_are_refused(platform: Platform, app: str, repository: Repository) -> None:
    platform.push(repository(WEB), app)
    (done,) = builds(platform, app)
    for words, status, reason in (
        (["builds:info", "zzz"], 1, "There is no build 'zzz'."),
        (["builds:output", "../.."], 1, "There is no build"),
        (["builds:cancel"], 1, f"The build {done['id'][:8]} of {app} has made v2: there is nothing to cancel."),
        (["builds:cancel", done["id"]], 1, "nothing to cancel"),
        (["builds:timeout", "0"], 2, "must be a time from 1s to 24h"),
        (["builds", "-n", "0"], 2, "must be a number"),
    ):
        refused = platform.hostctl(*words, "-a", app, check=False)
        assert (refused.returncode, refused.stdout) == (status, "")
        assert reason in refused.stderr
    assert current(platform, app) == 2


def test_a_running_build_is_watched_and_cancelled(platform: Platform, app: str, repository: Repository) -> None:
    directory = repository(ENDLESS)
    watching = platform.remote_command("builds:output", "-a", app)
    with pushing(platform, directory, app) as pusher, open_terminal(watching, cwd=Path("/")) as watcher:
        watcher.expect(BUILDING)
        (running,) = builds(platform, app)
        assert (running["status"], running["extended"]["ended_at"]) == ("pending", None)
        assert [pack["name"] for pack in running["buildpacks"]] == ["heroku/python"]
        cancelled = platform.ssh("builds:cancel", running["id"][:8], "-a", app)
        assert cancelled.stderr == f"Cancelling build {running['id'][:8]} of {app}... done\n"
        pusher.expect(f"cancelled by {platform.user.email}")
        pusher.expect(f"Push rejected: nothing has changed for {app}.")
        assert pusher.wait() == 1
        watcher.expect(f"cancelled by {platform.user.email}")
        assert watcher.wait() == 1
    settled(platform)
    (ended,) = builds(platform, app)
    assert (ended["status"], ended["extended"]["cancelled"]) == ("failed", True)
    assert ended["buildpacks"] == running["buildpacks"]
    assert f"{ended['id'][:8]}  cancelled" in platform.hostctl("builds", "-a", app).stdout
    assert current(platform, app) == 1
    platform.push(repository({**WEB, "requirements.txt": ""}, directory), app)
    assert current(platform, app) == 2
    assert "\n  dependencies: requirements.txt\n" in platform.hostctl("builds:info", "-a", app).stdout


def test_a_watcher_that_leaves_does_not_stop_the_build(platform: Platform, app: str, repository: Repository) -> None:
    def connections() -> int:
        return platform.run(["ps", "-u", "git", "-o", "args"]).stdout.count("hostd-ssh")

    with pushing(platform, repository(ENDLESS), app):
        before = connections()
        watching = platform.remote_command("builds:output", "-a", app)
        with open_terminal(watching, cwd=Path("/")) as watcher:
            watcher.expect(BUILDING)
            assert connections() > before
            watcher.kill()
        wait_until(lambda: connections() == before)
        (running,) = builds(platform, app)
        assert running["status"] == "pending"
        platform.hostctl("builds:cancel", "-a", app)
    settled(platform)


@pytest.mark.parametrize("how", ["SIGKILL", "restart"])
def test_a_hostd_that_ends_in_the_middle_leaves_a_failed_build_with_its_output(
    platform: Platform, app: str, repository: Repository, how: str
) -> None:
    with pushing(platform, repository(ENDLESS), app) as pusher:
        wait_until(lambda: BUILDING in platform.run([PYTHON, "-c", KEPT, app]).stdout)
        if how == "restart":
            platform.run(["systemctl", "restart", "hostd.service"])
        else:
            platform.run(["systemctl", "kill", "--signal=SIGKILL", "--kill-whom=main", "hostd.service"])
        pusher.expect("the build was interrupted: hostd was restarted while it ran. Push again.", 60)
        assert pusher.wait() == 1
    (build,) = builds(platform, app)
    assert build["status"] == "failed"
    assert build["extended"]["reason"].startswith("the build was interrupted")
    output = platform.hostctl("builds:output", "-a", app, check=False)
    assert (output.returncode, BUILDING in output.stdout) == (1, True)
    assert " !     the build was interrupted: hostd was restarted while it ran." in output.stdout
    settled(platform)
    platform.push(repository(WEB), app, "main", "--force")


def test_a_build_that_was_begun_over_http_runs_on_by_itself(platform: Platform, app: str) -> None:
    client = Client(platform.machine.run_directory)
    blob = client.request("POST", f"/apps/{app}/sources").data["source_blob"]
    upload(platform, blob["put_url"], tar_of(ENDLESS))
    body = {"source_blob": {"url": blob["get_url"], "version": "v1"}, "timeout": 600}
    build = client.request("POST", f"/apps/{app}/builds", body).data
    busy = platform.hostctl("config:set", "A=1", "-a", app, check=False)
    assert f"is deploying v1 to {app}. Wait until that is done" in busy.stderr
    again = platform.hostctl("deploy", str(Path(__file__).parent), "-a", app, check=False)
    assert f"is deploying v1 to {app}." in again.stdout
    answer = client.request("DELETE", f"/apps/{app}/builds/{build['id']}")
    assert answer.status == 202
    wait_until(lambda: client.get(f"/apps/{app}/builds/{build['id']}")["status"] == "failed")
    settled(platform)
    platform.hostctl("config:set", "A=1", "-a", app)


def builds(platform: Platform, app: str) -> list[dict[str, Any]]:
    """The app's builds, newest first."""
    found: list[dict[str, Any]] = json.loads(platform.hostctl("builds", "-a", app, "--json").stdout)
    return found
