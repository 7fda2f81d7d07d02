"""Secrets set through every door are found in no journal, no log, no unit, no process's arguments and no answer.

Each secret bears one mark, so that one search finds any of them, whole or in part. The app of this test prints nothing
of what it is given: what an app prints is its own affair.
"""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.support.api import Client
from tests.support.platform import PYTHON, Finished, Platform
from tests.support.waiting import wait_until

APP = "log-secrets"
MARK = "cn4ry"
SHOWN = (
    "apps:info", "releases", "builds", "buildpacks", "ps", "access:gate", "router:info", "drains", "alerts", "metrics",
    "status",
)  # fmt: skip
FILES: dict[str, str | bytes] = {
    "Procfile": "web: python3 -m http.server $PORT > /dev/null 2>&1\nrelease: true\n",
    "index.html": "hello",
}
WATCH = """\
import json, os, pathlib, sys, threading
mark, own = sys.argv[1].encode(), str(os.getpid())
ended, found = threading.Event(), set()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
print("watching", flush=True)
while not ended.wait(0.002):
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and entry.name != own:
            try:
                words = pathlib.Path(entry.path, "cmdline").read_bytes()
            except OSError:
                continue
            if mark in words:
                found.add(words.replace(b"\\0", b" ").decode(errors="replace"))
print(json.dumps(sorted(found)))
"""
"""Looks at the arguments of all processes in the box, over and over, until its input ends."""
JOURNALS = """\
import json, subprocess, sys, tempfile
since, marks = json.load(sys.stdin)
found = []
with tempfile.NamedTemporaryFile("w") as wanted:
    wanted.write("".join(f"{mark}\\n" for mark in marks))
    wanted.flush()
    for which in ([], ["--namespace=*"]):
        read = ["journalctl", "--all", "--output=export", f"--since=@{since}", *which]
        written = subprocess.Popen(read, stdout=subprocess.PIPE)
        search = ["grep", "--text", "--fixed-strings", f"--file={wanted.name}"]
        lines = subprocess.run(search, stdin=written.stdout, stdout=subprocess.PIPE).stdout.splitlines()
        found += [line.decode(errors="replace")[:300] for line in lines]
print(json.dumps(found))
"""
"""Searches every field of every entry since a time, in the journals of all namespaces."""
KEYS = """\
import base64, json, pathlib
found = []
for path in ("/etc/hostd/logplex.key", "/var/lib/hostd/master/ledger.key"):
    key = pathlib.Path(path).read_bytes()
    found += [key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()]
for path in pathlib.Path("/var/lib/hostd/master/ssh").iterdir():
    if path.suffix != ".pub":
        found += [line for line in path.read_text().splitlines() if len(line) > 40][1:]
print(json.dumps(found))
"""
"""The platform's own keys, as text."""


@dataclass
class Planted:
    """The secrets that were handed over, and what the platform answered."""

    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[str, str]] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    since: int = field(default_factory=lambda: int(time.time()))

    def new(self, what: str) -> str:
        """A new secret."""
        self.secrets[what] = f"{MARK}{uuid.uuid4().hex}"
        return self.secrets[what]

    def heard(self, what: str, done: Finished) -> Finished:
        """Keep what a command answered; whether it was well is of no interest here."""
        self.answers.append((what, done.stdout + done.stderr))
        return done


