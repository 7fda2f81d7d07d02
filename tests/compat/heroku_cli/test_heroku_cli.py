"""Every command of Heroku's own CLI that has a meaning here does what it does at Heroku, and prints that."""

from __future__ import annotations

import datetime
import shlex
import subprocess
import sys
import uuid

import pytest

from hostd.install.certificate import self_signed
from tests.compat.heroku_cli.apps import PYTHON
from tests.compat.heroku_cli.commands import DEPLOYED, FAREWELL, STORY, Case
from tests.compat.heroku_cli.session import SECONDS, Session
from tests.support.platform import add_user
from tests.support.terminal import open_terminal

FRIEND = "friend@example.com"


@pytest.fixture(scope="module")
def session(platform, programs, tmp_path_factory):
    folder, mark = tmp_path_factory.mktemp("heroku"), uuid.uuid4().hex[:6]
    key, friends = folder / "id_compat", folder / "id_friend"
    for path, comment in ((key, "compat"), (friends, "friend")):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], check=True)
    add_user(platform, FRIEND, friends)
    domain = f"www.c{mark}.example.com"
    chain, private = folder / "chain.pem", folder / "private.pem"
    for path, text in zip((chain, private), self_signed(domain, datetime.datetime.now(datetime.UTC)), strict=True):
        path.write_bytes(text)
    known = {
        "app": f"c{mark}",
        "other": f"o{mark}",
        "renamed": f"r{mark}",
        "friend": FRIEND,
        "key": f"{key}.pub",
        "domain": domain,
        "certificate": str(chain),
        "private": str(private),
    }
    session = Session.begin(platform, programs, folder, known)
    yield session
    for name in ("app", "other", "renamed"):
        platform.hostctl("apps:destroy", "-a", known[name], "--confirm", known[name], check=False)
    platform.hostctl("users:remove", FRIEND, check=False)


def check(session: Session, case: Case) -> None:
    ran = session.run(case)
    trouble = session.judge(case, ran)
    session.note(case, ran, trouble)
    if trouble is None:
        return
    if case.missing:
        pytest.xfail(case.missing)
    pytest.fail(f"{case.line}: {trouble}\n--- stdout\n{ran.out}\n--- stderr\n{ran.err}", pytrace=False)


@pytest.mark.parametrize("case", STORY, ids=lambda case: case.line)
def test_before_anything_is_deployed(session, case):
    check(session, case)


def test_an_app_is_deployed(session, platform):
    repository = platform.commit(PYTHON, session.folder / "app")
    platform.push(repository, session.known["app"])


@pytest.mark.parametrize("case", DEPLOYED, ids=lambda case: case.line)
def test_with_an_app(session, case):
    check(session, case)


def test_a_clone_has_what_was_pushed_and_can_be_pushed_back(session, platform):
    clone = session.folder / "clone"
    assert (clone / "server.py").read_text() == PYTHON["server.py"]
    platform.commit({"more.txt": "more\n"}, clone)
    # With the credentials that the CLI hands to git.
    pushed = subprocess.run(
        ["git", "push", "heroku", "main"],
        cwd=clone,
        env=session.env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert pushed.returncode == 0 and "deployed to" in pushed.stderr, pushed.stderr


def test_a_shell_at_a_terminal(session):
    argv = [str(session.programs / "heroku"), "run", "bash", "-a", session.known["app"]]
    with open_terminal(argv, env=session.env, cwd=session.folder) as terminal:
        terminal.expect("up, run.", SECONDS)
        terminal.expect("$ ", SECONDS)
        terminal.type("echo $((6 * 7)); sleep 1000\r")
        terminal.expect("42", SECONDS)
        terminal.type("\x03")
        terminal.type("echo $((7 * 7))\r")
        terminal.expect("49", SECONDS)
        terminal.type("exit\r")
        assert terminal.wait(SECONDS) == 0


def test_a_log_as_it_comes(session, platform):
    app = session.known["app"]
    argv = [str(session.programs / "heroku"), "logs", "--tail", "-n", "1", "-a", app]
    with open_terminal(argv, env=session.env, cwd=session.folder) as terminal:
        terminal.expect("]:", SECONDS)
        platform.hostctl("run:detached", "-a", app, "echo came later")
        terminal.expect("came later", SECONDS)
        terminal.type("\x03")
        assert terminal.wait(SECONDS) != 0


def test_hostctl_goes_by_ssh_and_leaves_no_token(session, platform, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    ssh = programs / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/{shlex.join(platform.ssh_command())} "$@"\n')
    ssh.chmod(0o755)
    env = {"PATH": f"{programs}:{session.env['PATH']}", "HOME": session.env["HOME"]}
    line = ["run", "-x", "-a", session.known["app"], "echo through; (exit 3)"]
    ran = platform.hostctl("heroku", "--server", f"localhost:{platform.ssh_port}", "--", *line, env=env, check=False)
    assert (ran.returncode, ran.stdout) == (3, "through\n")
    here = platform.hostctl("heroku", "--", "auth:whoami", env=env)
    assert here.stdout == f"{platform.admin}\n"
    assert "hostctl heroku" not in platform.hostctl("authorizations").stdout


def test_ssh_leads_nowhere_else(platform):
    argv = [
        *platform.ssh_command(),
        "-p",
        str(platform.ssh_port),
        "-W",
        f"127.0.0.1:{platform.http_port}",
        "git@localhost",
    ]
    refused = subprocess.run(
        argv, input="GET / HTTP/1.0\r\n\r\n", capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.stdout == "" and "prohibited" in refused.stderr


@pytest.mark.parametrize("case", FAREWELL, ids=lambda case: case.line)
def test_at_the_end(session, case):
    check(session, case)


def test_the_table(session, capsys):
    with capsys.disabled():
        sys.stderr.write(f"\n{session.table()}\n")
    assert len(session.rows) == len(STORY) + len(DEPLOYED) + len(FAREWELL)
