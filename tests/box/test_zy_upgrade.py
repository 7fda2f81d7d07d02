"""Installing again, removing, and installing over kept data. Late by name: these end the platform's services."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.apps import deployed
from tests.support.crowd import Crowd
from tests.support.waiting import wait_until

ECHO = Path(__file__).parents[1] / "support/echo.py"
PROJECT = Path(__file__).parents[2]
SERVICES = ("hostd.service", "hostd-router@1.service", "hostd-logplex.service", "hostd-sshd.service")
PAGE = {"Procfile": "web: python3 -m http.server $PORT\n", "requirements.txt": "", "index.html": "kept\n"}


@pytest.fixture
def install() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs install.sh for the box under test, as it was made."""
    if "HOSTD_TEST_INSTALL" not in os.environ:
        pytest.skip("needs a box that tests/run made")
    options = shlex.split(os.environ["HOSTD_TEST_INSTALL"])

    def run(*more: str, project: Path = PROJECT) -> subprocess.CompletedProcess[str]:
        argv = [str(project / "install.sh"), *options, *more]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stderr
        return done

    return run


def main_pids(box) -> list[str]:
    return box.run(["systemctl", "show", "--property=MainPID", "--value", *SERVICES]).stdout.split()


def test_a_second_run_changes_nothing(install, box, app, repository, push, http_get):
    push(repository(PAGE), app)
    # Tests before this one write the settings, and restart hostd alone: installing restarts the others.
    install()
    before = main_pids(box)
    began = time.monotonic()
    install()
    print(f"\na second run: {time.monotonic() - began:.1f} s")
    assert main_pids(box) == before
    assert http_get(app).text == "kept\n"


def test_an_upgrade_is_noticed_by_no_visitor(install, platform, box, tmp_path):
    """Another version, and back: all services but sshd are restarted; no request fails or has to be sent again."""
    newer, name = tmp_path / "newer", f"busy-{uuid.uuid4().hex[:8]}"
    shutil.copytree(PROJECT, newer, ignore=shutil.ignore_patterns(".git", "__pycache__"))
    with (newer / "hostd/settings.py").open("a") as settings:
        settings.write("\n# A newer version.\n")
    files = {"Procfile": "web: python3 -u server.py\n", "server.py": ECHO.read_text()}
    with deployed(platform, name, tmp_path / "app", files, config={"NAME": name}):
        before = main_pids(box)
        with Crowd(platform.http_port, {name: 10}) as crowd:
            wait_until(lambda: crowd.tally.answered["before"] > 100)
            for crowd.step, project in (("upgrade", newer), ("and back", PROJECT)):
                install(project=project)
            crowd.step = "after"
            wait_until(lambda: crowd.tally.answered["after"] > 100)
        assert (crowd.tally.failures, dict(crowd.tally.retries)) == ([], {})
        assert not set(before[:-1]) & set(main_pids(box))


def test_what_is_removed_without_its_data_comes_back_with_it(install, platform, app, repository, push, http_get):
    push(repository(PAGE), app)
    done = install("--uninstall")
    assert "the data stays in" in done.stderr
    assert not (platform.machine.directory / "hostctl").exists()
    assert not platform.machine.status().running
    install()
    assert app in platform.hostctl("apps").stdout
    assert http_get(app).text == "kept\n"
    assert "every release is as it was made" in platform.hostctl("releases:verify").stderr
