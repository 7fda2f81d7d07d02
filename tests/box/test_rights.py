"""Rights in a whole platform: two people try everything against each other's apps, and what is lost ends at once.

With HOSTD_TEST_RIGHTS=all every command is tried with every right; test_api_matrix.py does so with every route.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.apps import Deployed, made, module_app
from tests.support.endless import ENDLESS, WEB, pushing
from tests.support.platform import Platform, User, add_user
from tests.support.waiting import wait_until

APP, THEIRS = "rights-mine", "rights-theirs"
SOON = 15.0
"""Seconds within which what is to end at once has to be over, on a machine that has much else to do."""
STUBBORN = ("run", "-a", APP, "--", "sh", "-c", "trap '' HUP; echo READY; sleep 600")
VISIT = ("ps:exec", "-a", APP, "echo READY; sleep 600")
TAIL = ("logs", "-t", "-n", "1000", "-a", APP)
TAILED = b"Initial release"

mine = module_app(APP, {**WEB, "index.html": "mine\n"})


@contextmanager
def somebody(platform: Platform, directory: Path, name: str) -> Iterator[User]:
    """A user with a key of their own, removed afterwards."""
    key = directory / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
    user = add_user(platform, f"{name}@example.com", key)
    try:
        yield user
    finally:
        platform.hostctl("users:remove", user.email, check=False)


@pytest.fixture
def joe(platform: Platform, mine: Deployed, tmp_path: Path) -> Iterator[User]:
    """Somebody with no right to anything yet."""
    with somebody(platform, tmp_path, "joe") as user:
        yield user


@pytest.fixture
def session(platform: Platform) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`session(user, sign, *words)` runs a command over ssh that goes on, and waits until it has printed the sign."""
    with ExitStack() as stack:

        def begin(user: User, sign: bytes, *words: str) -> subprocess.Popen[bytes]:
            argv = platform.remote_command(*words, key=user.key)
            running = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
            )
            stack.callback(running.kill)
            stack.callback(running.stdout.close)
            stack.callback(running.stdin.close)
            seen = b""
            while sign not in seen:
                piece = running.stdout.read(4096)
                assert piece, f"it ended before it had begun: {seen.decode(errors='replace')}"
                seen += piece
            return running

        yield begin


def over(running: subprocess.Popen[bytes]) -> str:
    """Wait until a session has ended; what else it said."""
    said, _ = running.communicate(timeout=SOON)
    assert running.returncode != 0
    return said.decode(errors="replace")


@pytest.mark.thorough
def test_two_people_try_everything_against_each_others_apps(
    platform: Platform, mine: Deployed, joe: User, tmp_path: Path
) -> None:
    view, deploy, operate, manage = "view", "deploy", "operate", "manage"
    tries = {
        ("ps",): view,
        ("logs", "-n", "1"): view,
        ("releases",): view,
        ("domains",): view,
        ("access",): view,
        ("builds",): view,
        ("config",): "values",
        ("buildpacks:set", "python"): deploy,
        ("rollback", "v2"): deploy,
        ("cache:purge",): deploy,
        ("config:set", "A=1"): operate,
        ("ps:scale", "web=1"): operate,
        ("ps:restart",): operate,
        ("run", "--", "true"): operate,
        ("maintenance:on",): operate,
        ("domains:add", "a.example.org"): operate,
        ("drains:add", "syslog://logs.example.com:514"): operate,
        ("access:add", "kate@example.com"): manage,
        ("access:update", "joe@example.com", "-p", "manage"): manage,
        ("apps:rename", "rights-stolen"): manage,
        ("apps:transfer", "joe@example.com"): manage,
        ("apps:destroy", "--confirm", THEIRS): manage,
        ("audit",): manage,
    }
    may = {"nothing": set(), view: {view}, deploy: {view, deploy, "values"}, operate: {view, operate, "values"}}
    with somebody(platform, tmp_path, "kate") as kate, made(platform, THEIRS):
        platform.hostctl("apps:transfer", kate.email, "-a", THEIRS)
        for turn, (held, allowed) in enumerate(may.items()):
            if held != "nothing":
                platform.hostctl("access:add", joe.email, "-p", held, "-a", THEIRS)
            for (command, *words), needed in chosen(tries, turn):
                done = platform.ssh(command, "-a", THEIRS, *words, key=joe.key, check=False)
                refused = "Couldn't find that app" in done.stderr, "this needs the right to" in done.stderr
                if held == "nothing":
                    assert (done.returncode, refused) == (1, (True, False)), (command, done.stderr)
                elif needed in allowed:
                    assert refused == (False, False), (held, command, done.stderr)
                else:
                    assert (done.returncode, refused) == (1, (False, True)), (held, command, done.stderr)
        assert THEIRS in platform.ssh("apps", key=joe.key).stdout
        assert "Couldn't find that app" in platform.ssh("ps", "-a", APP, key=kate.key, check=False).stderr
        platform.ssh("apps:destroy", "-a", THEIRS, "--confirm", THEIRS, key=kate.key)


