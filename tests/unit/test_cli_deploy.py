"""hostctl deploy and git:sync: what is sent, what is shown, and what is refused before anything is sent."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cli_fakes import FakeHostd, Handler, Request, hostctl

RELEASED = b'\0{"status": "released", "version": 12, "reason": null}\n'
REJECTED = b'\0{"status": "rejected", "version": null, "reason": "No buildpack fits this app."}\n'


class Deploys:
    """A fake hostd that takes deploys, and what it was sent."""

    def __init__(self, fake: FakeHostd) -> None:
        self.fake, self.bodies = fake, list[bytes]()
        self.saying(b"-----> Building\n", RELEASED)

    def saying(self, *pieces: bytes) -> None:
        def deploy(handler: Handler, _request: Request) -> None:
            body = handler.read_chunks()
            self.bodies.append(body)
            handler.begin_stream()
            for piece in pieces:
                handler.chunk(piece)
            handler.chunk(b"")

        self.fake.on("POST /hostd/deploys", deploy)

    @property
    def asked(self) -> list[Request]:
        return [request for request in self.fake.requests if request.target.startswith("/hostd/deploys?")]


@pytest.fixture
def deploys(tmp_path: Path) -> Any:
    (tmp_path / "run").mkdir()
    with FakeHostd(tmp_path / "run").serving() as fake:
        yield Deploys(fake)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "hello"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git/config").write_text("[core]\n")
    (folder / "lib/.git").mkdir(parents=True)
    (folder / "lib/util.py").write_text("x = 1\n")
    (folder / "Procfile").write_text("web: python3 app.py\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("/etc/passwd")
    return folder


def tar_of(**files: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def test_a_directory_is_sent_whole_but_for_git(tmp_path, deploys, folder):
    ran = hostctl(tmp_path / "run", "deploy", str(folder), "-a", "hello", "--version", "v1", "--build-timeout", "30m")
    assert ran.status == 0, ran.err
    assert ran.out == "-----> Building\n"
    assert ran.err.startswith(f"Uploading {folder} to hello...")
    (asked,), (body,) = deploys.asked, deploys.bodies
    assert "app=hello" in asked.target
    assert asked.target.endswith("&timeout=1800&version=v1")
    assert "strip" not in asked.target
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert sorted(tar.getnames()) == ["Procfile", "lib", "lib/util.py", "link", "run.sh"]
        assert tar.getmember("link").linkname == "/etc/passwd"
        assert tar.getmember("run.sh").mode & 0o111
        assert {(entry.uid, entry.uname) for entry in tar} == {(0, "")}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_tarball_is_sent_as_it_is(tmp_path, deploys, pack):
    packed = pack(tar_of(Procfile="web: x\n"))
    (tmp_path / "app.tgz").write_bytes(packed)
    assert hostctl(tmp_path / "run", "deploy", str(tmp_path / "app.tgz"), "-a", "hello").status == 0
    assert hostctl(tmp_path / "run", "deploy", "-", "-a", "hello", stdin=packed).status == 0
    assert hostctl(tmp_path / "run", "deploy", "-a", "hello", stdin=packed, user="you@example.com").status == 0
    assert deploys.bodies == [packed] * 3
    assert all("strip=1" in request.target for request in deploys.asked)
    assert deploys.asked[2].headers["Hostd-User"] == "you@example.com"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04" + bytes(600), "is compressed with zip"),
        (b"BZh" + bytes(600), "is compressed with bzip2"),
        (b"hello", "is not a tar file"),
        (bytes(1024), "is not a tar file"),
    ],
)
def test_what_is_no_tarball_is_not_sent(tmp_path, deploys, content, reason):
    (tmp_path / "app").write_bytes(content)
    for ran in (
        hostctl(tmp_path / "run", "deploy", str(tmp_path / "app"), "-a", "hello"),
        hostctl(tmp_path / "run", "deploy", "-", "-a", "hello", stdin=content),
    ):
        assert ran.status == 1
        assert reason in ran.err
    assert deploys.asked == []


def test_a_tarball_that_was_cut_off_is_no_tarball(tmp_path, deploys):
    whole = tar_of(Procfile="web: x\n", other="y" * 600)
    for length in (1024, 1536, 2000, 2048):
        ran = hostctl(tmp_path / "run", "deploy", "-", "-a", "hello", stdin=whole[:length])
        assert ran.status == 1
        assert "Standard input ends in the middle: was it cut off? Nothing was deployed." in ran.err
        assert ran.out == ""


def test_what_is_not_there_or_cannot_be_sent_is_said(tmp_path, deploys, folder):
    (tmp_path / "empty/.git").mkdir(parents=True)
    for words, status, reason in (
        ((str(tmp_path / "nowhere"),), 1, "There is no "),
        ((str(tmp_path / "empty"),), 1, "is empty: there is nothing to deploy."),
        ((str(folder), "--build-timeout", "soon"), 2, "'soon' must be a time from 1s to 24h"),
        ((str(folder), "--build-timeout", "25h"), 2, "must be a time"),
    ):
        ran = hostctl(tmp_path / "run", "deploy", *words, "-a", "hello")
        assert (ran.status, reason in ran.err) == (status, True), ran.err
        assert "Uploading" not in ran.err
    over_ssh = hostctl(tmp_path / "run", "deploy", str(folder), "-a", "hello", user="you@example.com")
    assert over_ssh.status == 2
    assert "Your files are not on the server. Send them: tar c . | ssh git@HOST deploy -a APP -" in over_ssh.err
    typed = hostctl(tmp_path / "run", "deploy", "-", "-a", "hello", terminal=True)
    assert typed.status == 2
    assert deploys.asked == []


def test_a_file_that_cannot_be_read_stops_the_deploy(tmp_path, deploys, folder):
    # Root reads everything, but nothing whose path is longer than the kernel takes (PATH_MAX).
    with contextlib.chdir(folder):
        for _ in range(17):
            Path("x" * 250).mkdir()
            os.chdir("x" * 250)
    ran = hostctl(tmp_path / "run", "deploy", str(folder), "-a", "hello")
    assert ran.status == 1
    assert "nothing was deployed" in ran.err
    assert deploys.bodies == []


def test_a_deploy_that_is_rejected_says_why_once(tmp_path, deploys, folder):
    deploys.saying(b" !     No buildpack fits this app.\n", REJECTED)
    ran = hostctl(tmp_path / "run", "deploy", str(folder), "-a", "hello")
    assert ran.status == 1
    assert ran.out == " !     No buildpack fits this app.\n"
    assert "No buildpack" not in ran.err
    deploys.saying(REJECTED)
    ran = hostctl(tmp_path / "run", "deploy", str(folder), "-a", "hello")
    assert ran.err.endswith(" !    No buildpack fits this app.\n")


def test_a_refusal_at_the_door_is_shown(tmp_path, deploys, folder):
    deploys.fake.on("POST /hostd/deploys", (404, {"id": "not_found", "message": "Couldn't find that app: 'hello'."}))
    ran = hostctl(tmp_path / "run", "deploy", str(folder), "-a", "hello")
    assert ran.status == 1
    assert "Couldn't find that app" in ran.err


def test_a_deploy_whose_hostd_restarts_asks_how_it_ended(tmp_path, deploys, folder):
    deploys.saying(b"-----> Building\n")
    hidden = deploys.fake.answers

    def released(handler: Handler, request: Request) -> None:
        handler.say(200, {"status": "released", "version": 12, "reason": None}, {})

    class Answers(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            return [released] if key.startswith("GET /hostd/pushes/") else super().get(key, default)

    deploys.fake.answers = Answers(hidden)
    ran = hostctl(tmp_path / "run", "deploy", str(folder), "-a", "hello")
    assert ran.status == 0, ran.err
    assert "hostd is back, and the deploy is released: v12" in ran.err


def test_a_repository_is_named_and_not_sent(tmp_path, deploys):
    url = "https://kate:s3cret@example.com/hello.git"
    ran = hostctl(tmp_path / "run", "git:sync", url, "v1", "-a", "hello")
    assert ran.status == 0, ran.err
    (asked,), (body,) = deploys.asked, deploys.bodies
    assert asked.headers["Content-Type"] == "application/json"
    assert "s3cret" not in asked.target + ran.out + ran.err
    assert body == b'{"git": {"url": "https://kate:s3cret@example.com/hello.git", "ref": "v1"}}'
