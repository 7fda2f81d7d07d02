"""Installing again, removing, and installing over kept data. Late by name: these end the platform's services."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.apps import deployed
from tests.support.crowd import Crowd
from tests.support.platform import Platform
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
    """Removed while an app runs; back at first without the API's port, then with it."""
    files = repository(PAGE)
    push(files, app)
    machine = platform.machine
    done = install("--uninstall")
    assert f"the data stays in {machine.directory}" in done.stderr
    assert "=====> hostd is removed; Debian's packages stay" in done.stderr
    assert not (machine.directory / "hostctl").exists()
    assert not machine.status().running
    assert left_in(machine.directory / "upper") == []
    assert f"table inet {machine.network}\n" not in subprocess.check_output(["nft", "list", "tables"], text=True)
    kept = machine.directory / "upper/var/lib/hostd/master"
    assert {"ledger.db", "ledger.key", "repos", "ssh"} <= {path.name for path in kept.iterdir()}
    install("--api-port", "0")
    assert app in platform.hostctl("apps").stdout
    assert http_get(app).text == "kept\n"
    assert "every release is as it was made" in platform.hostctl("releases:verify").stderr
    the_api_has_no_port(platform, app, files)
    install()
    assert http_get(app).text == "kept\n"
    assert api_answers(platform) == [401, 401]
    assert json.loads(platform.ssh("apps:info", "-a", app, "--json").stdout)["app"]["git_url"].startswith("https://")


def the_api_has_no_port(platform: Platform, app: str, files: Path) -> None:
    """Whoever has no ssh key, and is not root, is nobody: tokens, `api.` and `git.` wait for a port."""
    assert api_answers(platform) == ["ConnectionRefusedError", 404]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", platform.api_port), timeout=10).close()
    assert json.loads(platform.hostctl("status", "--json").stdout)["status"] == "ok"
    assert app in platform.ssh("apps").stdout
    shown = json.loads(platform.ssh("apps:info", "-a", app, "--json").stdout)["app"]
    assert shown["git_url"] == shown["ssh_url"]
    platform.commit({"index.html": "pushed over ssh\n"}, files)
    assert "done, v" in platform.push(files, app).stderr
    platform.commit({"index.html": "kept\n"}, files)
    platform.push(files, app)
    assert platform.ssh("run", "-a", app, "echo", "it runs").stdout == "it runs\n"


def api_answers(platform: Platform) -> list[int | str]:
    """How the API's port and `https://api.` answer a request without a token."""
    found: list[int | str] = []
    # The platform signs its own certificate here.
    trusting = ssl._create_unverified_context()
    for connection in (
        http.client.HTTPConnection("127.0.0.1", platform.api_port, timeout=60),
        http.client.HTTPSConnection("127.0.0.1", platform.https_port, timeout=60, context=trusting),
    ):
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/account", headers={"Host": "api.localhost"})
                found.append(connection.getresponse().status)
            except ConnectionRefusedError as error:
                found.append(type(error).__name__)
    return found


def left_in(upper: Path) -> list[str]:
    """What bears hostd's name among a stopped box's own files, but for data, logs and what the box itself starts with;
    and which accounts there are."""
    found = [str(path) for place in ("etc", "opt", "usr/local/bin") for path in (upper / place).rglob("*hostd*")]
    for file in ("passwd", "group"):
        lines = (upper / "etc" / file).read_text().splitlines()
        found += [line for line in lines if line.startswith(("hostd", "git:"))]
    return found
