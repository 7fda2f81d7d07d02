"""What the benchmarks share: the installation under test, temporary apps, waiting for pages, medians.

The installation is the one that `hostctl` on the PATH reaches; `HOSTCTL=/path/to/hostctl` names another.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

HOSTCTL = os.environ.get("HOSTCTL", "hostctl")
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
_PAGE_SECONDS = 60.0
_POLL_SECONDS = 0.005


def hostctl(*words: str) -> str:
    """Run hostctl and return what it printed on stdout."""
    return subprocess.run([HOSTCTL, *words], check=True, capture_output=True, text=True).stdout


def inside(argv: Sequence[str], script: str = "") -> str:
    """Run a program where the platform's systemd is: here on a server, else in the box."""
    prefix = [] if Path("/run/systemd/system").is_dir() else [HOSTCTL, "box", "shell", "--"]
    done = subprocess.run([*prefix, *argv], input=script, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


@contextmanager
def app(example: str) -> Iterator[App]:
    """A temporary app made of a copy of an example, destroyed at the end."""
    info = json.loads(hostctl("apps:create", "--no-remote", "--json"))
    directory = Path(tempfile.mkdtemp(prefix="hostd-benchmark-"))
    try:
        shutil.copytree(EXAMPLES / example, directory, dirs_exist_ok=True)
        made = App(info, directory)
        made.git("init", "--quiet", "--initial-branch=main")
        yield made
    finally:
        subprocess.run([HOSTCTL, "apps:destroy", "-a", info["name"], "--confirm", info["name"]], check=False)
        shutil.rmtree(directory)


class App:
    """One app of the installation and the checkout that is pushed to it."""

    def __init__(self, info: dict[str, str], directory: Path) -> None:
        self.name = info["name"]
        self.git_url = info["git_url"]
        self.web_url = info["web_url"]
        self.directory = directory

    @property
    def address(self) -> tuple[str, int]:
        """The Host header and the router's port."""
        host = self.web_url.removeprefix("http://").rstrip("/")
        return host, int(host.partition(":")[2] or 80)

    def git(self, *words: str) -> None:
        """Run git in the checkout."""
        who = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost"]
        subprocess.run(["git", *who, *words], cwd=self.directory, check=True, capture_output=True)

    def push(self) -> None:
        """Commit whatever there is and push it to main; returns when git does."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "benchmark")
        self.git("push", "--quiet", self.git_url, "HEAD:main")

    def push_timed(self) -> float:
        """Push once more; the seconds that the buildpack took, from its detection on, as the transcript tells."""
        self.git("commit", "--quiet", "--allow-empty", "--message", "benchmark")
        began = ended = 0.0
        argv = ["git", "push", self.git_url, "HEAD:main"]
        with subprocess.Popen(argv, cwd=self.directory, stderr=subprocess.PIPE, text=True, bufsize=1) as git:
            for line in git.stderr or ():
                if " app detected" in line:
                    began = time.monotonic()
                elif "Discovering process types" in line:
                    ended = time.monotonic()
        if git.returncode != 0 or not began or not ended:
            raise SystemExit(f"the push to {self.name} failed")
        return ended - began

    def wait_for(self, text: str) -> None:
        """Ask for the page, again and again, until it contains *text*."""
        host, port = self.address
        deadline = time.monotonic() + _PAGE_SECONDS
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PAGE_SECONDS)
            connection.request("GET", "/", headers={"Host": host})
            if text in connection.getresponse().read().decode():
                return
            connection.close()
            time.sleep(_POLL_SECONDS)
        raise SystemExit(f"{self.web_url} did not show {text!r} within {_PAGE_SECONDS:g} s")


class Api:
    """hostd's API at its own socket: what hostctl would ask, without the time that hostctl itself takes."""

    def __init__(self) -> None:
        self.box = not Path("/run/systemd/system").is_dir()
        self._root = Path("/")
        self.find()

    def find(self) -> None:
        """Find the socket anew, as after a box was booted: there it is behind its PID 1."""
        if self.box:
            leader = json.loads(hostctl("box", "status", "--json"))["leader"]
            self._root = Path(f"/proc/{leader}/root")

    def path(self, path: str) -> Path:
        """Where a file of the installation is, seen from here."""
        return self._root / path.lstrip("/")

    def pids(self, *units: str) -> dict[str, int]:
        """The first processes of units that run, as they are called here."""
        argv = ["systemctl", "show", "--property=Id,MainPID", *units]
        blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in inside(argv).split("\n\n")]
        there = {block["MainPID"]: block["Id"] for block in blocks if block}
        space = (self._root.parent if self.box else Path("/proc/self")).joinpath("ns/pid").readlink()
        found: dict[str, int] = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                number = (process / "status").read_text().partition("NSpid:")[2].partition("\n")[0].split()[-1]
                if number in there and (process / "ns/pid").readlink() == space:
                    found[there[number]] = int(process.name)
        return found

    def ask(
        self,
        verb: str,
        path: str,
        body: object = None,
        *,
        user: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The answer's JSON, to root or for a user. Raises OSError if nobody answers, SystemExit for an error."""
        connection = http.client.HTTPConnection("hostd")
        connection.sock = socket.socket(socket.AF_UNIX)
        with closing(connection):
            connection.sock.connect(str(self.path("/run/hostd/hostd.sock")))
            known = {**(headers or {}), **({"Hostd-User": user} if user else {})}
            connection.request(verb, path, body=None if body is None else json.dumps(body), headers=known)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status >= http.client.BAD_REQUEST:
            raise SystemExit(f"{verb} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if text else None


def row(name: str, seconds: Sequence[float], goal: str = "") -> str:
    """One line of a result: name, median, minimum, maximum in milliseconds, and the goal."""
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    return f"{name:<44} {middle * 1e3:9.1f} {low * 1e3:9.1f} {high * 1e3:9.1f}   {goal}"


HEADER = f"{'':<44} {'median ms':>9} {'min':>9} {'max':>9}   goal"
