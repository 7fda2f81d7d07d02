"""Inside a running dyno: shells, files and ports, from the machine and over ssh; and what holds them in."""

from __future__ import annotations

import hashlib
import json
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.estate import in_order
from tests.support.formation import wait_for_formation
from tests.support.platform import Finished, Platform, User, add_user
from tests.support.terminal import CTRL_C, open_terminal
from tests.support.waiting import wait_until

APP = "gone-inside"
LIKENESS = (Path(__file__).parents[1] / "support/likeness.py").read_text()
SERVER = """
import http.server, os, subprocess, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        argv = [sys.executable, "likeness.py", *filter(None, self.path.split("/"))]
        said = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""
FILES = {
    "Procfile": "web: exec python3 server.py\n",
    "server.py": SERVER,
    "likeness.py": LIKENESS,
    ".profile.d/colour.sh": "echo a script that says something; export SCRIPT=yes\n",
    "odd name": "content\n",
}
HUNT_SECONDS = 6
MEGABYTES = 40
HUNG_UP = 129

Door = Callable[..., Finished]


@pytest.fixture(scope="module", autouse=True)
def deployed(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An app whose web dyno tells what it is."""
    platform.hostctl("apps:create", APP)
    try:
        platform.hostctl("config:set", "-a", APP, "COLOUR=green", "LD_PRELOAD=/app/none.so", "PYTHONPATH=/app")
        platform.push(platform.commit(FILES, tmp_path_factory.mktemp("exec") / "app"), APP)
        yield
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


@pytest.fixture(params=["hostctl", "ssh"])
def door(request: pytest.FixtureRequest, platform: Platform) -> Door:
    """A way to hostctl that works with pipes."""
    return platform.hostctl if request.param == "hostctl" else platform.ssh


@pytest.fixture(params=["hostctl", "ssh"])
def shell(request: pytest.FixtureRequest, platform: Platform) -> list[str]:
    """The argument list of a shell inside web.1, to be run on a terminal."""
    words = ("ps:exec", "-a", APP, "--", "bash", "--norc")
    if request.param == "hostctl":
        return platform.hostctl_command(*words)
    return platform.remote_command(*words, options=["-t"])


@pytest.fixture
def stranger(platform: Platform, tmp_path: Path) -> Iterator[User]:
    """Somebody with a key and without a right to the app."""
    key = tmp_path / "key"
    platform_key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(platform_key, check=True)
    yield add_user(platform, "stranger@example.com", key)
    platform.hostctl("users:remove", "stranger@example.com")


def inside(platform: Platform, *words: str, **how: Any) -> Finished:
    return platform.hostctl("ps:exec", "-a", APP, *words, **how)


def test_it_is_to_the_kernel_what_the_dynos_own_processes_are(platform: Platform) -> None:
    """Namespaces, control groups, rights, limits, mounts, variables, descriptors and the answer to each system call."""
    own = json.loads(platform.http_get(APP).text)
    other = json.loads(inside(platform, "--", "python3", "likeness.py").stdout.partition("\n")[2])
    groups = [group.partition("/inside-")[0] for group in other["groups"]]
    assert groups == own["groups"]
    assert sum("/inside-" in group for group in other["groups"]) == 1
    for name in sorted(set(own) - {"groups"}):
        assert other[name] == own[name], name
    assert own["variables"]["COLOUR"] == "green"
    assert "EPERM" in own["calls"]


def test_nothing_of_what_goes_in_is_had_by_the_dyno(platform: Platform) -> None:
    """A program in the dyno that looks for newcomers all the time gets nothing but what the app has anyhow."""
    with ThreadPoolExecutor() as pool:
        hunting = pool.submit(platform.http_get, APP, f"/hunt/{HUNT_SECONDS}")
        rounds = 0
        while not hunting.done():
            inside(platform, "--", "sleep 0.2")
            rounds += 1
    assert (rounds > 1, json.loads(hunting.result().text)) == (True, [])


def test_a_shell_has_a_real_terminal(platform: Platform, shell: list[str]) -> None:
    with open_terminal(shell, rows=33, columns=111) as terminal:
        terminal.expect("inside web.1... up, web.1")
        terminal.expect("$ ")
        terminal.type("test -t 0 -a -t 1 -a -t 2 && echo $((6 * 7)) terminals >/dev/tty\n")
        terminal.expect("42 terminals")
        terminal.type("stty size; echo $DYNO $SCRIPT\n")
        terminal.expect("33 111")
        terminal.expect("web.1 yes")
        terminal.type("sh -c 'echo $((6 * 9)) reading; exec cat'\n")
        terminal.expect("54 reading")
        terminal.type(CTRL_C)
        terminal.expect("$ ")
        terminal.type("trap 'stty size' WINCH; echo $((7 * 7)) lives\n")
        terminal.expect("49 lives")
        # A trap that comes due between a command and the prompt waits for the next line.
        terminal.expect("$ ")
        terminal.resize(21, 77)
        terminal.expect("21 77")
        terminal.type("\nsleep 1000 &\nexit 42\n")
        assert terminal.wait() == 42
    wait_until(lambda: in_order(platform))


def test_what_is_typed_by_the_app_is_read_by_the_app(platform: Platform) -> None:
    """TIOCSTI puts bytes into the terminal as if they were typed: into the session's own, not into ours."""
    push = "import fcntl, termios; [fcntl.ioctl(0, termios.TIOCSTI, c.encode()) for c in 'echo 6 pushed | tr 6 7\\n']"
    script = f'python3 -c "{push}" 2>/dev/null; true'
    before = shlex.join(platform.hostctl_command("ps:exec", "-a", APP, script))
    with open_terminal(["bash", "--norc", "-c", f"{before}; exec bash --norc"]) as terminal:
        terminal.expect("up, web.1")
        terminal.expect("# ")
        terminal.type("echo $((8 * 8)) ours\n")
        terminal.expect("64 ours")
    assert "7 pushed" not in terminal.text


