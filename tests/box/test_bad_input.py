"""What cannot be: every wrong word gets one clear line, and nothing changes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.support.apps import deployed, made
from tests.support.evidence import nothing_changes
from tests.support.formation import wait_for_formation
from tests.support.platform import Finished, Platform

APP, NEVER_DEPLOYED, TAKEN = "bad-input", "bad-input-empty", "bad-input-other"
PROCFILE = "web: exec python3 -m http.server $PORT\nworker: sleep infinity\n"
LIMIT = 16 * 1024


@pytest.fixture(scope="module")
def apps(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An app with two process types and releases v1 to v4, and two that were never deployed."""
    with (
        made(platform, NEVER_DEPLOYED, TAKEN),
        deployed(platform, APP, tmp_path_factory.mktemp("input") / "app", {"Procfile": PROCFILE}) as app,
    ):
        app.hostctl("config:set", "KEPT=as it is")
        app.hostctl("config:set", f"LARGE={'x' * (LIMIT - 200)}")
        wait_for_formation(platform, APP, web=1)
        yield


@pytest.fixture
def refuses(platform: Platform, apps: None) -> Iterator[Platform]:
    """The platform, for a test that must change nothing."""
    with nothing_changes(platform):
        yield platform


def is_refusal(done: Finished, reason: str, status: int = 1) -> None:
    """One or a few lines for a person, with the reason; no traceback, nothing on standard output."""
    assert reason in done.stderr
    assert (done.returncode, done.stdout) == (status, "")
    complaint = [line for line in done.stderr.splitlines() if line.startswith(" !    ")]
    assert complaint
    assert "Traceback" not in done.stderr
    assert "inside hostd" not in done.stderr


WRONG_NAME = "cannot be an app's name: it must be 3 to 30 characters, start with a lower-case letter"
NAMES = {
    "empty": ("", "NAME is empty.", 2),
    "short": ("ab", WRONG_NAME, 1),
    "long": ("a" * 31, WRONG_NAME, 1),
    "dots": ("..", WRONG_NAME, 1),
    "slash": ("a/../b", WRONG_NAME, 1),
    "capitals": ("Hello", WRONG_NAME, 1),
    "unicode": ("blüte", WRONG_NAME, 1),
    "line break": ("one\ntwo", r"'one\ntwo' " + WRONG_NAME, 1),
    "escape": ("a\x1b[31mb", r"'a\x1b[31mb' " + WRONG_NAME, 1),
    "command": ("$(reboot)", WRONG_NAME, 1),
    "reserved": ("git", "git cannot be an app's name: it is reserved for the platform. Choose another.", 1),
    "taken": (TAKEN, f"Name {TAKEN} is already taken. Choose another.", 1),
    "flag": ("-a", "There is no flag -a. See: hostctl apps:create --help", 2),
    "dash": ("--name=x", "There is no flag --name.", 2),
}


@pytest.mark.parametrize(("name", "reason", "status"), NAMES.values(), ids=NAMES)
def test_an_app_cannot_have_this_name(refuses: Platform, name: str, reason: str, status: int) -> None:
    is_refusal(refuses.hostctl("apps:create", name, check=False), reason, status)
    if name not in ("", "-a", "--name=x"):
        is_refusal(refuses.hostctl("apps:rename", name, "-a", APP, check=False), reason, status)


@pytest.mark.parametrize("case", ["empty", "long", "dots", "unicode", "command", "taken", "flag"])
def test_nor_over_ssh(refuses: Platform, case: str) -> None:
    name, reason, status = NAMES[case]
    is_refusal(refuses.ssh("apps:create", name, check=False), reason, status)


WRONG_KEY = "cannot be a config var's name: it must be letters, digits and underscores"
CONFIG = {
    "space": (["A B=1"], f"'A B' {WRONG_KEY}", 1),
    "digit": (["1A=1"], f"'1A' {WRONG_KEY}", 1),
    "no name": (["=1"], f"'' {WRONG_KEY}", 1),
    "dash": (["A-B=1"], f"'A-B' {WRONG_KEY}", 1),
    "unicode": (["Ä=1"], f"'Ä' {WRONG_KEY}", 1),
    "line break": (["A\nB=1"], rf"'A\nB' {WRONG_KEY}", 1),
    "no value": (["A"], "'A' must be in the form KEY=VALUE.", 2),
    "no words": ([], "KEY=VALUE is missing.", 2),
    "one of two": (["GOOD=1", "B D=1"], f"'B D' {WRONG_KEY}", 1),
    "port": (["PORT=80"], "PORT cannot be set: the platform sets it in every dyno. Use another name.", 1),
    "home": (["HOME=/root"], "HOME cannot be set: the platform sets it in every dyno.", 1),
    "platform's": (["HOSTD_RELEASE=v9"], "HOSTD_RELEASE cannot be set", 1),
    "too much": (
        [f"A={'y' * 300}"],
        f"keys and values together; the limit is {LIMIT} bytes. Keep large values in a file of the app",
        1,
    ),
    "too much at once": ([f"A={'y' * (LIMIT + 1)}"], f"the limit is {LIMIT} bytes", 1),
}


