"""Installing again, removing, and installing over kept data. Late by name: these end the platform's services."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SERVICES = ("hostd.service", "hostd-router@1.service", "hostd-logplex.service", "hostd-sshd.service")
PAGE = {"Procfile": "web: python3 -m http.server $PORT\n", "requirements.txt": "", "index.html": "kept\n"}


@pytest.fixture
def install() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs install.sh for the box under test, as it was made."""
    if "HOSTD_TEST_INSTALL" not in os.environ:
        pytest.skip("needs a box that tests/run made")
    options = shlex.split(os.environ["HOSTD_TEST_INSTALL"])

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        argv = [str(PROJECT / "install.sh"), *options, *more]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stderr
        return done

    return run


def main_pids(box) -> list[str]:
    return box.run(["systemctl", "show", "--property=MainPID", "--value", *SERVICES]).stdout.split()


def test_a_second_run_changes_nothing(install, box, app, repository, push, http_get):
    push(repository(PAGE), app)
    before = main_pids(box)
    began = time.monotonic()
    install()
    print(f"\na second run: {time.monotonic() - began:.1f} s")
    assert main_pids(box) == before
    assert http_get(app).text == "kept\n"


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
