"""Real git pushes, clones and hostctl commands through the forced command and the hook.

sshd is left out (a script stands in for the ssh client) and hostd is a fake; git is real.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cli_fakes import FakeHostd, Handler, Request, app

from hostd.ssh.hooks import hooks_directory, write_hooks
from tests.support.waiting import wait_until

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
PROGRAM = """#!{python}
import sys
sys.path.insert(0, {root!r})
from hostd.ssh.{module} import main
sys.exit(main())
"""
SSH = """#!/bin/sh
# ssh [options] host command: runs the command as sshd would run the forced one.
while [ "$1" != host ]; do shift; done
shift
exec env -i HOME={home} HOSTD_RUN_DIR={home} SSH_ORIGINAL_COMMAND="$*" GIT_PROTOCOL="$GIT_PROTOCOL" \\
    LD_LIBRARY_PATH=sent {home}/bin/hostd-ssh you@example.com
"""
RELEASED = b'\0{"status": "released", "version": 12, "reason": null}\n'


class Remote:
    """The server's side of the tests, and a checkout that pushes to it."""

    def __init__(self, home: Path, fake: FakeHostd) -> None:
        self.home, self.fake = home, fake
        self.repository, self.work = home / "repo.git", home / "work"
        self.trees: list[bytes] = []
        (home / "bin").mkdir()
        for name, module in (("hostd-ssh", "command"), ("hostd-pre-receive", "pre_receive")):
            self.script(home / "bin" / name, PROGRAM.format(python=sys.executable, root=str(ROOT), module=module))
        self.script(home / "ssh", SSH.format(home=home))
        write_hooks(hooks_directory(home / "bin"), home / "bin" / "hostd-pre-receive")
        git("init", "-q", "--bare", "-b", "main", str(self.repository))
        git("init", "-q", "-b", "main", str(self.work))
        self.commit("app.py", "print(1)\n")
        fake.on("POST /hostd/ssh/repositories", (200, {"path": str(self.repository), "app_id": "app-1"}))
        fake.on("POST /hostd/pushes", self.deploying(b"-----> Building\n", RELEASED))

    def script(self, file: Path, text: str) -> None:
        file.write_text(text)
        file.chmod(0o755)

    def commit(self, name: str, text: str) -> None:
        (self.work / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", name)

    def git(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return git(*words, cwd=self.work, check=check, GIT_SSH=str(self.home / "ssh"), GIT_SSH_VARIANT="simple")

    def push(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.git("push", "host:hello.git", *words, check=False)

    def deploying(self, *pieces: bytes):
        def deploy(handler: Handler, _request: Request) -> None:
            handler.begin_stream()
            self.trees.append(handler.read_chunks())
            for piece in pieces:
                handler.chunk(piece)
            handler.chunk(b"")

        return deploy

    def refs(self) -> set[str]:
        return set(git("for-each-ref", "--format=%(refname)", cwd=self.repository).stdout.split())

    def asked(self) -> list[Request]:
        return [request for request in self.fake.requests if request.target.startswith("/hostd/pushes?")]


def git(*words: str, cwd: Path | None = None, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    who = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@x", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@x"}
    clean = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", **who, **env}
    return subprocess.run(["git", *words], cwd=cwd, env=clean, capture_output=True, text=True, check=check)


@pytest.fixture
def remote(tmp_path):
    with FakeHostd(tmp_path).serving() as fake:
        yield Remote(tmp_path, fake)


def test_a_push_is_deployed_and_its_output_shown(remote):
    done = remote.push("main")
    assert done.returncode == 0, done.stderr
    assert "remote: -----> Building" in done.stderr
    assert "status" not in done.stderr
    (asked,) = remote.asked()
    head = remote.git("rev-parse", "HEAD").stdout.strip()
    assert "app=app-1" in asked.target
    assert f"commit={head}&ref=refs%2Fheads%2Fmain" in asked.target
    assert "user=you%40example.com" in asked.target
    with tarfile.open(fileobj=io.BytesIO(remote.trees[0])) as tree:
        assert tree.getnames() == ["pax_global_header", "app.py"] or tree.getnames() == ["app.py"]
    assert remote.refs() == {"refs/heads/main"}


def test_master_other_branches_tags_and_force(remote):
    assert remote.push("main:master").returncode == 0
    assert git("symbolic-ref", "HEAD", cwd=remote.repository).stdout == "refs/heads/master\n"
    done = remote.push("main:fix")
    assert done.returncode == 0
    assert "-----> Branch fix stored. Only main or master deploys: git push <remote> fix:main" in done.stderr
    remote.git("tag", "v1")
    assert "stored" not in remote.push("v1").stderr
    assert len(remote.asked()) == 1
    remote.git("commit", "-q", "--amend", "-m", "other")
    assert remote.push("main:master").returncode == 1
    assert remote.push("-f", "main:master").returncode == 0
    assert remote.push("--delete", "fix").returncode == 0
    assert "Everything up-to-date" in remote.push("main:master").stderr
    assert len(remote.asked()) == 2
    assert remote.refs() == {"refs/heads/master", "refs/tags/v1"}


def test_main_and_master_at_once_and_deletion_are_refused(remote):
    done = remote.push("main:main", "main:master")
    assert done.returncode == 1
    assert "remote:  !     Push rejected: main and master both deploy" in done.stderr
    assert remote.refs() == set()
    remote.push("main")
    assert "cannot be deleted" in remote.push("--delete", "main").stderr
    assert remote.refs() == {"refs/heads/main"}


def test_a_failed_build_rejects_the_push_and_leaves_nothing(remote):
    rejected = b'\0{"status": "rejected", "version": null, "reason": "pip failed"}\n'
    remote.fake.on("POST /hostd/pushes", remote.deploying(b"pip: no\n !     pip failed\n", rejected))
    done = remote.push("main")
    assert done.returncode == 1
    assert "[remote rejected] main -> main (pre-receive hook declined)" in done.stderr
    assert done.stderr.count("pip failed") == 1
    assert remote.refs() == set()
    assert not list((remote.repository / "objects").glob("[0-9a-f][0-9a-f]"))
    remote.fake.on("POST /hostd/pushes", remote.deploying(b"unfinished line", rejected))
    assert "remote: unfinished line" in (said := remote.push("main").stderr)
    assert "remote:  !     pip failed" in said


def test_a_refusal_before_the_tree_is_read(remote):
    remote.commit("large", "x" * 5_000_000)
    busy = (409, {"id": "busy", "message": "kate@example.com is deploying 20a5742 to hello."})
    remote.fake.on("POST /hostd/pushes", busy)
    done = remote.push("main")
    assert done.returncode == 1
    assert "remote:  !     Push rejected: kate@example.com is deploying 20a5742 to hello." in done.stderr


def test_odd_output_comes_through(remote):
    long = b"x" * 10_000_000
    remote.fake.on("POST /hostd/pushes", remote.deploying(b"\xff\xfe bytes\n", long, b"\n", b"end\n", RELEASED))
    done = subprocess.run(
        ["git", "push", "host:hello.git", "main"], cwd=remote.work, capture_output=True,
        env={**os.environ, "GIT_SSH": str(remote.home / "ssh"), "GIT_SSH_VARIANT": "simple"},
    )  # fmt: skip
    assert done.returncode == 0
    assert b"\xff\xfe bytes" in done.stderr
    # Beyond 8 MiB git's own client cuts a line (MAX_IO_SIZE of its xwrite).
    assert done.stderr.count(b"x") > 8_000_000
    assert b"remote: end" in done.stderr


def test_all_files_are_deployed_whatever_the_attributes_say(remote):
    remote.commit(".gitattributes", "tests export-ignore\nversion export-subst\n")
    remote.commit("tests", "t")
    remote.commit("version", "$Format:%H$")
    assert remote.push("main").returncode == 0
    with tarfile.open(fileobj=io.BytesIO(remote.trees[0])) as tree:
        assert {"tests", "version", ".gitattributes"} <= set(tree.getnames())
        assert tree.extractfile("version").read() == b"$Format:%H$"


def link(remote: Remote, path: str) -> None:
    remote.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{path}")
    remote.git("commit", "-q", "-m", path)


def test_commits_of_submodules_go_along(remote):
    remote.commit(".gitmodules", '[submodule "x"]\n\tpath = lib/é\n\turl = https://example.com/x\n')
    link(remote, "lib/é")
    done = remote.push("main")
    assert (done.returncode, "Warning" in done.stderr) == (0, False)
    query = parse_qs(urlsplit(remote.fake.requests[-1].target).query)
    assert json.loads(query["submodules"][0]) == {"lib/é": "1" * 40}


def test_repository_within_the_repository_is_warned_of(remote):
    link(remote, "inner")
    done = remote.push("main")
    assert done.returncode == 0
    assert "Warning: inner: a repository inside this one" in done.stderr
    assert "submodules" not in remote.fake.requests[-1].target


def test_more_submodules_than_a_push_can_tell_of(remote):
    remote.commit(".gitmodules", "")
    for number in range(80):
        remote.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib/{number}")
    remote.git("commit", "-q", "-m", "many")
    done = remote.push("main")
    assert done.returncode != 0
    assert "Push rejected: 80 submodules are more than a push can tell of. Deploy with git:sync" in done.stderr


def broken(handler: Handler, _request: Request) -> None:
    handler.begin_stream()
    handler.read_chunks()
    handler.chunk(b"-----> Building\n")
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ([(200, {"status": "running"}), (200, {"status": "released", "version": 7})], 0, "the push is released: v7"),
        ([(200, {"status": "rejected", "reason": "the build was interrupted"})], 1, "the build was interrupted"),
        ([(404, {"id": "not_found", "message": "There was no such push."})], 1, "Push again."),
    ],
)
def test_a_lost_connection_is_asked_after(remote, answers, status, said):
    remote.fake.on("POST /hostd/pushes", broken)

    def forward(handler: Handler, request: Request) -> None:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        asked.append(request.target)
        handler.say(answer[0], answer[1], {})

    asked: list[str] = []
    original = remote.fake.answers.get

    class Table(dict):
        def get(self, key, default=None):
            return [forward] if key.startswith("GET /hostd/pushes/") else original(key, default)

    remote.fake.answers = Table()
    done = remote.push("main")
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr
    push = remote.asked()[0].target.partition("push=")[2].partition("&")[0]
    assert asked[-1] == f"/hostd/pushes/{push}"
    assert remote.refs() == ({"refs/heads/main"} if status == 0 else set())


def test_the_daemon_is_told_when_the_pusher_goes_away(remote):
    begun, gone = threading.Event(), threading.Event()

    def building(handler: Handler, _request: Request) -> None:
        handler.begin_stream()
        handler.read_chunks()
        handler.chunk(b"-----> A long and quiet build\n")
        begun.set()
        if handler.connection.recv(1) == b"":
            gone.set()
        handler.close_connection = True

    remote.fake.on("POST /hostd/pushes", building)
    child = subprocess.Popen(
        ["env", "--default-signal=INT", "git", "push", "host:hello.git", "main"],
        cwd=remote.work, stderr=subprocess.DEVNULL, process_group=0,
        env={**os.environ, "GIT_SSH": str(remote.home / "ssh"), "GIT_SSH_VARIANT": "simple"},
    )  # fmt: skip
    assert begun.wait(10)
    os.kill(child.pid, signal.SIGINT)
    child.wait(10)
    assert gone.wait(10)
    assert remote.refs() == set()
    wait_until(lambda: not list(remote.repository.glob("objects/*incoming*")))


def test_clone_and_fetch(remote, tmp_path):
    remote.push("main")
    done = git("clone", "-q", "host:hello.git", str(tmp_path / "copy"),
               GIT_SSH=str(remote.home / "ssh"), GIT_SSH_VARIANT="simple")  # fmt: skip
    assert done.returncode == 0
    assert (tmp_path / "copy" / "app.py").exists()
    assert remote.fake.requests[-1].json["service"] == "git-upload-pack"


def test_an_unknown_app_and_a_missing_right_are_one_line(remote):
    remote.fake.on("POST /hostd/ssh/repositories", (404, {"id": "not_found", "message": "Couldn't find that app."}))
    assert " !    Couldn't find that app: hello." in remote.push("main").stderr
    remote.fake.on(
        "POST /hostd/ssh/repositories",
        (403, {"id": "forbidden", "message": "You may view hello."}),
    )
    assert remote.push("main").stderr.startswith(" !    You may view hello.\n")


def test_an_installation_without_the_hook_takes_no_push(remote):
    (hooks_directory(remote.home / "bin") / "pre-receive").unlink()
    done = remote.push("main")
    assert done.returncode != 0
    assert "no git hook" in done.stderr
    assert remote.refs() == set()


def ssh(remote: Remote, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(remote.home / "ssh"), "host", *words], capture_output=True, text=True, input="")


def test_commands_run_as_the_keys_user(remote):
    remote.fake.on("GET /users/~/apps", (200, [app()])).on("GET /account", (200, {"email": "you@example.com"}))
    done = ssh(remote, "apps")
    assert (done.returncode, done.stdout) == (0, "=== you@example.com Apps\n\nhello\n\n")
    assert {request.headers["Hostd-User"] for request in remote.fake.requests} == {"you@example.com"}
    assert ssh(remote, "nope").returncode == 2
    assert ssh(remote, "ps; touch /tmp/hostd-shell").stderr.startswith(" !    ps; is not a command.")


def test_no_command_is_a_greeting_and_no_shell(remote):
    done = ssh(remote)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Hi you@example.com: ")
    assert ssh(remote, "git-upload-archive 'hello.git'").returncode == 2
    assert ssh(remote, "'").stderr.startswith(" !    The command cannot be read")
