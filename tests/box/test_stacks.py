"""A Debian release as a stack: made, built on, updated under load, taken back, and destroyed when nobody needs it.

A stack takes mmdebstrap a minute, so that these tests share one, and they come in the order of its life.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.apps import made
from tests.support.crowd import Crowd
from tests.support.estate import settled, survey
from tests.support.formation import scale, wait_for_formation
from tests.support.platform import Platform
from tests.support.waiting import wait_until

ECHO = (Path(__file__).parents[1] / "support/echo.py").read_text()
WEB = "web: python3 -u server.py\n"
WORKER = "worker: exec python3 -c 'import signal; signal.pause()'\n"
# Runs as its third release only on the version of the stack on which it came up first.
FUSSY = 'import os\nif os.environ["HOSTD_RELEASE"] == "v3":\n    raise SystemExit("I do not like this")\n' + ECHO
STACK, OTHER = "debian-12", "debian-13"
MAKING_SECONDS = 600.0
SETTLED_SECONDS = 60.0
VISITORS = 8


def test_names_that_are_no_stack_are_refused(platform: Platform, app: str) -> None:
    for name in ("debian-99", "../../etc", "host@1", "Debian-12"):
        refused = platform.hostctl("stacks:create", name, check=False)
        assert refused.returncode == 1 and "It can make: debian-12, debian-13." in refused.stderr
        assert "There is no stack" in platform.hostctl("stack:set", name, "-a", app, check=False).stderr
    for command in ("stacks:update", "stacks:rollback", "stacks:destroy"):
        words = ["--confirm", "host"] if command == "stacks:destroy" else []
        assert "the server itself" in platform.hostctl(command, "host", *words, check=False).stderr
    assert json.loads(platform.hostctl("stack", "-a", app, "--json").stdout)[0]["name"] == "host"
    assert "Available Stacks\n\n* host\n" in platform.hostctl("stack", "-a", app).stdout


def test_ctrl_c_and_a_second_one_leave_the_first_alone_and_then_nothing(platform: Platform) -> None:
    with making(platform, OTHER) as first:
        refused = platform.hostctl("stacks:create", STACK, check=False)
        assert refused.returncode == 1 and f"is making {OTHER}. Wait until that is done" in refused.stderr
        first.send_signal(signal.SIGINT)
        assert first.wait(30) == 130
    settled(platform)
    assert OTHER not in platform.hostctl("stacks").stdout


def test_kill_9_of_hostd_while_a_stack_is_made_leaves_nothing(platform: Platform) -> None:
    with making(platform, OTHER) as client:
        platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service"])
        assert client.wait(60) == 1
        assert client.stderr is not None
        assert "hostd went away before it was done" in client.stderr.read().decode()
    settled(platform)
    assert OTHER not in platform.hostctl("stacks").stdout


def test_an_app_is_built_for_a_stack_and_runs_on_it(
    platform: Platform, stack: str, app: str, repository: Callable[..., Path]
) -> None:
    chosen = platform.hostctl("stack:set", stack, "-a", app)
    assert f"Setting stack to {stack}... done" in chosen.stderr
    source = repository({"Procfile": WEB, "server.py": ECHO})
    pushed = platform.push(source, app)
    assert "-----> Building on the Debian-12 stack" in pushed.stderr
    platform.hostctl("config:set", f"NAME={app}", "-a", app)
    wait_until(lambda: platform.http_get(app).text.startswith(app), SETTLED_SECONDS)
    # The host stack has the server's /usr bound into it; here / and /usr are one.
    seen = platform.hostctl("run", "-a", app, "--", "stat -c %d / /usr; locale -a; touch /usr/x; git --version").stdout
    root, usr, *rest = seen.split()
    assert root == usr
    assert {"C.utf8", "en_US.utf8", "git"} <= set(rest)
    assert f"{stack}@" in platform.hostctl("releases:info", "-a", app).stdout
    assert f"* {stack}\n" in platform.hostctl("stack", "-a", app).stdout
    refused = platform.hostctl("stacks:destroy", stack, "--confirm", stack, check=False)
    assert refused.returncode == 1 and f"{app}: runs on it" in refused.stderr
    back = platform.hostctl("stack:set", "host", "-a", app)
    assert "You will need to redeploy" in back.stderr
    assert "  host (active on next deploy)\n" in platform.hostctl("stack", "-a", app).stdout
    platform.commit({"README": "again"}, source)
    platform.push(source, app)
    assert "Stack:                  host@" in platform.hostctl("releases:info", "-a", app).stdout
    refused = platform.hostctl("stacks:destroy", stack, "--confirm", stack, check=False)
    assert f"{app}: can be rolled back to a release that runs on it" in refused.stderr
    platform.hostctl("rollback", "v3", "-a", app)
    assert f"{stack}@" in platform.hostctl("releases:info", "-a", app).stdout


def test_apps_are_taken_along_and_back_without_a_failed_request(platform: Platform, stack: str, tmp_path: Path) -> None:
    first = version(platform, stack)
    with (
        deployed(platform, stack, tmp_path, "calm", ECHO) as calm,
        deployed(platform, stack, tmp_path, "fussy", FUSSY) as fussy,
    ):
        scale(platform, calm, web=1, worker=1)
        # Visitors come once it is made: while mmdebstrap works nothing happens to the apps.
        with updating(platform, stack) as client, Crowd(platform.http_port, {calm: VISITORS, fussy: VISITORS}) as crowd:
            crowd.step = "update"
            updated = b"".join(client.stderr or ()).decode()
            assert client.wait(MAKING_SECONDS) == 1
            settled(platform)
            second = version(platform, stack)
            assert runs_on(platform, calm) == f"{stack}@{second}"
            wait_for_formation(platform, calm, web=1, worker=1)
            assert runs_on(platform, fussy) == f"{stack}@{first}"
            crowd.step = "rollback"
            back = platform.hostctl("stacks:rollback", stack)
            settled(platform)
        assert crowd.tally.failures == []
        assert (crowd.tally.answered["update"] > 0, crowd.tally.answered["rollback"] > 0) == (True, True)
        assert second != first == version(platform, stack)
        assert f"{calm}: done, v3" in updated
        assert f"{fussy} stays on {stack}@{first}, v4: v3 did not come up: web.1 crashed" in updated
        assert "I do not like this" in platform.hostctl("logs", "-n", "1500", "-s", "app", "-a", fussy).stdout
        assert f"{calm}: done, v4" in back.stderr and fussy not in back.stderr
        assert runs_on(platform, calm) == f"{stack}@{first}"
        releases = platform.hostctl("releases", "-a", calm).stdout
        assert f"Stack {stack} updated to {second}" in releases and f"Stack {stack} taken back to {first}" in releases
        platform.hostctl("rollback", "v3", "-a", calm)
        assert runs_on(platform, calm) == f"{stack}@{second}"
    platform.hostctl("releases:verify")


@pytest.fixture(scope="module")
def stack(platform: Platform) -> Iterator[str]:
    """A stack that is there for the tests of this module, and destroyed after them."""
    made = platform.hostctl("stacks:create", STACK, timeout=MAKING_SECONDS)
    assert f"-----> Made {STACK}@" in made.stderr
    again = platform.hostctl("stacks:create", STACK, check=False)
    assert "is there already" in again.stderr
    yield STACK
    platform.hostctl("stacks:destroy", STACK, "--confirm", STACK)
    settled(platform)


@contextmanager
def making(platform: Platform, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A client that makes a stack, once mmdebstrap is at work."""
    argv = platform.hostctl_command("stacks:create", name)
    with subprocess.Popen(argv, stderr=subprocess.PIPE, cwd="/") as client:
        try:
            unit = f"hostd-stack-{name}.service"
            wait_until(lambda: unit in {known["unit"] for known in survey(platform)["units"]}, 30, what=unit)
            yield client
        finally:
            client.kill()


