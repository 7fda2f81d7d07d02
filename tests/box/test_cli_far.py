"""A day with hostctl on one's own machine: the standard library alone, the API's port, a token in ~/.netrc."""

from __future__ import annotations

import json
import os
import select
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from hostd.cli.index import everything
from tests.support.platform import Platform
from tests.support.terminal import open_terminal
from tests.support.waiting import wait_until

PROJECT = Path(__file__).parents[2]
# -S: nothing of what is installed beside Python can be imported.
PROGRAM = (sys.executable, "-S", "-c", "import sys; from hostd.cli import main; sys.exit(main())")
SHOWS = (":info", ":transfers", ":apps", ":verify", ":deliveries", ":events")
"""What commands end with that list or show, besides topics alone."""

Hostctl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home directory, in which there is a ~/.netrc already."""
    (tmp_path / ".netrc").write_text("machine example.com login me password x\n")
    return tmp_path


@pytest.fixture
def environment(home: Path) -> Mapping[str, str]:
    """That of a workstation: no sockets, no server known."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONDONTWRITEBYTECODE") if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(PROJECT), "TERM": "xterm"}


@pytest.fixture
def far(environment: Mapping[str, str], home: Path) -> Hostctl:
    """hostctl there."""

    def run(*words: str, given: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*PROGRAM, *words], input=given, env=environment, cwd=home, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def logged_in(platform: Platform, far: Hostctl) -> Iterator[Hostctl]:
    """hostctl there, after a login."""
    token = platform.ssh("authorizations:create", "-d", "laptop", "--short").stdout
    far("login", f"http://127.0.0.1:{platform.api_port}", "--token", "-", given=token)
    yield far
    far("logout", check=False)


def test_from_login_to_logout(platform, logged_in, home, app):
    far = logged_in
    netrc = home / ".netrc"
    assert netrc.read_text().startswith("machine example.com login me password x\n")
    assert stat.S_IMODE(netrc.stat().st_mode) == 0o600
    assert far("whoami").stdout.strip() == platform.user.email

    (home / "code").mkdir()
    (home / "code" / "Procfile").write_text("web: python3 -m http.server $PORT\nrelease: echo released here\n")
    deployed = far("deploy", "code", "-a", app)
    assert "Launching... done, v2" in deployed.stdout
    assert far("releases:output", "v2", "-a", app).stdout == "released here\n"
    assert "now running web at 2" in far("ps:scale", "web=2", "--wait", "-a", app).stderr
    assert [dyno["state"] for dyno in json.loads(far("ps", "web", "--json", "-a", app).stdout)] == ["up", "up"]
    far("config:set", "A=far away", "-a", app)
    assert far("config:get", "A", "-a", app).stdout == "far away\n"
    far("rollback", "--wait", "-a", app)
    assert "Set A config vars" in far("logs", "-n", "200", "--source", "heroku", "-a", app).stdout

    ran = far("run", "-a", app, "cat; echo $A; exit 7", given="typed\n", check=False)
    assert (ran.stdout.splitlines()[0], ran.returncode) == ("typed", 7)

    again = far("deploy", "nowhere", "-a", app, check=False)
    assert (again.returncode, again.stdout) == (1, "")
    far("logout")
    assert netrc.read_text() == "machine example.com login me password x\n"
    gone = far("ps", "-a", app, check=False)
    assert gone.returncode == 1
    assert "hostctl login" in gone.stderr


def test_a_token_that_was_revoked_says_so(platform, logged_in, home):
    end = (home / ".netrc").read_text().split()[-1][-4:]
    known = json.loads(logged_in("authorizations", "--json").stdout)
    mine = next(each for each in known if each["access_token"]["token"].endswith(end))
    platform.ssh("authorizations:revoke", mine["id"])
    refused = logged_in("apps", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Invalid credentials" in refused.stderr


def test_what_runs_with_a_token_ends_with_it(platform, logged_in, environment, home, app):
    (home / "code").mkdir()
    (home / "code" / "Procfile").write_text("web: python3 -m http.server $PORT\n")
    logged_in("deploy", "code", "-a", app)
    end = (home / ".netrc").read_text().split()[-1][-4:]
    known = json.loads(logged_in("authorizations", "--json").stdout)
    mine = next(each for each in known if each["access_token"]["token"].endswith(end))
    with ExitStack() as stack:
        running = []
        for words, sign in (
            (("logs", "--tail", "-n", "1000", "-a", app), "Initial release"),
            (("run", "-a", app, "echo READY; sleep 600"), "READY"),
        ):
            one = subprocess.Popen(
                [*PROGRAM, *words], env=environment, cwd=home,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            stack.enter_context(one)
            stack.callback(one.kill)
            assert any(sign in line for line in one.stdout), f"{words} ended before it had begun"
            running.append(one)
        platform.ssh("authorizations:revoke", mine["id"])
        for one in running:
            said, _ = one.communicate(timeout=60)
            assert one.returncode != 0, said
    wait_until(lambda: "run." not in platform.hostctl("ps", "-a", app).stdout, seconds=60)


def test_a_tail_comes_through_the_api(platform, logged_in, environment, home, app):
    argv = [*PROGRAM, "logs", "--tail", "-n", "0", "-a", app]
    with subprocess.Popen(argv, env=environment, cwd=home, stdout=subprocess.PIPE) as tail:
        try:
            assert tail.stdout is not None
            # The tail begins at some time: what is done again and again is seen once it has.
            for number in range(30):
                logged_in("config:set", f"N={number}", "-a", app)
                if select.select([tail.stdout], [], [], 1)[0]:
                    break
            assert b"N config vars" in tail.stdout.readline()
        finally:
            tail.kill()


def test_a_terminal_in_a_dyno(platform, logged_in, environment, home, app):
    (home / "code").mkdir()
    (home / "code" / "Procfile").write_text("worker: sleep 1000\n")
    logged_in("deploy", "code", "-a", app)
    argv = [*PROGRAM, "run", "-a", app, "stty size; read word; echo got $word; exit 9"]
    with open_terminal(argv, env=environment, cwd=home, rows=31, columns=77) as terminal:
        terminal.expect("31 77", 60)
        terminal.type("hello\r")
        terminal.expect("got hello")
        assert terminal.wait() == 9


def test_every_list_and_info_is_json(platform, logged_in, app):
    wanted = [
        command for command in everything()
        if (":" not in command.name or command.name.endswith(SHOWS))
        and any(option.name == "json" for option in command.options)
        and all(word.startswith("[") for word in command.words)
    ]  # fmt: skip
    assert len(wanted) > 40
    refused, wrong = [], {}
    for command in wanted:
        takes_app = any(option.name == "app" for option in command.options)
        done = logged_in(command.name, "--json", *(["-a", app] if takes_app else []), check=False)
        if done.returncode and not done.stdout and " !    " in done.stderr:
            refused.append(command.name)
        # A log is an object for each line.
        elif not all(map(_is_json, done.stdout.splitlines() if command.name == "logs" else [done.stdout])):
            wrong[command.name] = done.stdout + done.stderr
    assert not wrong
    # Of an app without a build, a job or the like there is nothing to show.
    assert len(refused) < 12, refused


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