def test_it_sees_the_dynos_files_and_ends_with_it(platform: Platform, door: Door) -> None:
    command = "cat > /tmp/note; echo $B $COLOUR; exit 7"
    told = door("run:inside", "-a", APP, "-e", "B=2", "web.1", command, input="x", check=False)
    assert (told.returncode, told.stdout.splitlines()[-1]) == (7, "2 green")
    assert inside(platform, "cat /tmp/note").stdout.endswith("x")
    with open_terminal(platform.hostctl_command("ps:exec", "-a", APP)) as terminal:
        terminal.expect("$ ")
        platform.hostctl("ps:restart", "-a", APP, "web.1")
        # Told to hang up: by SIGTERM alone a shell stays, and the dyno with it, for 30 s.
        assert terminal.wait() == HUNG_UP
    wait_for_formation(platform, APP, web=1)
    assert "Error R12" not in platform.hostctl("logs", "-a", APP).stdout
    assert inside(platform, "ls /tmp").stdout.splitlines()[1:] == []
    wait_until(lambda: in_order(platform))


def test_it_survives_hostd_and_ends_with_its_client(platform: Platform, shell: list[str]) -> None:
    with open_terminal(shell) as terminal:
        terminal.expect("$ ")
        platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service"])
        terminal.type("echo $((6 * 7)) after\n")
        terminal.expect("42 after")
        terminal.type("exit 5\n")
        assert terminal.wait() == 5
    with open_terminal(shell) as terminal:
        terminal.expect("$ ")
        terminal.type("trap '' HUP; sleep 1000 &\necho $((7 * 7)) set\n")
        terminal.expect("49 set")
        terminal.kill()
    wait_until(lambda: in_order(platform), 60)


def test_a_time_limit(platform: Platform) -> None:
    assert inside(platform, "--time-limit", "1s", "sleep 1000", check=False).returncode == 143


def test_a_file_is_copied(platform: Platform, door: Door, tmp_path: Path) -> None:
    digest = inside(
        platform, f"head -c {MEGABYTES}M /dev/urandom > /tmp/large; sha256sum /tmp/large"
    ).stdout.splitlines()[-1].split()[0]  # fmt: skip
    if door == platform.ssh:
        with (tmp_path / "large").open("wb") as file:
            subprocess.run(platform.remote_command("ps:copy", "-a", APP, "/tmp/large"), stdout=file, check=True)
        assert door("ps:copy", "-a", APP, "odd name").stdout == "content\n"
    else:
        door("ps:copy", "-a", APP, "/tmp/large", cwd=tmp_path)
        door("ps:copy", "-a", APP, "odd name", cwd=tmp_path)
        assert (tmp_path / "odd name").read_text() == "content\n"
    assert hashlib.sha256((tmp_path / "large").read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    "words, said",
    [
        (["none"], "none: there is no such file"),
        (["/tmp"], "it is a directory: --tar"),
        (["/dev/zero"], "it is neither a file nor a directory"),
        (["-d", "web.9", "x"], "Couldn't find that dyno: 'web.9'. Dynos of gone-inside that run: web.1."),
    ],
)
def test_what_cannot_be_copied_is_said(
    platform: Platform, door: Door, words: list[str], said: str, tmp_path: Path
) -> None:
    where = {"cwd": tmp_path} if door == platform.hostctl else {}
    refused = door("ps:copy", "-a", APP, *words, check=False, **where)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert said in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_port_inside_is_one_of_ours(platform: Platform) -> None:
    port = inside(platform, "echo $PORT").stdout.splitlines()[-1]
    with socket.create_server(("127.0.0.1", 0)) as free:
        local = free.getsockname()[1]
    forwarding = subprocess.Popen(
        platform.hostctl_command("ps:forward", "-a", APP, f"{local}:{port}", f"{local + 1}:1"), stderr=subprocess.PIPE
    )
    try:
        assert forwarding.stderr is not None
        while b"Ctrl-C" not in forwarding.stderr.readline():
            continue
        with socket.create_connection(("127.0.0.1", local)) as client:
            client.sendall(b"GET /hunt/0 HTTP/1.0\r\n\r\n")
            assert client.makefile("rb").read().endswith(b"[]")
        with socket.create_connection(("127.0.0.1", local + 1)) as client:
            assert client.recv(1) == b""
        assert b"Nothing listens on port 1 in web.1." in forwarding.stderr.readline()
    finally:
        forwarding.terminate()
        forwarding.wait()
    asked = platform.ssh("ps:forward", "-a", APP, port, input="GET /hunt/0 HTTP/1.0\r\n\r\n")
    assert asked.stdout.endswith("[]")
    refused = platform.ssh("ps:forward", "-a", APP, "1", check=False)
    assert (refused.returncode, "Nothing listens on port 1 in web.1." in refused.stderr) == (1, True)


def test_only_for_who_has_a_right_to_the_app(platform: Platform, stranger: User) -> None:
    for words in (["ps:exec", "id"], ["run:inside", "web.1", "id"], ["ps:copy", "server.py"], ["ps:forward", "5000"]):
        refused = platform.ssh(words[0], "-a", APP, *words[1:], key=stranger.key, check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "Couldn't find that app" in refused.stderr
    platform.hostctl("access:add", stranger.email, "-a", APP)
    assert "uid=" in platform.ssh("ps:exec", "-a", APP, "id", key=stranger.key).stdout
    done = platform.hostctl("logs", "-a", APP, "-s", "heroku", "-p", "api").stdout
    assert "Run `id` inside web.1 by stranger@example.com" in done
