"""git over https, through the router: who is let in and told what, and that a push is the same as over ssh."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from random import randrange

import pytest

from hostd.deploys.transcript import problem
from tests.support.apps import made
from tests.support.endless import ENDLESS, WEB, pushing
from tests.support.estate import settled, survey
from tests.support.formation import current
from tests.support.platform import USER, Answer, Platform, User, add_user
from tests.support.terminal import CTRL_C
from tests.support.waiting import wait_until

APP = "over-https"
GUESSER = f"127.{randrange(2, 250)}.{randrange(256)}.{randrange(1, 255)}"
"""An address from which nobody else comes: wrong tokens count against where they come from."""
EVERYTHING = ("units", "dynos", "builds", "slugs", "environments", "pending_builds")


@dataclass(frozen=True)
class OverHttps(Platform):
    """The platform as git reaches it with a token."""

    token: str

    @classmethod
    def of(cls, platform: Platform, token: str) -> OverHttps:
        """The same platform, with a token."""
        return cls(*(getattr(platform, field.name) for field in fields(Platform)), token)

    def git_url(self, app: str) -> str:
        """Where an app is pushed to."""
        whom = f"anybody:{self.token}@" if self.token else ""
        return f"https://{whom}git.localhost:{self.https_port}/{app}.git"

    def git_environment(self, key: Path | None = None) -> dict[str, str]:
        """Environment for git: the platform signs its own certificate here."""
        return {**super().git_environment(key), "GIT_SSL_NO_VERIFY": "1"}


def token_of(platform: Platform, user: User, *words: str) -> tuple[str, str]:
    """A new token of a user's and its authorization's id."""
    said = platform.ssh("authorizations:create", "-d", "git", *words, "--json", key=user.key).stdout
    known = json.loads(said)
    return known["access_token"]["token"], known["id"]


@pytest.fixture(scope="module")
def remote(platform: Platform) -> OverHttps:
    """The platform, with a token of the user's."""
    return OverHttps.of(platform, token_of(platform, platform.user)[0])


