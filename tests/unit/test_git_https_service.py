"""Git over https: what is asked for is understood or refused, bodies stay small, and real git clones and pushes."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
import signal
import socket
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from hostd.errors import Forbidden, NotFound, RateLimited, Unauthorized, Unavailable
from hostd.git_https import bodies
from hostd.git_https.daemon import listen
from hostd.git_https.origin import Origins
from hostd.git_https.request import Refused, Wanted, parse
from hostd.git_https.service import Service
from hostd.ssh.hooks import hooks_directory, write_hooks
from hostd.tokens import token_in

TOKEN = "HRKU-right"
PUSH = "application/x-git-receive-pack-request"


@pytest.mark.parametrize(
    ("method", "path", "service", "kind", "wanted"),
    [
        ("GET", "/hello.git/info/refs", "git-upload-pack", "", Wanted("hello", "git-upload-pack", True)),
        ("GET", "/hello/info/refs", "git-receive-pack", "", Wanted("hello", "git-receive-pack", True)),
        ("POST", "/hello.git/git-receive-pack", None, PUSH, Wanted("hello", "git-receive-pack", False)),
    ],
)
def test_what_git_asks_for_is_understood(method, path, service, kind, wanted):
    assert parse(method, path, service, kind) == wanted


@pytest.mark.parametrize(
    ("method", "path", "service", "kind", "status", "said"),
    [
        ("GET", "/hello.git/info/refs", None, "", 403, "smart protocol"),
        ("GET", "/hello.git/HEAD", None, "", 403, "smart protocol"),
        ("GET", "/hello.git/objects/info/packs", None, "", 403, "smart protocol"),
        ("GET", "/hello.git/info/refs", "git-upload-archive", "", 403, "not offered"),
        ("POST", "/hello.git/info/refs", "git-upload-pack", "", 405, "GET"),
        ("GET", "/hello.git/git-upload-pack", None, "", 405, "POST"),
        ("POST", "/hello.git/git-receive-pack", None, "text/plain", 415, "type"),
        ("GET", "/hello.git", None, "", 404, "not for browsers"),
        ("POST", "/hello.git/info/lfs/objects/batch", None, "", 404, "LFS"),
        ("GET", "/a/../b.git/info/refs", "git-upload-pack", "", 404, "nothing at"),
        ("GET", "/-x.git/info/refs", "git-upload-pack", "", 404, "nothing at"),
        ("GET", "/\x1b[2J", None, "", 404, "\\x1b"),
    ],
)
def test_what_is_not_offered_is_refused_with_a_reason(method, path, service, kind, status, said):
    with pytest.raises(Refused) as refused:
        parse(method, path, service, kind)
    assert refused.value.status == status
    assert said in refused.value.message


def test_the_service_is_named_before_refs_but_not_in_version_2():
    wanted = Wanted("hello", "git-upload-pack", True)
    assert wanted.greeting("") == b"001e# service=git-upload-pack\n0000"
    assert wanted.greeting("version=2") == b""
    assert Wanted("hello", "git-upload-pack", False).greeting("") == b""


def test_a_token_is_the_password_or_a_name_without_one():
    def basic(text):
        return f"Basic {base64.b64encode(text.encode()).decode()}"

    assert token_in(basic(f"anybody:{TOKEN}"), name_too=True) == TOKEN
    assert token_in(basic(f"{TOKEN}:"), name_too=True) == TOKEN
    assert token_in(basic(f"{TOKEN}:")) is None
    assert token_in(f"Bearer {TOKEN}", name_too=True) == TOKEN
    for nothing in (None, "", "Basic", "Basic !", basic(":"), basic("x:" + "y" * 2000), "Digest x"):
        assert token_in(nothing, name_too=True) is None


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


@pytest.mark.thorough
async def test_a_small_request_may_not_become_a_large_one_in_memory():
    packed = gzip.compress(bytes(50 << 20))
    sizes = [len(piece) async for piece in bodies.unpacked(pieces(packed[:1000], packed[1000:]), "gzip")]
    assert sum(sizes) == 50 << 20
    assert max(sizes) <= bodies.PIECE
    with pytest.raises(Refused, match="more than 10 MiB"):
        async for _ in bodies.bounded(bodies.unpacked(pieces(packed), "gzip"), 10 << 20):
            pass


@pytest.mark.parametrize(
    ("given", "encoding", "status"),
    [(b"no gzip", "gzip", 400), (gzip.compress(b"x" * 1000)[:20], "gzip", 400), (zlib.compress(b"x"), "br", 415)],
    ids=["other", "cut off", "unknown"],
)
async def test_a_request_that_cannot_be_unpacked_is_refused(given, encoding, status):
    with pytest.raises(Refused) as refused:
        async for _ in bodies.unpacked(pieces(given), encoding):
            pass
    assert refused.value.status == status


class FakeHostd:
    """Knows one token, and one app."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.asked: list[dict[str, str]] = []
        self.trouble: Exception | None = None

    def request(self, method, target, body=None, *, seconds):
        assert (method, target) == ("POST", "/hostd/git/repositories")
        self.asked.append(body)
        if self.trouble:
            raise self.trouble
        if body["token"] != TOKEN:
            raise Unauthorized("Invalid credentials provided.")
        if body["app"] != "hello":
            raise NotFound("Couldn't find that app: 'nope'.")
        found = {"path": str(self.repository), "app_id": "app-1", "app": "hello", "user": "you@example.com"}
        return SimpleNamespace(data={**found, "authorization": "auth-1"})