@contextmanager
def updating(platform: Platform, stack: str) -> Iterator[subprocess.Popen[bytes]]:
    """A client that updates a stack, once the new version is made."""
    argv = platform.hostctl_command("stacks:update", stack, "--force")
    with subprocess.Popen(argv, stderr=subprocess.PIPE, cwd="/") as client:
        try:
            assert client.stderr is not None
            assert any(line.startswith(b"-----> Made ") for line in client.stderr)
            yield client
        finally:
            client.kill()


@contextmanager
def deployed(platform: Platform, stack: str, directory: Path, name: str, server: str) -> Iterator[str]:
    """An app that runs on the stack as v2; it is destroyed at the end."""
    app = f"{name}-{directory.name[-8:].strip('-_').replace('_', '-').lower()}"
    files = {"Procfile": WEB + WORKER, "server.py": server.replace('"nameless"', repr(app))}
    source = platform.commit(files, directory / name)
    with made(platform, app):
        platform.hostctl("stack:set", stack, "-a", app)
        platform.push(source, app)
        yield app


def version(platform: Platform, stack: str) -> str:
    """The version of the stack that is current."""
    found = json.loads(platform.hostctl("stacks:info", stack, "--json").stdout)
    return str(found["stack"]["version"])


def runs_on(platform: Platform, app: str) -> str:
    """What the app's current release runs on."""
    return str(json.loads(platform.hostctl("releases:info", "-a", app, "--json").stdout)["release"]["stack"])