@pytest.mark.parametrize(("words", "reason", "status"), CONFIG.values(), ids=CONFIG)
def test_a_config_var_cannot_be_set_so(refuses: Platform, words: list[str], reason: str, status: int) -> None:
    refused = refuses.hostctl("config:set", "-a", APP, *words, check=False)
    is_refusal(refused, reason, status)
    assert "yyy" not in refused.stderr


@pytest.mark.parametrize("case", ["space", "digit", "port", "too much"])
def test_nor_a_config_var_over_ssh(refuses: Platform, case: str) -> None:
    words, reason, status = CONFIG[case]
    is_refusal(refuses.ssh("config:set", "-a", APP, *words, check=False), reason, status)


def test_a_value_must_be_utf_8(refuses: Platform) -> None:
    refused = refuses.hostctl("config:set", "-a", APP, "A=\udcff", check=False)
    is_refusal(refused, "The value of A is not text in UTF-8.")


def test_a_value_may_be_any_other_text(platform: Platform, apps: None) -> None:
    odd = "  'single' \"double\" $HOME `date` \\ back\\\\slash #no ;comment\n\tnext\rline\x01\x1b[0m é € \\n %n ~ !x "
    platform.hostctl("config:set", "-a", APP, "LARGE=", f"ODD={odd}")
    assert json.loads(platform.hostctl("config", "--json", "-a", APP).stdout)["ODD"] == odd
    printed = platform.hostctl("run", "-a", APP, "--", "python3", "-c", "import os; print(ascii(os.environ['ODD']))")
    assert printed.stdout == f"{odd!a}\n"
    platform.hostctl("rollback", "v4", "-a", APP)
    wait_for_formation(platform, APP, web=1)


NO_EXPRESSION = "is not a scale expression. Write TYPE=NUMBER, TYPE+NUMBER or TYPE-NUMBER"
SCALES = {
    "negative": ("web=-1", "web=-1 is below 0: a type has 0 to 100 dynos.", 2),
    "below zero": ("web-2", "web=-1 is below 0: a type has 0 to 100 dynos.", 1),
    "million": ("web=1000000", "web=1000000 is too much: a type has 0 to 100 dynos.", 2),
    "one too many": ("web=101", "web=101 is too much: a type has 0 to 100 dynos.", 2),
    "one more too many": ("web+100", "web=101 is too much: a type has 0 to 100 dynos.", 1),
    "unknown": ("webb=1", "There is no process type 'webb' in bad-input. It has: web, worker. Did you mean web?", 1),
    "one-off": ("run=1", "run cannot be scaled: it names one-off dynos, which `hostctl run` starts.", 2),
    "word": ("web=two", NO_EXPRESSION, 2),
    "nothing": ("web", NO_EXPRESSION, 2),
    "fraction": ("web=1.5", NO_EXPRESSION, 2),
    "two signs": ("web+-1", NO_EXPRESSION, 2),
    "size": ("web=1:giant", "There is no dyno size 'giant'. Sizes: eco, basic, standard-1x", 2),
    "tiny": ("web=1:1M", "1M is not a usable dyno size: memory must be 32M to 1024G.", 2),
}


@pytest.mark.parametrize(("word", "reason", "status"), SCALES.values(), ids=SCALES)
def test_an_app_cannot_be_scaled_so(refuses: Platform, word: str, reason: str, status: int) -> None:
    is_refusal(refuses.hostctl("ps:scale", "-a", APP, word, check=False), reason, status)


@pytest.mark.parametrize("case", ["negative", "million", "unknown"])
def test_nor_scaled_over_ssh(refuses: Platform, case: str) -> None:
    word, reason, status = SCALES[case]
    is_refusal(refuses.ssh("ps:scale", "-a", APP, word, check=False), reason, status)