class Rig:
    """The service on a port of its own, and a checkout."""

    def __init__(self, home: Path, port: int, hostd: FakeHostd) -> None:
        self.home, self.port, self.hostd = home, port, hostd
        self.work = home / "work"

    def url(self, app="hello", token: str | None = TOKEN):
        whom = f"x:{token}@" if token else ""
        return f"http://{whom}127.0.0.1:{self.port}/{app}.git"

    async def git(self, *words, **env):
        known = {"HOME": str(self.home), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": "/dev/null", **env}
        process = await asyncio.create_subprocess_exec(
            "git", "-c", "user.name=x", "-c", "user.email=x@y", *map(str, words), cwd=self.work,
            env={**os.environ, **known}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return SimpleNamespace(status=process.returncode, out=out.decode(), err=err.decode())


@asynccontextmanager
async def running(tmp_path: Path, hook: str = "cat > /dev/null; echo '-----> Building'"):
    programs, repository, work = tmp_path / "bin", tmp_path / "repo.git", tmp_path / "work"
    programs.mkdir()
    script = programs / "hostd-pre-receive"
    script.write_text(f"#!/bin/sh\n{hook}\n")
    script.chmod(0o755)
    write_hooks(hooks_directory(programs), script)
    for words in (["--bare", str(repository)], [str(work)]):
        subprocess.run(["git", "init", "-q", "-b", "main", *words], check=True)
    listener = socket.create_server(("127.0.0.1", 0))
    hostd = FakeHostd(repository)
    service = Service(hostd, programs, {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, Origins(None))
    runner = await listen(service, listener)
    rig = Rig(tmp_path, listener.getsockname()[1], hostd)
    (work / "app.py").write_text("print(1)\n")
    await rig.git("add", ".")
    assert (await rig.git("commit", "-q", "-m", "first")).status == 0
    try:
        yield rig
    finally:
        await runner.cleanup()


async def test_a_push_says_what_is_built_and_can_be_cloned(tmp_path):
    async with running(tmp_path, hook="cat; echo $HOSTD_USER $HOSTD_DOOR $HOSTD_ADDRESS $HOSTD_AUTHORIZATION") as rig:
        pushed = await rig.git("push", rig.url(), "main")
        assert pushed.status == 0, pushed.err
        assert "remote: you@example.com loopback 127.0.0.1 auth-1" in pushed.err
        cloned = await rig.git("clone", rig.url(), rig.home / "clone", GIT_TRACE_PACKET="1")
        assert cloned.status == 0, cloned.err
        assert "version 2" in cloned.err
        assert (rig.home / "clone" / "app.py").read_text() == "print(1)\n"
        old = await rig.git("-c", "protocol.version=0", "ls-remote", rig.url())
        assert "refs/heads/main" in old.out
        assert {asked["service"] for asked in rig.hostd.asked} == {"git-receive-pack", "git-upload-pack"}


@pytest.mark.thorough
async def test_a_large_push_comes_in_chunks(tmp_path):
    async with running(tmp_path) as rig:
        (rig.work / "noise").write_bytes(os.urandom(3 << 20))
        await rig.git("add", ".")
        await rig.git("commit", "-q", "-m", "large")
        pushed = await rig.git("-c", "http.postBuffer=65536", "push", rig.url(), "main", GIT_TRACE_CURL="1")
        assert pushed.status == 0, pushed.err[-2000:]
        assert "Transfer-Encoding: chunked" in pushed.err


async def test_a_rejected_push_says_why_and_leaves_nothing(tmp_path):
    async with running(tmp_path, hook="echo ' !     pip failed'; exit 1") as rig:
        pushed = await rig.git("push", rig.url(), "main")
        assert pushed.status == 1
        assert "remote:  !     pip failed" in pushed.err
        assert "pre-receive hook declined" in pushed.err
        assert not list((rig.home / "repo.git").glob("objects/tmp_objdir-incoming-*"))


@pytest.mark.parametrize(
    ("trouble", "status", "said"),
    [
        (Forbidden("You may see hello, and not push to it."), 403, "You may see hello, and not push to it."),
        (RateLimited("Too many wrong tokens came from your address."), 429, "Too many wrong tokens"),
        (Unavailable("/secret/path"), 503, "The platform does not answer now."),
    ],
)
async def test_a_refusal_is_told_in_its_words(tmp_path, trouble, status, said):
    async with running(tmp_path) as rig:
        rig.hostd.trouble = trouble
        pushed = await rig.git("push", rig.url(), "main")
        assert pushed.status == 128
        assert f"remote: {said}" in pushed.err
        assert str(status) in pushed.err
        assert "/secret" not in pushed.err


async def test_who_has_no_token_or_a_wrong_one_is_asked_for_one(tmp_path):
    async with running(tmp_path) as rig:
        for token, said in ((None, "could not read Username"), ("wrong", "Authentication failed")):
            pushed = await rig.git("push", rig.url(token=token), "main")
            assert pushed.status == 128
            assert said in pushed.err
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{rig.url(token=None)}/info/refs?service=git-upload-pack") as answer,
        ):
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
            assert answer.headers["Server"] == "hostd"
        unknown = await rig.git("ls-remote", rig.url("nope"))
        assert "remote: Couldn't find that app: 'nope'." in unknown.err


async def test_what_git_would_never_send_is_no_fault_of_ours(tmp_path, caplog):
    async with running(tmp_path) as rig, aiohttp.ClientSession() as http:
        for service in ("git-receive-pack", "git-upload-pack"):
            headers = {"Content-Type": f"application/x-{service}-request"}
            async with http.post(f"{rig.url()}/{service}", data=b"garbage", headers=headers) as answer:
                assert (answer.status, await answer.text()) == (400, "The request is not what git sends.\n")
    assert caplog.text == ""


async def pushing(rig: Rig) -> asyncio.subprocess.Process:
    """A push whose hook has begun."""
    process = await asyncio.create_subprocess_exec(
        "git", "push", rig.url(), "main", cwd=rig.work, stderr=subprocess.PIPE,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0"}, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    while b"begun" not in await process.stderr.readline():
        pass
    return process


async def test_a_pusher_who_leaves_takes_git_and_its_hook_along(tmp_path):
    pids = tmp_path / "pids"
    hook = f"cat > /dev/null; sleep 600 & echo $PPID $$ $! > {pids}; echo begun; wait"
    async with running(tmp_path, hook=hook) as rig:
        process = await pushing(rig)
        assert [runs(pid) for pid in pids.read_text().split()] == [True] * 3
        os.killpg(process.pid, signal.SIGKILL)  # git and its helper, as Ctrl-C on a terminal
        await process.wait()
        async with asyncio.timeout(60):
            while any(map(runs, pids.read_text().split())) or list(
                (rig.home / "repo.git").glob("objects/tmp_objdir-incoming-*")
            ):
                await asyncio.sleep(0.05)


def runs(pid: str) -> bool:
    """Whether a process is there and has not ended (proc(5), stat)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_pusher_whose_git_is_ended_is_told_so(tmp_path):
    leader = tmp_path / "leader"
    async with running(tmp_path, hook=f"cat > /dev/null; echo $PPID > {leader}; echo begun; sleep 600 & wait") as rig:
        process = await pushing(rig)
        os.kill(int(leader.read_text()), signal.SIGTERM)  # as when the right to push is taken away
        _, said = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode != 0
        assert b"RPC failed" in said


async def test_who_has_too_much_under_way_waits_for_a_turn_and_then_is_told_to_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr("hostd.git_https.service.AT_ONCE_EACH", 1)
    hook = f"cat > /dev/null; echo begun; read line < {tmp_path}/go"
    os.mkfifo(tmp_path / "go")
    async with running(tmp_path, hook=hook) as rig:
        process = await pushing(rig)
        waiting = asyncio.create_task(rig.git("ls-remote", rig.url()))
        while len(rig.hostd.asked) < 3:
            await asyncio.sleep(0.01)
        await asyncio.to_thread((tmp_path / "go").write_text, "on\n")
        assert (await asyncio.wait_for(waiting, 60)).status == 0
        await process.communicate()
        assert process.returncode == 0
        monkeypatch.setattr("hostd.git_https.service.AT_ONCE_EACH", 0)
        monkeypatch.setattr("hostd.git_https.service.TURN_SECONDS", 0.01)
        refused = await rig.git("ls-remote", rig.url())
        assert "remote: you@example.com has too many pushes and fetches at once." in refused.err


@pytest.mark.thorough
async def test_a_push_that_is_too_large_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr("hostd.ssh.git.LARGEST_PUSH", 1 << 20)
    async with running(tmp_path) as rig:
        (rig.work / "noise").write_bytes(os.urandom(3 << 20))
        await rig.git("add", ".")
        await rig.git("commit", "-q", "-m", "large")
        pushed = await asyncio.wait_for(rig.git("push", rig.url(), "main"), 60)
        assert pushed.status != 0
        assert "pack exceeds maximum allowed size" in pushed.err


@pytest.mark.thorough
def test_the_process_says_how_it_is_started():
    ran = subprocess.run([sys.executable, "-m", "hostd.git_https.daemon"], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "systemctl start hostd-git.socket" in ran.stderr
