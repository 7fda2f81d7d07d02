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
from functools import partial

import pytest

from hostd.errors import Forbidden
from hostd.places import LOGPLEX_SOCKET
from tests.box.test_certificates import Pair, generated
from tests.support.api import Client
from tests.support.journal_search import journal_lines, key_lines
from tests.support.platform import PYTHON, Finished, Platform
from tests.support.waiting import wait_until

APP = "log-secrets"
DOMAIN = "secrets.example.test"
MARK = "cn4ry"
SHOWN = (
    "apps:info", "releases", "builds", "buildpacks", "ps", "access:gate", "router:info", "drains", "alerts", "metrics",
    "certs", "domains", "schedule", "status",
)  # fmt: skip
FILES: dict[str, str | bytes] = {
    "Procfile": "web: python3 -m http.server $PORT > /dev/null 2>&1\nrelease: true\n",
    "index.html": "hello",
}
WATCH = """\
import json, os, pathlib, sys, threading
marks, own = [mark.encode() for mark in json.loads(sys.stdin.readline())], str(os.getpid())
ended, found = threading.Event(), set()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
print("watching", flush=True)
while not ended.wait(0.01):
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and entry.name != own:
            try:
                words = pathlib.Path(entry.path, "cmdline").read_bytes()
            except OSError:
                continue
            if any(mark in words for mark in marks):
                found.add(words.replace(b"\\0", b" ").decode(errors="replace"))
print(json.dumps(sorted(found)))
"""
"""Looks at the arguments of all processes in the box, over and over, until its input ends."""
KEYS = """\
import base64, json, pathlib
found = []
for path in ("/etc/hostd/logplex.key", "/var/lib/hostd/master/ledger.key", "/run/hostd/router/tickets"):
    key = pathlib.Path(path).read_bytes()
    found += [key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()]
for path in pathlib.Path("/var/lib/hostd/master").rglob("*"):
    if path.is_file() and path.stat().st_size < 10_000 and b"PRIVATE KEY-----" in (text := path.read_bytes()):
        lines = [line for line in text.decode().splitlines() if not line.startswith("-----")]
        # The first line of such as ssh writes is the same in all of them.
        found += [line for line in lines[1 if path.parent.name == "ssh" else 0:] if len(line) > 40]
print(json.dumps(found))
"""
"""The platform's own keys, as text."""


@dataclass
class Planted:
    """The secrets that were handed over, and what the platform answered. Keys have no mark: they are made before."""

    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[str, str]] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    since: int = field(default_factory=lambda: int(time.time()))

    def new(self, what: str) -> str:
        """A new secret."""
        self.secrets[what] = f"{MARK}{uuid.uuid4().hex}"
        return self.secrets[what]

    def new_pair(self, what: str) -> Pair:
        """A new private key, with a certificate."""
        pair = generated(DOMAIN)
        self.secrets.update({f"{what} {line}": text for line, text in enumerate(key_lines(pair.text))})
        return pair

    def heard(self, what: str, done: Finished) -> Finished:
        """Keep what a command answered; whether it was well is of no interest here."""
        self.answers.append((what, done.stdout + done.stderr))
        return done