def chosen(tries: dict[tuple[str, ...], str], turn: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """Of what is tried one of each need, in each turn another; all if the environment says so."""
    for need in dict.fromkeys(tries.values()):
        those = [words for words in tries if tries[words] == need]
        for words in those if os.environ.get("HOSTD_TEST_RIGHTS") == "all" else [those[turn % len(those)]]:
            yield words, need


def test_git_asks_for_rights_too(platform: Platform, mine: Deployed, joe: User) -> None:
    def listed() -> subprocess.CompletedProcess[str]:
        return platform.git(mine.directory, "ls-remote", platform.git_url(APP), key=joe.key, check=False)

    assert "Couldn't find that app" in listed().stderr
    platform.hostctl("access:add", joe.email, "-p", "view", "-a", APP)
    assert "refs/heads/main" in listed().stdout
    refused = platform.push(mine.directory, APP, key=joe.key, check=False)
    assert refused.returncode != 0 and "this needs the right to deploy it" in refused.stderr
    entries = json.loads(platform.hostctl("audit", "-a", APP, "-u", joe.email, "--json").stdout)
    assert [(entry["target"].split()[0], entry["status"]) for entry in entries] == [
        ("git-upload-pack", 404), ("git-upload-pack", 200), ("git-receive-pack", 403),
    ]  # fmt: skip
    assert {entry["address"] for entry in entries} <= {"127.0.0.1", "::1"}


def test_what_runs_ends_when_the_right_to_it_is_taken_away(
    platform: Platform, mine: Deployed, joe: User, session: Callable[..., subprocess.Popen[bytes]]
) -> None:
    platform.hostctl("access:add", joe.email, "-a", APP)
    running = [session(joe, TAILED, *TAIL), session(joe, b"READY", *STUBBORN), session(joe, b"READY", *VISIT)]
    platform.hostctl("access:update", joe.email, "-p", "view", "-a", APP)
    tail, *lost = running
    for each in lost:
        over(each)
    assert tail.poll() is None, "who may still see an app goes on reading its log"
    wait_until(lambda: "run." not in platform.hostctl("ps", "-a", APP).stdout, seconds=60)
    platform.hostctl("access:remove", joe.email, "-a", APP)
    over(tail)
    log = platform.hostctl("logs", "-a", APP, "-s", "heroku", "-n", "50").stdout
    assert "The right to this session was taken away" in log
    assert mine.get().text == "mine\n", "nothing else was harmed"


def test_a_push_ends_too(platform: Platform, mine: Deployed, joe: User) -> None:
    platform.hostctl("access:add", joe.email, "-p", "deploy", "-a", APP)
    platform.commit({**ENDLESS, "index.html": "theirs\n"}, mine.directory)
    try:
        with pushing(replace(platform, user=joe), mine.directory, APP) as terminal:
            platform.hostctl("access:remove", joe.email, "-a", APP)
            assert terminal.wait() != 0
    finally:
        platform.git(mine.directory, "reset", "-q", "--hard", "HEAD~1")
    wait_until(lambda: "pending" not in platform.hostctl("builds", "-a", APP).stdout, seconds=60)
    assert mine.get().text == "mine\n"


def test_a_removed_user_is_out_at_once(
    platform: Platform, mine: Deployed, joe: User, session: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    platform.hostctl("access:add", joe.email, "-a", APP)
    socket = tmp_path / "control"
    master = ["-o", f"ControlPath={socket}"]
    running = [session(joe, TAILED, *TAIL), session(joe, b"READY", *STUBBORN)]
    shared = subprocess.Popen(
        platform.remote_command(*TAIL, key=joe.key, options=[*master, "-o", "ControlMaster=yes"]),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        wait_until(socket.exists, seconds=SOON)
        assert platform.ssh("apps", key=joe.key, options=master).returncode == 0
        platform.hostctl("users:remove", joe.email)
        for each in (*running, shared):
            over(each)
        assert not socket.exists(), "the connection itself is gone"
    finally:
        shared.kill()
        shared.communicate()
    assert "Permission denied" in platform.ssh("apps", key=joe.key, check=False).stderr
    wait_until(lambda: "run." not in platform.hostctl("ps", "-a", APP).stdout, seconds=60)
    assert f"Remove user {joe.email} from the server" in platform.hostctl("logs", "-a", APP, "-n", "50").stdout


def test_an_app_changes_hands(platform: Platform, joe: User, tmp_path: Path) -> None:
    with somebody(platform, tmp_path, "kate") as kate, made(platform, THEIRS):
        platform.hostctl("apps:transfer", kate.email, "-a", THEIRS)
        offered = platform.ssh("apps:transfer", joe.email, "-a", THEIRS, key=kate.key)
        assert f"apps:transfers:accept -a {THEIRS}" in offered.stderr
        assert "Couldn't find that app" in platform.ssh("ps", "-a", THEIRS, key=joe.key, check=False).stderr
        assert THEIRS in platform.ssh("apps:transfers", key=joe.key).stdout
        platform.ssh("apps:transfers:accept", "-a", THEIRS, key=joe.key)
        releases = platform.ssh("releases", "-a", THEIRS, key=joe.key).stdout
        assert f"Transfer from {kate.email} to {joe.email}" in releases
        people = json.loads(platform.ssh("access", "--json", "-a", THEIRS, key=kate.key).stdout)
        roles = {each["user"]["email"]: each["role"] for each in people}
        assert (roles[joe.email], roles[kate.email]) == ("owner", "collaborator")
        platform.ssh("apps:destroy", "-a", THEIRS, "--confirm", THEIRS, key=joe.key)
