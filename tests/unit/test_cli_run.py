"""run: terminals, pipes, exit statuses and breaks, with real ptys and processes.

The attach server here is a fake: it takes the descriptors and runs the command without any sandbox.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cli_fakes import FakeHostd, as_a_program, dyno, hostctl

from hostd.cli.run import command_line, environment

PROGRAM = "import sys; from hostd.cli import main; sys.exit(main())"
DEFAULT_SIGNALS = ["env", "--default-signal=INT"]
"""A test run in the background of a shell ignores Ctrl-C, and so would its children."""


@dataclass
class FakeAttach:
    """Serves the attach socket; `break_off` hangs up as a killed hostd would, and the command goes on."""

    path: str
    command: Callable[[], list[str]]
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)
    tokens: list[dict[str, object]] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    connections: list[socket.socket] = field(default_factory=list)
    broken_off: bool = False
    forgotten: bool = False

    def __enter__(self) -> FakeAttach:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        for connection in self.connections:
            connection.close()

    def break_off(self) -> None:
        self.broken_off = True
        self.connections[0].shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.connections.append(connection)
            line, fds, _, _ = socket.recv_fds(connection, 4096, 3)
            request = json.loads(line)
            self.tokens.append(request)
            if request["token"] == "expired" or self.forgotten:
                connection.sendall(b'{"error": "too late (R13)"}\n')
                connection.close()
                list(map(os.close, fds))
                return
            if request.get("resume"):
                connection.sendall(b'{"state": "up"}\n')
                self._tell_end(connection, self.children[0])
                return
            stdio = fds * 3 if request["tty"] else fds
            setsid = ["setsid", "--ctty"] if request["tty"] else []
            child = subprocess.Popen(
                [*setsid, *DEFAULT_SIGNALS, *self.command()], stdin=stdio[0], stdout=stdio[1], stderr=stdio[2]
            )
            self.children.append(child)
            for descriptor in fds:
                os.close(descriptor)
            connection.sendall(b'{"state": "up"}\n')
            threading.Thread(target=self._watch, args=(connection, child), daemon=True).start()
            self._tell_end(connection, child)

    def _tell_end(self, connection: socket.socket, child: subprocess.Popen[bytes]) -> None:
        status = child.wait()
        connection.sendall(json.dumps({"exit": status if status >= 0 else 128 - status}).encode() + b"\n")
        connection.close()

    def _watch(self, connection: socket.socket, child: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(OSError):
            if connection.recv(1) == b"" and not self.broken_off:
                self.hung_up.set()
                child.kill()


@pytest.fixture
def fake(tmp_path) -> Iterator[FakeHostd]:
    def create(handler, request):
        request.body = handler.rfile.read(int(handler.headers["Content-Length"]))
        asked.append(request.json)
        handler.say(201, dyno("run.8963", attach_url=f"hostd-attach:{token[0]}"), {})

    asked: list[dict[str, object]] = []
    token = ["t0ken"]
    with FakeHostd(tmp_path).on("POST /apps/hello/dynos", create).serving() as running:
        running.asked_for, running.token = asked, token  # type: ignore[attr-defined]
        yield running


@pytest.fixture
def attach(fake, tmp_path) -> Iterator[FakeAttach]:
    with FakeAttach(str(tmp_path / "attach.sock"), lambda: ["bash", "-c", fake.asked_for[-1]["command"]]) as running:
        yield running


def spawn(tmp_path: Path, *words: str, **streams: int) -> subprocess.Popen[bytes]:
    env = as_a_program(tmp_path, TERM="xterm")
    line = [*DEFAULT_SIGNALS, sys.executable, "-c", PROGRAM, "run", "-a", "hello", *words]
    return subprocess.Popen(line, env=env, **streams)


class Terminal:
    """A terminal with somebody at it."""

    def __init__(self, rows: int = 40, columns: int = 100) -> None:
        self.main, self.other = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.other)
        self.seen = b""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: bytes) -> None:
        os.write(self.main, text)

    def wait_for(self, text: bytes, seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.main], [], [], 0.1)[0]:
                self.seen += os.read(self.main, 4096)

    def run(self, tmp_path: Path, *words: str) -> subprocess.Popen[bytes]:
        # A session of its own with this as its terminal, so that resizing signals it as it would a user's.
        env = as_a_program(tmp_path, TERM="xterm")
        line = ["setsid", "--ctty", *DEFAULT_SIGNALS, sys.executable, "-c", PROGRAM, "run", "-a", "hello", *words]
        return subprocess.Popen(line, env=env, stdin=self.other, stdout=self.other, stderr=self.other)


def test_command_lines():
    assert command_line(["echo $PORT | cat"]) == "echo $PORT | cat"
    assert command_line(["python", "-c", "print('a b')"]) == "python -c 'print('\"'\"'a b'\"'\"')'"
    assert environment(["A=1;B=x=y", "C="]) == {"A": "1", "B": "x=y", "C": ""}


@pytest.mark.parametrize("words", [[""], ["-e", "A", "true"]])
def test_wrong_command_lines(tmp_path, words):
    assert hostctl(tmp_path, "run:detached", "-a", "hello", *words).status == 2


def test_pipes_are_passed_on_and_so_is_the_status(fake, attach, tmp_path):
    child = spawn(tmp_path, "cat; echo bad >/dev/stderr; exit 42", stdin=-1, stdout=-1, stderr=-1)
    out, err = child.communicate(b"in\xff\n" * 100_000, timeout=20)
    assert (child.returncode, out) == (42, b"in\xff\n" * 100_000)
    assert err == b"Running `cat; echo bad >/dev/stderr; exit 42` attached to terminal... up, run.8963\nbad\n"
    assert attach.tokens == [{"token": "t0ken", "tty": False}]
    assert fake.asked_for == [{"command": "cat; echo bad >/dev/stderr; exit 42", "attach": True, "env": {}}]


def test_output_and_errors_in_one_pipe_keep_their_order(fake, attach, tmp_path):
    child = spawn(tmp_path, "for i in 1 2 3; do echo out; echo err >&2; done", stdin=-3, stdout=-1, stderr=-2)
    out, _ = child.communicate(timeout=10)
    assert b"".join(out.splitlines(keepends=True)[-6:]) == b"out\nerr\n" * 3


def test_sockets_are_copied_through_pipes(fake, attach, tmp_path):
    # sshd gives sockets to commands; with them `echo > /dev/stdout` would fail.
    ours, theirs = socket.socketpair()
    child = spawn(tmp_path, "echo out >/dev/stdout; cat", stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=-1)
    theirs.close()
    ours.sendall(b"typed")
    ours.shutdown(socket.SHUT_WR)
    said = b""
    while data := ours.recv(100):
        said += data
    ours.close()
    assert (child.wait(10), said) == (0, b"out\ntyped")
    child.stderr.close()


def test_a_client_that_goes_away_hangs_up(fake, attach, tmp_path):
    ours, theirs = socket.socketpair()
    child = spawn(tmp_path, "sleep 60", stdin=subprocess.DEVNULL, stdout=theirs.fileno(), stderr=-1)
    theirs.close()
    while b"up, run.8963" not in child.stderr.readline():
        continue
    ours.close()
    assert attach.hung_up.wait(10)
    assert child.wait(10) == 0
    child.stderr.close()


def test_a_token_that_has_expired(fake, attach, tmp_path):
    fake.token[0] = "expired"
    child = spawn(tmp_path, "true", stdin=-1, stdout=-1, stderr=-1)
    _, err = child.communicate(timeout=10)
    assert (child.returncode, err) == (1, b"Running `true` attached to terminal... failed\n !    too late (R13)\n")


def test_ctrl_c_in_pipes_ends_with_130(fake, attach, tmp_path):
    child = spawn(tmp_path, "sleep 60", stdin=subprocess.DEVNULL, stdout=-1, stderr=-1)
    while b"up, run.8963" not in child.stderr.readline():
        continue
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 130
    assert child.stderr.read() == b""
    assert attach.hung_up.wait(10)
    child.stdout.close()
    child.stderr.close()


def test_a_shell_on_a_terminal(fake, attach, tmp_path):
    terminal = Terminal()
    child = terminal.run(tmp_path, "bash", "--norc", "--noediting")
    terminal.wait_for(b"up, run.8963")
    terminal.type(b"stty size; tty; echo T=$TERM\n")
    terminal.wait_for(b"40 100\r\n")
    terminal.wait_for(b"/dev/pts/")
    terminal.resize(50, 200)
    terminal.type(b"sleep 0.2; stty size\n")
    terminal.wait_for(b"50 200\r\n")
    terminal.type(b"sh -c 'echo re\"\"ady; exec cat'\n")
    terminal.wait_for(b"ready\r\n")
    terminal.type(b"\x03")
    terminal.wait_for(b"^C\r\n")
    terminal.type(b"echo status $?\n")
    terminal.wait_for(b"status 130")
    terminal.type(b"exit 7\n")
    assert child.wait(10) == 7
    assert termios.tcgetattr(terminal.other) == terminal.before
    assert fake.asked_for[0]["env"] == {"TERM": "xterm"}
    assert attach.tokens[0]["tty"] is True


def test_all_output_arrives_before_the_end(fake, attach, tmp_path):
    terminal = Terminal()
    child = terminal.run(tmp_path, "seq 1 20000; echo the ''end; exit 3")
    terminal.wait_for(b"the end")
    assert terminal.seen.count(b"\r\n") >= 20001
    assert child.wait(10) == 3


def test_a_terminal_is_put_back_when_we_are_ended(fake, attach, tmp_path):
    terminal = Terminal()
    child = terminal.run(tmp_path, "echo re''ady; sleep 60")
    terminal.wait_for(b"ready")
    assert termios.tcgetattr(terminal.other) != terminal.before
    child.terminate()
    assert child.wait(10) == 143
    assert termios.tcgetattr(terminal.other) == terminal.before
    assert attach.hung_up.wait(10)


def test_a_terminal_lives_on_when_hostd_goes_away(fake, attach, tmp_path):
    fake.on("GET /apps/hello/dynos/run.8963", (200, dyno("run.8963")))
    terminal = Terminal()
    child = terminal.run(tmp_path, "bash", "--norc", "--noediting")
    terminal.wait_for(b"up, run.8963")
    attach.break_off()
    terminal.type(b"echo still $((40+2))\n")
    terminal.wait_for(b"still 42")
    terminal.type(b"exit 5\n")
    assert child.wait(10) == 5
    assert attach.tokens[1] == {"token": "t0ken", "resume": True}


def test_a_status_that_nobody_remembers_is_an_error(fake, attach, tmp_path):
    fake.on("GET /apps/hello/dynos/run.8963", (404, {"id": "not_found", "message": "no"}))
    child = spawn(tmp_path, "sleep 0.3; echo out", stdin=subprocess.DEVNULL, stdout=-1, stderr=-1)
    while b"up, run.8963" not in child.stderr.readline():
        continue
    attach.forgotten = True
    attach.break_off()
    _, err = child.communicate(timeout=10)
    assert child.returncode == 1
    assert err == b" !    run.8963 ended while hostd restarted; its exit status is not known.\n"


def test_detached(fake, tmp_path):
    ran = hostctl(tmp_path, "run:detached", "-e", "A=1", "-s", "eco", "-a", "hello", "python", "import.py")
    assert ran.err == (
        "Running `python import.py` detached... done, run.8963\n"
        "See its output: hostctl logs --app hello --dyno run.8963\n"
    )
    assert fake.asked_for == [{"command": "python import.py", "attach": False, "env": {"A": "1"}, "size": "eco"}]
    assert json.loads(hostctl(tmp_path, "run:detached", "-j", "-a", "hello", "x").out)["name"] == "run.8963"