@pytest.fixture(scope="module")
def planted(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """An app that was given secrets through every door, while the processes of the machine were watched."""
    planted = Planted()
    platform.hostctl("apps:create", APP)
    try:
        with watched(platform, planted):
            repository = platform.commit(FILES, tmp_path_factory.mktemp("secrets") / "app")
            set_config(platform, planted)
            planted.heard("push", platform.push(repository, APP))
            wait_until(lambda: platform.http_get(APP).status == 200, 60)
            run_with_secrets(platform, planted)
            deploy_with_secrets(platform, planted)
            visit_with_secrets(platform, planted)
            send_elsewhere(platform, planted)
            planted.heard("push again", platform.push(platform.commit({"more": "x"}, repository), APP))
            planted.heard("ps:restart", platform.hostctl("ps:restart", "-a", APP))
        yield planted
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


@contextmanager
def watched(platform: Platform, planted: Planted, mark: str = MARK) -> Iterator[None]:
    """Note the arguments of all processes, as long as this lasts, that have the mark."""
    argv = platform.machine.command([PYTHON, "-c", WATCH, mark])
    with subprocess.Popen(argv, stdin=-1, stdout=-1, text=True) as watching:
        assert watching.stdout and watching.stdout.readline() == "watching\n"
        try:
            yield
        finally:
            said, _ = watching.communicate()
    planted.arguments += json.loads(said)


def set_config(platform: Platform, planted: Planted) -> None:
    """Config vars, well and badly set, on the machine and over ssh."""
    for name, door in (("hostctl", platform.hostctl), ("ssh", platform.ssh)):
        database = f"DATABASE_URL=postgres://kate:{planted.new(f'{name} database')}@db.example.com:5432/main"
        words = [database, f"API_KEY={planted.new(f'{name} config')}"]
        # It repeats to whoever sets them what was set, as Heroku's.
        door("config:set", *words, "-a", APP)
        # What is refused is told to whoever tried it, and to nobody else.
        for wrong in (f"NO NAME={planted.new(f'{name} bad')}", f"PORT={planted.new(f'{name} port')}"):
            refused = planted.heard(f"{name} config:set", door("config:set", wrong, "-a", APP, check=False))
            assert refused.returncode != 0
        planted.heard("no app", door("config:set", f"A={planted.new(f'{name} no app')}", "-a", "nope", check=False))


def run_with_secrets(platform: Platform, planted: Planted) -> None:
    """One-off dynos with variables of their own; attached, detached, inside a dyno, and one that cannot start."""
    variable = f"TOKEN={planted.new('run')}"
    planted.heard("run", platform.ssh("run", "-e", variable, "-a", APP, "--", "true"))
    planted.heard("run:detached", platform.ssh("run:detached", "-e", f"A={planted.new('detached')}", "-a", APP, "true"))
    planted.heard("no command", platform.ssh("run", "-e", variable, "-a", APP, "--", "no-such-program", check=False))
    planted.heard("inside", platform.ssh("run:inside", "web.1", "-e", variable, "-a", APP, "--", "true", check=False))


def deploy_with_secrets(platform: Platform, planted: Planted) -> None:
    """Sources and buildpacks with credentials in their addresses, which cannot be reached."""
    pack = f"https://kate:{planted.new('buildpack')}@127.0.0.1:9/pack.git"
    source = f"https://kate:{planted.new('source')}@127.0.0.1:9/source.git"
    tarball = f"https://127.0.0.1:9/source.tgz?signature={planted.new('tarball')}"
    planted.heard("buildpacks:set", platform.hostctl("buildpacks:set", pack, "-a", APP, check=False))
    planted.heard("git:sync", platform.hostctl("git:sync", source, "-a", APP, check=False))
    client = Client(platform.machine.run_directory, platform.user.email)
    body = {"source_blob": {"url": tarball, "version": "v1"}}
    build = client.request("POST", f"/apps/{APP}/builds", body).data
    wait_until(lambda: client.get(f"/apps/{APP}/builds/{build['id']}")["status"] != "pending", 60)
    planted.answers.append(("builds", json.dumps([build, client.get(f"/apps/{APP}/builds/{build['id']}")])))
    planted.heard("builds:output", platform.hostctl("builds:output", "-a", APP, check=False))
    planted.heard("buildpacks", platform.hostctl("buildpacks", "-a", APP))
    planted.heard("buildpacks:clear", platform.hostctl("buildpacks:clear", "-a", APP))


def visit_with_secrets(platform: Platform, planted: Planted) -> None:
    """What visitors send: masked parameters, passwords, cookies; and the password of a gate."""
    platform.hostctl("router:mask", "token", "-a", APP)
    address = f"/?token={planted.new('parameter')}&x=1"
    wait_until(lambda: "masked" not in platform.http_get(APP, "/").text)
    cookie = f"session={planted.new('cookie')}"
    platform.http_get(APP, address, headers={"Cookie": cookie, "X-Api-Key": planted.new("header")})
    gate = planted.new("gate")
    enabled = platform.hostctl("access:gate:enable", "--user", "kate", "-a", APP, input=f"{gate}\n")
    planted.heard("gate", enabled)
    for password in (gate, planted.new("wrong password")):
        encoded = base64.b64encode(f"kate:{password}".encode()).decode()
        planted.secrets[f"basic {password}"] = encoded
        platform.http_get(APP, "/", headers={"Authorization": f"Basic {encoded}"})
    planted.heard("gate", platform.hostctl("access:gate:disable", "-a", APP))


def send_elsewhere(platform: Platform, planted: Planted) -> None:
    """Drains and alerts with credentials in their addresses: good ones that nobody answers, and bad ones."""
    good = f"https://kate:{planted.new('drain password')}@logs.example.com/in?key={planted.new('drain query')}"
    typed = f"https://logs.example.com/{planted.new('drain path')}"
    planted.heard("drains:add", platform.ssh("drains:add", good, "-a", APP))
    planted.heard("drains:add -", platform.hostctl("drains:add", "-", "-a", APP, input=f"{typed}\n", check=False))
    nobody = f"https://kate:{planted.new('dead drain')}@127.0.0.1:9/in"
    planted.heard("drains:add", platform.ssh("drains:add", nobody, "-a", APP))
    for scheme, host in (("ftp", "logs.example.com"), ("syslog", "logs.example.com:port")):
        wrong = f"{scheme}://kate:{planted.new(f'{scheme} drain')}@{host}/in"
        refused = planted.heard(f"drains:add {scheme}", platform.ssh("drains:add", wrong, "-a", APP, check=False))
        assert refused.returncode != 0
    hook = f"https://hooks.example.com/in?token={planted.new('hook query')}"
    planted.heard("alerts:add", platform.ssh("alerts:add", "crashes>3", "--notify", hook, "-a", APP))
    for wrong in (f"ftp://kate:{planted.new('hook ftp')}@h.example.com/", f"https://k:{planted.new('hook')}@[bad/"):
        done = platform.ssh("alerts:add", "crashes>3", "--notify", wrong, "-a", APP, check=False)
        assert planted.heard("alerts:add", done).returncode != 0


def journals(platform: Platform, planted: Planted, marks: Sequence[str]) -> list[str]:
    """The lines of all journals in which one of the marks is."""
    asked = json.dumps([planted.since, list(marks)])
    found: list[str] = json.loads(platform.run([PYTHON, "-c", JOURNALS], input=asked, timeout=300).stdout)
    return found


def searched(planted: Planted) -> list[str]:
    """What to look for."""
    return [MARK, *(secret for secret in planted.secrets.values() if MARK not in secret)]


def assert_clean(text: str, planted: Planted, where: str) -> None:
    """No secret is in the text."""
    found = [line for line in text.splitlines() if any(mark in line for mark in searched(planted))]
    assert not found, (where, found[:5])


def test_the_searches_find_what_there_is(platform: Platform, planted: Planted) -> None:
    """What this app prints, and what it has in its arguments, is found by the same means."""
    mark, seen = f"seen-{uuid.uuid4().hex}", Planted()
    with watched(platform, seen, mark):
        platform.hostctl("run:detached", "-a", APP, "--", f"echo {mark}; exec sleep 1 {mark}", check=False)
        wait_until(lambda: mark in platform.hostctl("logs", "-a", APP, "-p", "run", "-s", "app").stdout, 30)
    assert any(mark in words for words in seen.arguments)
    assert any(mark in line for line in journals(platform, planted, [mark]))


def test_no_journal_has_a_secret(platform: Platform, planted: Planted) -> None:
    assert journals(platform, planted, searched(planted)) == []


def test_no_log_has_a_secret(platform: Platform, planted: Planted) -> None:
    for words in ((), ("-s", "heroku"), ("-s", "app"), ("-p", "router"), ("-p", "api"), ("-p", "build")):
        assert_clean(platform.hostctl("logs", "-a", APP, "-n", "1500", *words).stdout, planted, f"logs {words}")


def test_no_unit_has_a_secret(platform: Platform, planted: Planted) -> None:
    assert_clean(platform.run(["systemctl", "show", "--all", "*"], timeout=300).stdout, planted, "units")
    files = platform.run(["grep", "-rl", MARK, "/run/systemd", "/etc/systemd"], check=False).stdout
    assert files == ""


def test_no_process_has_a_secret_in_its_arguments(planted: Planted) -> None:
    assert planted.arguments == []


def test_no_answer_repeats_a_secret(planted: Planted) -> None:
    for what, text in planted.answers:
        assert_clean(text, planted, what)


def test_nothing_that_is_shown_has_a_secret(platform: Platform, planted: Planted) -> None:
    for command in SHOWN:
        words = () if command == "status" else ("-a", APP)
        for json_too in ((), ("--json",)):
            done = platform.hostctl(command, *words, *json_too, check=False)
            assert_clean(done.stdout + done.stderr, planted, shlex.join((command, *json_too)))


def test_keys_of_the_platform_are_in_no_journal(platform: Platform, planted: Planted) -> None:
    """Those of the ledger, of log sessions and of the ssh server, in the forms in which they might be printed."""
    keys = json.loads(platform.run([PYTHON, "-c", KEYS]).stdout)
    assert len(keys) >= 5
    assert journals(platform, planted, keys) == []