def test_one_wrong_type_of_two_scales_neither(refuses: Platform) -> None:
    refused = refuses.hostctl("ps:scale", "-a", APP, "worker=2", "nope=1", check=False)
    is_refusal(refused, "There is no process type 'nope' in bad-input. It has: web, worker.")


def test_nothing_scales_or_runs_before_the_first_push(refuses: Platform) -> None:
    unscaled = refuses.hostctl("ps:scale", "web=1", "-a", NEVER_DEPLOYED, check=False)
    is_refusal(unscaled, f"{NEVER_DEPLOYED} has no process types yet: push it first, then scale it.")
    unrun = refuses.hostctl("run", "-a", NEVER_DEPLOYED, "ls", check=False)
    is_refusal(unrun, f"{NEVER_DEPLOYED} has no code to run yet: push it first.")
    gone_back = refuses.hostctl("rollback", "-a", NEVER_DEPLOYED, check=False)
    is_refusal(gone_back, "There is no older release that could run: nothing to go back to.")


ROLLBACKS = {
    "never was": ("v99", "There is no release v99: this app has v1 to v", 1),
    "zero": ("v0", "There is no release v0: this app has v1 to v", 1),
    "huge": ("v" + "9" * 40, "There is no release", 1),
    "word": ("yesterday", "There is no release 'yesterday': this app has v1 to v", 1),
    "empty": ("", "RELEASE is empty.", 2),
    "current": ("current", "is the current release of bad-input already.", 1),
    "without code": ("v1", "v1 of bad-input has no slug: nothing had been deployed yet.", 1),
}


@pytest.mark.parametrize(("release", "reason", "status"), ROLLBACKS.values(), ids=ROLLBACKS)
def test_an_app_cannot_go_back_there(refuses: Platform, release: str, reason: str, status: int) -> None:
    is_refusal(refuses.hostctl("rollback", release, "-a", APP, check=False), reason, status)


@pytest.mark.parametrize("case", ["never was", "current"])
def test_nor_go_back_over_ssh(refuses: Platform, case: str) -> None:
    release, reason, status = ROLLBACKS[case]
    is_refusal(refuses.ssh("rollback", release, "-a", APP, check=False), reason, status)


OTHERS = {
    "no such app": (["ps", "-a", "nope"], "Couldn't find that app: 'nope'. Your apps: hostctl apps", 1),
    "app with dots": (["ps", "-a", "../bad-input"], "Couldn't find that app: '../bad-input'.", 1),
    "empty app": (["apps:destroy", "-a", "", "--confirm", APP], "The flag --app is empty.", 2),
    "no such dyno": (["ps:restart", "web.9", "-a", APP], f"that dyno: 'web.9'. Dynos of {APP}: web.1", 1),
    "no dyno": (["ps:stop", "-a", APP], "Which dyno? Say -d web.1, or -p web for all of a process type.", 2),
    "no command": (["run", "-a", APP, ""], "COMMAND is missing.", 2),
    "unconfirmed": (["apps:destroy", "-a", APP], f"To go on, run this again with --confirm {APP}.", 1),
    "misconfirmed": (["apps:destroy", "-a", APP, "--confirm", "bad"], f"'bad' is not {APP}: nothing was done.", 1),
    "rename to taken": (["apps:rename", TAKEN, "-a", APP], f"Name {TAKEN} is already taken. Choose another.", 1),
    "no such user": (["access:add", "nobody@example.com", "-a", APP], "There is no user nobody@example.com.", 1),
    "no such command": (["ps:scael", "-a", APP], "ps:scael is not a command. Did you mean ps:scale", 2),
    "no key": (["keys:add", "/etc/hostname"], "key", 1),
}


@pytest.mark.parametrize(("words", "reason", "status"), OTHERS.values(), ids=OTHERS)
def test_other_mistakes(refuses: Platform, words: list[str], reason: str, status: int) -> None:
    is_refusal(refuses.hostctl(*words, check=False), reason, status)


HOSTS = {
    "unknown": b"nope.localhost",
    "destroyed": b"bad-input-gone.localhost",
    "nested": b"x.bad-input.localhost",
    "dots": b"..localhost",
    "other domain": b"bad-input.example.com",
    "not ascii": "blüte.localhost".encode(),
    "path": b"bad-input.localhost/../x",
    "empty": b"",
}


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_a_host_that_is_no_apps_never_reaches_an_app(refuses: Platform, host: bytes) -> None:
    with socket.create_connection(("127.0.0.1", refuses.http_port), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    status = int(answer.split(b" ", 2)[1])
    assert status in (400, 404)
    assert b"Directory listing" not in answer
