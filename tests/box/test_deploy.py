"""Deploying without git push: a directory, a tarball over ssh and over HTTP, a git repository elsewhere."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hostd.cli.client import USER_HEADER
from hostd.places import API_SOCKET
from tests.support.api import Client
from tests.support.endless import BUILDING, ENDLESS, MIGRATING, WEB
from tests.support.estate import settled
from tests.support.formation import current
from tests.support.outside import outside
from tests.support.platform import Finished, Platform, add_user
from tests.support.tarballs import UnixConnection, tar_of, upload
from tests.support.terminal import CTRL_C, open_terminal
from tests.support.waiting import wait_until
from tests.support.webfiles import PASSWORD, USER

SECRET = "pass%20word%2F1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that was never in git, with a page, and things that do not belong into a slug."""
    return written(
        tmp_path / "folder",
        {**WEB, "index.html": "from a folder\n", ".git/config": "x", ".slugignore": "*.pdf\n", "big.pdf": "x"},
    )


@pytest.fixture(scope="module")
def elsewhere(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A web server that builds can reach, and the directory that it serves."""
    site = tmp_path_factory.mktemp("site")
    with outside(site) as url:
        yield url, site


def test_a_directory_is_deployed_as_it_stands(platform: Platform, app: str, folder: Path) -> None:
    deployed = platform.hostctl("deploy", "-a", app, "--version", "v1.0", cwd=folder)
    assert deployed.stderr.startswith(f"Uploading . to {app}...")
    told = ["-----> Building on the ", "-----> Using buildpack: heroku/procfile\n", "-----> Procfile app detected\n"]
    told += ["-----> Discovering process types\n       Procfile declares types -> web\n"]
    told += ["-----> Snapshotting slug... done: ", "-----> Launching... done, v2\n", "deployed to hostd\n"]
    places = [deployed.stdout.index(line) for line in told]
    assert places == sorted(places)
    assert platform.http_get(app).text == "from a folder\n"
    assert platform.http_get(app, "/big.pdf").status == platform.http_get(app, "/.git/config").status == 404
    build = json.loads(platform.hostctl("builds:info", "-a", app, "--json").stdout)
    assert (build["source_blob"]["version"], build["extended"]["source"]) == ("v1.0", "tarball")
    assert build["stack"].startswith("host@")
    assert platform.hostctl("builds:output", "-a", app).stdout == deployed.stdout
    assert "Deploy v1.0" in platform.hostctl("releases", "-a", app).stdout
    again = platform.hostctl("deploy", str(folder), "-a", app)
    assert "shared with v2" in again.stdout
    platform.hostctl("rollback", "v2", "-a", app)
    assert platform.http_get(app).text == "from a folder\n"


def test_a_tarball_is_deployed_over_ssh(platform: Platform, app: str, folder: Path) -> None:
    for packed, page in (
        (tar_of({**WEB, "index.html": "plain\n"}), "plain\n"),
        (tar_of({f"app-1.0/{name}": text for name, text in {**WEB, "index.html": "gzip\n"}.items()}, "w:gz"), "gzip\n"),
    ):
        deployed = over_ssh(platform, ["deploy", "-a", app, "-"], packed)
        assert deployed.returncode == 0, deployed.stderr
        assert "deployed to hostd" in deployed.stdout
        assert platform.http_get(app).text == page
    refused = platform.ssh("deploy", str(folder), "-a", app, check=False)
    assert refused.returncode == 2
    assert "Your files are not on the server." in refused.stderr


def test_what_cannot_be_deployed_is_said_and_changes_nothing(platform: Platform, app: str, tmp_path: Path) -> None:
    written(tmp_path / "text", {"file": "hello\n"})
    (tmp_path / "empty/.git").mkdir(parents=True)
    whole = tar_of({**WEB, "filler": "x" * 100_000})
    for argument, reason in (
        ("nowhere", "There is no nowhere."),
        ("empty", "is empty: there is nothing to deploy."),
        ("text/file", "text/file is not a tar file"),
    ):
        refused = platform.hostctl("deploy", argument, "-a", app, cwd=tmp_path, check=False)
        assert refused.returncode == 1
        assert reason in refused.stderr
    for packed, reason in ((whole[:50_000], "ends in the middle"), (b"hello", "is not a tar file"), (b"", "is empty")):
        cut = over_ssh(platform, ["deploy", "-a", app, "-"], packed)
        assert cut.returncode == 1
        assert reason in cut.stderr
    assert "-----> Building" not in platform.hostctl("builds:output", "-a", app, check=False).stdout
    broken = over_ssh(platform, ["deploy", "-a", app, "-"], tar_of(WEB, "w:gz")[:-20])
    assert broken.returncode == 1
    assert f"Deploy rejected: nothing has changed for {app}." in broken.stdout
    nothing = over_ssh(platform, ["deploy", "-a", app, "-"], tar_of({"README": "hello\n"}))
    assert nothing.returncode == 1
    assert "No buildpack fits this app" in nothing.stdout
    settled(platform)
    assert current(platform, app) == 1


def test_an_upload_that_is_cut_in_the_middle_leaves_nothing(platform: Platform, app: str) -> None:
    half = tar_of({**WEB, "filler": "x" * 100_000})[:50_000]
    connection = UnixConnection(platform.machine.run_directory / API_SOCKET, 30)
    connection.putrequest("POST", f"/hostd/deploys?app={app}&build={uuid.uuid4()}")
    for name, value in ((USER_HEADER, platform.user.email), ("Transfer-Encoding", "chunked")):
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(b"%x\r\n%b\r\n" % (len(half), half))
    wait_until(lambda: "pending" in platform.hostctl("builds", "-a", app).stdout)
    connection.close()
    wait_until(lambda: "cancelled: the client went away" in platform.hostctl("builds:info", "-a", app).stdout)
    settled(platform)
    assert current(platform, app) == 1


def test_nobody_else_may_deploy_or_look(platform: Platform, app: str, folder: Path, tmp_path: Path) -> None:
    key = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    guest = add_user(platform, "guest@example.com", key)
    try:
        platform.hostctl("deploy", str(folder), "-a", app)
        for words in (["builds"], ["builds:output"], ["builds:cancel"], ["buildpacks"], ["buildpacks:set", "python"]):
            refused = platform.ssh(*words, "-a", app, key=guest.key, check=False)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert f"Couldn't find that app: {app!r}." in refused.stderr
        refused_deploy = over_ssh(platform, ["deploy", "-a", app, "-"], tar_of(WEB), guest.key)
        assert refused_deploy.returncode == 1
        assert f"Couldn't find that app: {app!r}." in refused_deploy.stderr
        unknown = over_ssh(platform, ["deploy", "-a", "no-such-app", "-"], tar_of(WEB), guest.key)
        assert "Couldn't find that app: 'no-such-app'." in unknown.stderr
    finally:
        platform.hostctl("users:remove", guest.email)
    assert current(platform, app) == 2


@pytest.mark.parametrize(
    "way, files, doing",
    [("here", ENDLESS, BUILDING), ("ssh", ENDLESS, BUILDING), ("ssh", MIGRATING, "migrating without end")],
    ids=["here", "ssh", "ssh-release-command"],
)
def test_ctrl_c_cancels_a_deploy_and_leaves_nothing(
    platform: Platform, app: str, tmp_path: Path, files: dict[str, str], doing: str, way: str
) -> None:
    place = written(tmp_path / "endless", files)
    argv = platform.hostctl_command("deploy", str(place), "-a", app)
    if way == "ssh":
        (tmp_path / "app.tar").write_bytes(tar_of(files))
        ssh = subprocess.list2cmdline(platform.remote_command("deploy", "-a", app, "-"))
        argv = ["sh", "-c", f"{ssh} < {tmp_path / 'app.tar'}"]
    with open_terminal(argv, cwd=Path("/"), env=platform.git_environment()) as terminal:
        terminal.expect(doing)
        terminal.type(CTRL_C)
        terminal.wait()
    settled(platform)
    assert current(platform, app) == 1
    assert "cancelled: the client went away" in platform.hostctl("builds:info", "-a", app).stdout


def test_a_build_that_takes_too_long_is_stopped(platform: Platform, app: str, tmp_path: Path) -> None:
    place = written(tmp_path / "endless", ENDLESS)
    for setting, words in ((None, ["--build-timeout", "2s"]), ("2s", [])):
        if setting:
            platform.hostctl("builds:timeout", setting, "-a", app)
            assert platform.hostctl("builds:timeout", "-a", app).stdout == "2s\n"
        stopped = platform.hostctl("deploy", str(place), "-a", app, *words, check=False)
        assert stopped.returncode == 1
        assert "took longer than" in stopped.stdout
    settled(platform)


def test_of_two_deploys_at_once_the_second_is_told(platform: Platform, app: str, tmp_path: Path, folder: Path) -> None:
    argv = platform.hostctl_command("deploy", str(written(tmp_path / "endless", ENDLESS)), "-a", app)
    with open_terminal(argv, cwd=Path("/"), env=platform.git_environment()) as terminal:
        terminal.expect(BUILDING)
        second = platform.hostctl("deploy", str(folder), "-a", app, check=False)
        assert second.returncode == 1
        assert f"{platform.admin} is deploying tarball to {app}." in second.stdout
        terminal.type(CTRL_C)
        terminal.wait()
    # hostd cancels the build when it sees that its client has gone, which nobody waits for.
    settled(platform)
    platform.hostctl("deploy", str(folder), "-a", app)
    settled(platform)


def test_an_upload_is_built_over_http(platform: Platform, app: str) -> None:
    client = Client(platform.machine.run_directory)
    blob = client.request("POST", f"/apps/{app}/sources").data["source_blob"]
    upload(platform, blob["put_url"], tar_of({**WEB, "index.html": "uploaded\n"}, "w:gz"))
    body = {"source_blob": {"url": blob["get_url"], "version": "v7"}, "buildpacks": [{"url": "heroku/procfile"}]}
    build = client.request("POST", f"/apps/{app}/builds", body).data
    assert build["status"] == "pending"
    output = client.request("GET", build["output_stream_url"].removeprefix("http://hostd")).data
    assert "deployed to hostd" in output
    assert client.get(f"/apps/{app}/builds/{build['id']}")["status"] == "succeeded"
    assert platform.http_get(app).text == "uploaded\n"
    assert platform.run(["find", "/var/lib/hostd/uploads", "-name", "*.part"], check=False).stdout == ""


def test_a_repository_elsewhere_is_cloned_by_the_build(
    platform: Platform, app: str, elsewhere: tuple[str, Path], repository: Any
) -> None:
    url, site = elsewhere
    work = repository({**WEB, "index.html": "first\n"})
    platform.git(work, "tag", "v1")
    repository({"index.html": "second\n"}, work)
    bare = site / "private/app.git"
    platform.git(site, "clone", "-q", "--bare", str(work), str(bare))
    platform.git(bare, "update-server-info")
    address = url.replace("://", f"://{USER}:{SECRET}@") + "/private/app.git"
    said = [platform.ssh("git:sync", address, "-a", app), platform.hostctl("git:sync", address, "v1", "-a", app)]
    assert platform.http_get(app).text == "first\n"
    builds = json.loads(platform.hostctl("builds", "-a", app, "--json").stdout)
    assert [build["source_blob"]["version"] for build in builds] == [
        platform.git(work, "rev-parse", ref).stdout.strip() for ref in ("v1", "main")
    ]
    assert builds[0]["extended"]["source"].endswith("/private/app.git v1")
    shown = [*(one.stdout + one.stderr for one in said), platform.hostctl("builds", "-a", app, "--json").stdout]
    shown += [platform.hostctl(words, "-a", app).stdout for words in ("logs", "builds:output", "builds:info")]
    assert not [text for text in shown if SECRET in text or PASSWORD in text]

    for wrong, reason in (
        ((address.replace(SECRET, "wrong"),), "Deploy rejected"),
        ((f"{url}/nothing.git",), "Deploy rejected"),
        ((address, "no-such-branch"), "no-such-branch"),
    ):
        failed = platform.hostctl("git:sync", *wrong, "-a", app, check=False)
        assert failed.returncode == 1
        assert reason in failed.stdout
    for wrong_url in ("/etc", "file:///etc", "git@example.com:kate/app.git"):
        refused = platform.hostctl("git:sync", wrong_url, "-a", app, check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
    settled(platform)
    assert current(platform, app) == 3


def test_a_tarball_elsewhere_is_fetched_by_the_build(platform: Platform, app: str, elsewhere: tuple[str, Path]) -> None:
    url, site = elsewhere
    (site / "app.tgz").write_bytes(tar_of({f"app/{name}": text for name, text in WEB.items()}, "w:gz"))
    client = Client(platform.machine.run_directory)
    build = client.request("POST", f"/apps/{app}/builds", {"source_blob": {"url": f"{url}/app.tgz"}}).data
    assert platform.hostctl("builds:output", build["id"][:8], "-a", app).stdout.endswith("deployed to hostd\n")
    missing = client.request("POST", f"/apps/{app}/builds", {"source_blob": {"url": f"{url}/nothing.tgz"}}).data
    assert platform.hostctl("builds:output", missing["id"], "-a", app, check=False).returncode == 1
    assert "404" in platform.hostctl("builds:info", "-a", app).stdout


def written(folder: Path, files: Mapping[str, str]) -> Path:
    """The folder, with files in it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def over_ssh(platform: Platform, words: list[str], packed: bytes, key: Path | None = None) -> Finished:
    """Run a command over ssh with bytes on its standard input."""
    argv = platform.remote_command(*words, key=key)
    done = subprocess.run(argv, input=packed, capture_output=True, timeout=120, check=False)
    return subprocess.CompletedProcess(argv, done.returncode, done.stdout.decode(), done.stderr.decode())