@pytest.fixture(scope="module")
def planted(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """An app that was given secrets through every door, while the processes of the machine were watched."""
    planted = Planted()
    pairs = [planted.new_pair(what) for what in ("added key", "renewed key", "strange key", "cut key")]
    platform.hostctl("apps:create", APP)
    try:
        with watched(platform, planted, searched(planted)):
            repository = platform.commit(FILES, tmp_path_factory.mktemp("secrets") / "app")
            set_config(platform, planted)
            planted.heard("push", platform.push(repository, APP))
            wait_until(lambda: platform.http_get(APP).status == 200, 60)
            run_with_secrets(platform, planted)
            deploy_with_secrets(platform, planted)
            visit_with_secrets(platform, planted)
            send_elsewhere(platform, planted)
            certify(platform, planted, pairs)
            fetch_pages(platform, planted)
            schedule_with_secrets(platform, planted)
            ask_for_addresses(platform, planted)
            planted.heard("push again", platform.push(platform.commit({"more": "x"}, repository), APP))
            planted.heard("ps:restart", platform.hostctl("ps:restart", "-a", APP))
        yield planted
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


@contextmanager
def watched(platform: Platform, planted: Planted, marks: Sequence[str]) -> Iterator[None]:
    """Note the arguments of all processes, as long as this lasts, that have one of the marks."""
    argv = platform.machine.command([PYTHON, "-c", WATCH])
    with subprocess.Popen(argv, stdin=-1, stdout=-1, text=True) as watching:
        assert watching.stdin and watching.stdout
        watching.stdin.write(json.dumps(marks) + "\n")
        watching.stdin.flush()
        assert watching.stdout.readline() == "watching\n"
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
    typed = f"{planted.new('typed')}\n"
    planted.heard("typed", platform.ssh("run", "-a", APP, "--", "cat > /dev/null", input=typed, check=False))
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
    nobody = f"https://kate:{planted.new('inner drain')}@127.0.0.1:9/in"
    refused = planted.heard("drains:add", platform.ssh("drains:add", nobody, "-a", APP, check=False))
    assert refused.returncode != 0 and "127.0.0.1:9 is refused" in refused.stderr
    for scheme, host in (("ftp", "logs.example.com"), ("syslog", "logs.example.com:port")):
        wrong = f"{scheme}://kate:{planted.new(f'{scheme} drain')}@{host}/in"
        refused = planted.heard(f"drains:add {scheme}", platform.ssh("drains:add", wrong, "-a", APP, check=False))
        assert refused.returncode != 0
    for hook in (
        f"https://hooks.example.com/in?token={planted.new('hook query')}",
        f"https://kate:{planted.new('hook password')}@127.0.0.1:9/services/{planted.new('hook path')}",
    ):
        planted.heard("alerts:add", platform.ssh("alerts:add", "crashes>3", "--notify", hook, "-a", APP))
    # It says how that went: an alert whose target cannot be reached.
    tested = planted.heard("alerts:test", platform.ssh("alerts:test", "2", "-a", APP, check=False))
    assert "127.0.0.1" in tested.stdout + tested.stderr
    for wrong in (f"ftp://kate:{planted.new('hook ftp')}@h.example.com/", f"https://k:{planted.new('hook')}@[bad/"):
        done = platform.ssh("alerts:add", "crashes>3", "--notify", wrong, "-a", APP, check=False)
        assert planted.heard("alerts:add", done).returncode != 0


def certify(platform: Platform, planted: Planted, pairs: Sequence[Pair]) -> None:
    """Private keys: added, renewed, and such as cannot be used."""
    added, renewed, strange, cut = pairs
    platform.hostctl("domains:add", DOMAIN, "-a", APP)
    planted.heard("certs:add", platform.ssh("certs:add", "-", "-a", APP, input=added.text))
    planted.heard("certs:update", platform.hostctl("certs:update", "-", "-a", APP, input=renewed.text))
    certificate = added.text[added.text.index("-----BEGIN CERTIFICATE") :]
    strange_key = strange.text.partition("-----BEGIN CERTIFICATE")[0]
    for text in (strange_key + certificate, cut.text[:150] + certificate, cut.text[:150]):
        refused = planted.heard("certs:add", platform.ssh("certs:add", "-", "-a", APP, input=text, check=False))
        assert refused.returncode != 0
    planted.heard("certs:info", platform.hostctl("certs:info", "-a", APP))


def fetch_pages(platform: Platform, planted: Planted) -> None:
    """Addresses of pages with credentials, from which nothing can be fetched: the log says so."""
    for name in ("MAINTENANCE_PAGE_URL", "ERROR_PAGE_URL"):
        user, path = f"kate:{planted.new(f'{name} password')}", planted.new(name)
        page = f"http://{user}@127.0.0.1:9/{path}?key={planted.new(f'{name} key')}"
        platform.hostctl("config:set", f"{name}={page}", "-a", APP)
    for name in ("MAINTENANCE_PAGE_URL", "ERROR_PAGE_URL"):
        wait_until(partial(told_of_page, platform, name), 30)


def told_of_page(platform: Platform, name: str) -> bool:
    """Whether the log says that a page cannot be fetched."""
    return f"Page of {name} cannot be fetched" in platform.hostctl("logs", "-n", "300", "-a", APP).stdout


def schedule_with_secrets(platform: Platform, planted: Planted) -> None:
    """A job whose command uses a config var: its name is what is seen of it."""
    job = 'test -n "$API_KEY" && test -n "$DATABASE_URL"'
    planted.heard("schedule:add", platform.hostctl("schedule:add", job, "--every", "daily", "-a", APP))
    planted.heard("schedule:run", platform.hostctl("schedule:run", "1", "-a", APP))
    end = "State changed from up to complete"
    wait_until(lambda: end in platform.hostctl("logs", "-p", "scheduler", "-n", "100", "-a", APP).stdout, 30)
    planted.heard("schedule:info", platform.hostctl("schedule:info", "1", "-a", APP))


def ask_for_addresses(platform: Platform, planted: Planted) -> None:
    """Addresses that are good for whoever has them: of a log session, and of a place to upload to."""
    client = Client(platform.machine.run_directory, platform.user.email)
    address = str(client.request("POST", f"/apps/{APP}/log-sessions", {"lines": 5}).data["logplex_url"])
    planted.secrets["log session"] = address.rpartition("signature=")[2]
    with client.stream("GET", "/" + address.split("/", 3)[3], socket_name=LOGPLEX_SOCKET) as log:
        assert log.read()
    with pytest.raises(Forbidden):
        client.stream("GET", "/" + address.split("/", 3)[3] + "0", socket_name=LOGPLEX_SOCKET)
    place = client.request("POST", f"/apps/{APP}/sources", {}).data["source_blob"]
    planted.secrets["source"] = str(place["put_url"]).rpartition("/")[2]
    client.request("PUT", "/" + str(place["put_url"]).split("/", 3)[3], {})


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
    with watched(platform, seen, [mark]):
        platform.hostctl("run:detached", "-a", APP, "--", f"echo {mark}; bash -c 'sleep 2; true' {mark}", check=False)
        wait_until(lambda: mark in platform.hostctl("logs", "-a", APP, "-p", "run", "-s", "app").stdout, 30)
    assert any(mark in words for words in seen.arguments)
    assert any(mark in line for line in journal_lines(platform, planted.since, [mark]))


def test_no_journal_has_a_secret(platform: Platform, planted: Planted) -> None:
    assert journal_lines(platform, planted.since, searched(planted)) == []


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
    """Those of the ledger, log sessions, TLS sessions, the ssh server and the platform's own certificate."""
    keys = json.loads(platform.run([PYTHON, "-c", KEYS]).stdout)
    assert len(keys) >= 12
    assert journal_lines(platform, planted.since, keys) == []
