"""run:inside, ps:exec, ps:copy and ps:forward, against an attach socket that runs commands without a sandbox."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cli_fakes import FakeHostd, as_a_program, dyno, hostctl

from hostd.cli.command import Usage
from hostd.cli.copy import amount
from hostd.cli.forward import Pair, pairs_of, relay

PROGRAM = "import sys; from hostd.cli import main; sys.exit(main())"


@dataclass
class FakeDoor:
    """The attach socket: runs `script` on the descriptors it is given, or hands a connection to `port` over."""

    path: Path
    script: str = "cat"
    port: int = 0
    asked: list[dict[str, object]] = field(default_factory=list)

    def __enter__(self) -> FakeDoor:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        line, fds, _, _ = socket.recv_fds(client, 4096, 3)
        self.asked.append(json.loads(line))
        if self.asked[-1].get("forward"):
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as made:
                    socket.send_fds(client, [b'{"state": "up"}\n'], [made.fileno()])
            except ConnectionRefusedError:
                client.sendall(b'{"error": "Nothing listens on port 5000 in web.1."}\n')
            return
        child = subprocess.Popen(["sh", "-c", self.script], stdin=fds[0], stdout=fds[1], stderr=fds[2])
        for descriptor in fds:
            os.close(descriptor)
        client.sendall(b'{"state": "up"}\n')
        status = json.dumps({"exit": child.wait()}).encode()
        with contextlib.suppress(BrokenPipeError):
            client.sendall(status + b"\n")


@pytest.fixture
def fake(tmp_path) -> Iterator[FakeHostd]:
    made = (201, dyno("web.1", attach_url="hostd-attach:t0ken"))
    base = "/apps/hello/dynos/web.1"
    fake = FakeHostd(tmp_path).on(f"GET {base}", (200, dyno("web.1")))
    for path in (base, f"{base}/actions/copy", f"{base}/actions/forward"):
        fake.on(f"POST {path}", made)
    with fake.serving() as running:
        yield running


@pytest.fixture
def door(fake, tmp_path) -> Iterator[FakeDoor]:
    with FakeDoor(tmp_path / "attach.sock") as running:
        yield running


def run(tmp_path: Path, *words: str, **how: object) -> subprocess.CompletedProcess[bytes]:
    env = as_a_program(tmp_path)
    argv = [sys.executable, "-c", PROGRAM, *words]
    return subprocess.run(argv, env=env, capture_output=True, check=False, timeout=30, cwd=tmp_path, **how)


def test_a_command_inside_a_dyno(tmp_path, fake, door):
    door.script = "tr a-z A-Z; exit 3"
    done = run(tmp_path, "run:inside", "-a", "hello", "-e", "A=1", "web.1", "rake", "x y", input=b"in\n")
    assert (done.returncode, done.stdout) == (3, b"IN\n")
    assert fake.requests[-1].json == {"command": "rake 'x y'", "env": {"A": "1"}}
    assert b"Running `rake 'x y'` inside web.1... up, web.1" in done.stderr


def test_a_shell_is_what_is_executed_if_nothing_is_said(tmp_path, fake, door):
    assert run(tmp_path, "ps:exec", "-a", "hello", "--time-limit", "1m", input=b"").returncode == 0
    assert fake.requests[-1].json == {"command": "bash", "env": {}, "time_to_live": 60}


def test_a_file_is_copied_here(tmp_path, fake, door):
    content = os.urandom(3_000_000)
    (tmp_path / "content").write_bytes(content)
    door.script = f"echo {len(content)}; cat {tmp_path}/content"
    done = run(tmp_path, "ps:copy", "log/debug.log", "-a", "hello")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"Copying log/debug.log from web.1 to debug.log... done, 2.9 MB\n"
    assert (tmp_path / "debug.log").read_bytes() == content
    assert fake.requests[-1].json == {"path": "log/debug.log", "archive": False}


@pytest.mark.parametrize(
    "script, said",
    [
        ("echo 'x: there is no such file' >&2; exit 1", b"there is no such file"),
        ("echo 10; printf short", b"It became shorter meanwhile: 5 B came instead of 10 B."),
        ("echo 10; printf short; exit 9", b"It ended with status 9 after 5 B."),
        ("echo 10; exec cat /dev/zero", b"More came than the 10 B that it has."),
    ],
)
def test_a_copy_that_fails_changes_nothing(tmp_path, fake, door, script, said):
    door.script = script
    (tmp_path / "x").write_text("as before")
    before = sorted(tmp_path.iterdir())
    done = run(tmp_path, "ps:copy", "x", "-a", "hello")
    assert done.returncode == 1 and said in done.stderr
    assert (tmp_path / "x").read_text() == "as before"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.thorough
def test_where_a_copy_goes(tmp_path, fake, door):
    door.script = "echo -; printf archive"
    assert run(tmp_path, "ps:copy", "--tar", "tmp/", "-a", "hello").returncode == 0
    assert (tmp_path / "tmp.tar").read_text() == "archive"
    assert run(tmp_path, "ps:copy", "x", "-o", "-", "-a", "hello").stdout == b"archive"
    nowhere = hostctl(tmp_path, "ps:copy", "/", "-a", "hello")
    assert nowhere.status == 2 and "--output FILE" in nowhere.err
    unwritable = run(tmp_path, "ps:copy", "x", "-o", "none/x", "-a", "hello")
    assert unwritable.returncode == 1 and b"none/x cannot be written" in unwritable.stderr


def test_over_ssh_a_copy_comes_on_standard_output(tmp_path, fake, door):
    refused = hostctl(tmp_path, "ps:copy", "x", "-o", "here", "-a", "hello", user="you@example.com")
    assert refused.status == 2 and "leave out --output" in refused.err


def test_amounts():
    assert [amount(count) for count in (0, 1023, 1024, 5 << 20, 3 << 40)] == [
        "0 B", "1023 B", "1.0 KB", "5.0 MB", "3072.0 GB",
    ]  # fmt: skip


def test_ports():
    assert pairs_of(["5678", "80:5000,9010"]) == [Pair(5678, 5678), Pair(80, 5000), Pair(9010, 9010)]
    for wrong in ("", "0", "65536", "a", "1:", ":1", "1:2:3", "²"):
        with pytest.raises(Usage, match="not a port"):
            pairs_of([wrong])


def test_both_ways_end_apart():
    """What was sent last arrives although the other side has nothing more to say."""
    (client, one), (other, server) = socket.socketpair(), socket.socketpair()
    relaying = threading.Thread(target=relay, args=(one, other))
    relaying.start()
    with client, server:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        with server.makefile("rb") as asked:
            assert asked.read() == b"question"
        server.sendall(b"answer")
        server.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as answered:
            assert answered.read() == b"answer"
    relaying.join(10)
    assert not relaying.is_alive()


def test_a_port_is_forwarded_until_ctrl_c(tmp_path, fake, door):
    with socket.create_server(("127.0.0.1", 0)) as inside, socket.create_server(("127.0.0.1", 0)) as free:
        door.port, local = inside.getsockname()[1], free.getsockname()[1]
        free.close()
        env = as_a_program(tmp_path)
        words = ["ps:forward", f"{local}:5000", "-a", "hello"]
        argv = ["env", "--default-signal=INT", sys.executable, "-c", PROGRAM, *words]
        with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE) as forwarding:
            assert forwarding.stderr is not None
            while b"Ctrl-C" not in forwarding.stderr.readline():
                continue
            with socket.create_connection(("127.0.0.1", local)) as client:
                server, _ = inside.accept()
                with server:
                    client.sendall(b"ping")
                    assert server.recv(10) == b"ping"
                    server.sendall(b"pong")
                    assert client.recv(10) == b"pong"
            inside.close()
            with socket.create_connection(("127.0.0.1", local)) as client:
                assert client.recv(10) == b""
            assert b"Nothing listens on port 5000 in web.1." in forwarding.stderr.readline()
            forwarding.send_signal(2)
            assert forwarding.wait(10) == 0
    assert fake.requests[-1].json == {"port": 5000}
    assert door.asked[0] == {"token": "t0ken", "forward": True}