@pytest.fixture(scope="module")
def pushed(remote: OverHttps, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working tree that was pushed to the app once, over https."""
    with made(remote, APP):
        directory = remote.commit({**WEB, "index.html": "over https\n"}, tmp_path_factory.mktemp("https") / "work")
        said = remote.push(directory, APP).stderr
        assert "remote: -----> Building on the" in said
        assert "remote: -----> Launching... done, v2" in said
        yield directory


@pytest.fixture
def guest(platform: Platform, tmp_path: Path) -> Iterator[User]:
    """Somebody who has no right on any app."""
    key = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    yield add_user(platform, "https-guest@example.com", key)
    platform.hostctl("users:remove", "https-guest@example.com", check=False)


def ask(remote: Platform, method: str, path: str, headers: Mapping[str, str], *, place: str = GUESSER) -> Answer:
    """Ask the git host with nothing between."""
    trusting = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(
        "127.0.0.1", remote.https_port, timeout=60, source_address=(place, 0), context=trusting
    )
    with contextlib.closing(connection):
        connection.request(method, path, headers={"Host": "git.localhost", **headers})
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())


def test_what_was_pushed_runs_and_can_be_cloned_in_version_2(remote: OverHttps, pushed: Path, tmp_path: Path) -> None:
    assert remote.http_get(APP).text == "over https\n"
    clone = tmp_path / "clone"
    environment = {**remote.git_environment(), "GIT_TRACE_PACKET": "1"}
    argv = ["git", "clone", remote.git_url(APP), str(clone)]
    traced = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stderr
    assert "git< version 2" in traced
    assert (clone / "index.html").read_text() == "over https\n"
    assert remote.git(clone, "branch", "--show-current").stdout == "main\n"
    old = remote.git(clone, "-c", "protocol.version=0", "ls-remote", "origin", "refs/heads/main").stdout
    assert old.partition("\t")[0] == remote.git(pushed, "rev-parse", "main").stdout.strip()


def test_a_wrong_and_a_revoked_token_are_told_so(remote: OverHttps, pushed: Path) -> None:
    for token in ("HRKU-wrong", ""):
        refused = OverHttps.of(remote, token).git(
            pushed, "ls-remote", OverHttps.of(remote, token).git_url(APP), check=False
        )
        assert refused.returncode == 128
        assert ("Authentication failed" if token else "could not read Username") in refused.stderr
    token, authorization = token_of(remote, remote.user)
    brief = OverHttps.of(remote, token)
    brief.git(pushed, "ls-remote", brief.git_url(APP))
    remote.ssh("authorizations:revoke", authorization)
    assert "Authentication failed" in brief.push(pushed, APP, check=False).stderr


def test_rights_and_scopes_are_kept(remote: OverHttps, pushed: Path, guest: User, tmp_path: Path) -> None:
    theirs = OverHttps.of(remote, token_of(remote, guest)[0])
    for app in (APP, "no-such-app"):
        unseen = theirs.git(pushed, "ls-remote", theirs.git_url(app), check=False).stderr
        assert f"remote: Couldn't find that app: '{app}'." in unseen
        assert "not found" in unseen
    remote.hostctl("access:add", guest.email, "-p", "view", "-a", APP)
    theirs.git(tmp_path, "clone", "-q", theirs.git_url(APP), "theirs")
    refused = theirs.push(tmp_path / "theirs", APP, "main:news", check=False)
    assert refused.returncode == 128
    assert "error: 403" in refused.stderr
    assert "deploy" in refused.stderr.partition("remote: ")[2].splitlines()[0]
    remote.hostctl("access:update", guest.email, "-p", "deploy", "-a", APP)
    theirs.push(tmp_path / "theirs", APP, "main:news")
    reading = OverHttps.of(remote, token_of(remote, guest, "-s", "read")[0])
    reading.git(tmp_path, "clone", "-q", reading.git_url(APP), "read")
    assert "This token is good for read only" in reading.push(tmp_path / "read", APP, "main:more", check=False).stderr


def test_who_guesses_has_to_wait_and_learns_nothing(remote: OverHttps, pushed: Path) -> None:
    path = f"/{APP}.git/info/refs?service=git-upload-pack"

    def guess(number: int) -> Answer:
        whom = base64.b64encode(f"x:guess-{number}".encode()).decode()
        return ask(remote, "GET", path, {"Authorization": f"Basic {whom}"})

    answers = [guess(number) for number in range(12)]
    assert answers[0].status == 401 and answers[-1].status == 429
    assert answers[0].headers["www-authenticate"].startswith('Basic realm="hostd"')
    assert "Too many wrong tokens" in answers[-1].text
    # Here and at the API the same is counted.
    assert ask(remote, "GET", "/account", {"Host": "api.localhost", "Authorization": "Bearer x"}).status == 429


def test_what_is_not_offered_is_refused_before_anybody_is_asked_for_a_token(remote: OverHttps) -> None:
    for method, path, status in (
        ("GET", f"/{APP}.git/info/refs", 403),
        ("GET", f"/{APP}.git/HEAD", 403),
        ("GET", f"/{APP}.git/info/refs?service=git-upload-archive", 403),
        ("GET", f"/{APP}.git", 404),
        ("GET", "/hostd/status", 404),
        ("POST", f"/{APP}.git/git-receive-pack", 415),
    ):
        refused = ask(remote, method, path, {}, place="127.0.0.1")
        assert (refused.status, refused.headers["content-type"]) == (status, "text/plain; charset=utf-8"), path
    sent_on = remote.http_get("git", f"/{APP}.git/info/refs?service=git-upload-pack")
    assert sent_on.status == 301 and sent_on.headers["location"].startswith(
        f"https://git.localhost:{remote.https_port}/"
    )
    assert "reserved" in remote.ssh("apps:create", "git", check=False).stderr


def test_a_large_push_arrives_whole(remote: OverHttps, pushed: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    remote.git(tmp_path, "clone", "-q", remote.git_url(APP), str(clone))
    noise = os.urandom(50 << 20)
    remote.commit({"noise": noise}, clone)
    said = remote.push(clone, APP, "main:large").stderr
    assert "Branch large stored" in said
    remote.git(tmp_path, "clone", "-q", "-b", "large", remote.git_url(APP), "again")
    assert (tmp_path / "again" / "noise").read_bytes() == noise


def test_a_build_that_fails_says_why_and_rejects_the_push(remote: OverHttps, app: str, tmp_path: Path) -> None:
    directory = remote.commit({**WEB, "requirements.txt": "./nothing-there\n"}, tmp_path / "work")
    refused = remote.push(directory, app, check=False)
    assert refused.returncode == 1
    assert f"remote:  !     Push rejected: nothing has changed for {app}." in refused.stderr
    assert "pre-receive hook declined" in refused.stderr
    settled(remote)


def test_of_two_pushes_the_second_is_told_and_ctrl_c_cancels_the_first(
    remote: OverHttps, app: str, tmp_path: Path
) -> None:
    directory = remote.commit(ENDLESS, tmp_path / "work")
    commit = remote.git(directory, "rev-parse", "--short=7", "HEAD").stdout.strip()
    before = survey(remote)
    with pushing(remote, directory, app) as terminal:
        second = remote.push(directory, app, check=False)
        assert second.returncode == 1
        holder = f"{USER} is deploying {commit} to {app}. Wait until that is done, then try again."
        assert f"remote: {problem(holder).decode().rstrip()}" in second.stderr
        terminal.type(CTRL_C)
        terminal.wait()
    settled(remote)
    after = survey(remote)
    assert {name: after[name] for name in EVERYTHING} == {name: before[name] for name in EVERYTHING}
    assert current(remote, app) == 1
    assert remote.run(["find", "/var/lib/hostd/master/repos", "-name", "*incoming*"]).stdout == ""
    assert "Build failed: cancelled: the client went away" in remote.hostctl("logs", "-a", app).stdout


def test_a_push_ends_when_the_right_to_it_does(remote: OverHttps, app: str, guest: User, tmp_path: Path) -> None:
    directory = remote.commit(ENDLESS, tmp_path / "work")
    remote.hostctl("access:add", guest.email, "-p", "deploy", "-a", app)
    theirs = OverHttps.of(remote, token_of(remote, guest)[0])
    with pushing(theirs, directory, app) as terminal:
        remote.hostctl("access:remove", guest.email, "-a", app)
        assert terminal.wait() != 0
    settled(remote)
    assert current(remote, app) == 1


def test_pushes_and_fetches_are_in_the_audit_log(remote: OverHttps, pushed: Path) -> None:
    token, authorization = token_of(remote, remote.user)
    audited = OverHttps.of(remote, token)
    audited.git(pushed, "commit", "-q", "--allow-empty", "-m", "audited")
    audited.push(pushed, APP)
    audited.git(pushed, "ls-remote", audited.git_url(APP))
    entries = json.loads(remote.hostctl("audit", "-a", APP, "--json").stdout)
    mine = [entry for entry in entries if (entry["authorization"] or {}).get("id") == authorization]
    commit = audited.git(pushed, "rev-parse", "--short=7", "HEAD").stdout.strip()
    assert sorted(entry["target"] for entry in mine) == [
        f"git push {commit}",
        f"git-receive-pack {APP}",
        f"git-upload-pack {APP}",
    ]
    assert {(entry["door"], entry["address"], entry["status"]) for entry in mine} == {("router", "127.0.0.1", 200)}
    logged = remote.run(["journalctl", "--namespace=*", "--no-pager", "-o", "cat", "--since=-1h"]).stdout
    assert token not in logged


def test_the_service_starts_again_when_it_is_killed(remote: OverHttps, pushed: Path) -> None:
    before = remote.run(["systemctl", "show", "-P", "MainPID", "hostd-git"]).stdout.strip()
    remote.run(["kill", "-9", before])
    wait_until(
        lambda: remote.run(["systemctl", "show", "-P", "MainPID", "hostd-git"]).stdout.strip() not in ("0", before)
    )
    remote.git(pushed, "ls-remote", remote.git_url(APP))
    assert "git      ok" in remote.hostctl("status").stdout
