"""What an app could get hold of outside, had it no walls: each thing is there, and is had by those that it is for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import made
from tests.support.platform import Platform
from tests.support.terminal import open_terminal
from tests.support.waiting import wait_until

SUPPORT = Path(__file__).parents[1] / "support"
WAYS_OUT, VALUABLES = ((SUPPORT / name).read_text() for name in ("ways_out.py", "valuables.py"))
ATTACKER, VICTIM, LURE = "ways-out", "ways-in", "hostd-test-lure.service"
KEY = "0x76616C75"
WEB = "web: exec python3 valuables.py\n"
BACKEND = "import subprocess\n\ndef build_wheel(*_, **__):\n    subprocess.run({argv!r})\n    raise SystemExit(3)\n"
PACKAGE = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
OTHER = {"ENOENT", "EACCES", "EPERM", "ESRCH", "ECONNREFUSED"}
"""What a probe may be told: that a thing is not there, or is not for us."""
TELLING = ("io_uring_setup", "io_setup", "add_key", "request_key", "keyctl", "userfaultfd", "ptrace", "mount")
OUTSIDE = "on the server"
DESCRIPTORS, FILES_IN_MEMORY, TIMERS, TERMINALS = 10_000, 65_536, 1024, 2048
TAKE_TERMINALS = """
import os
taken = []
try:
    while True:
        taken.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
except OSError as error:
    print(len(taken), error.strerror, flush=True)
input()
"""


@pytest.fixture(scope="module")
def targets(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A process of another app, and one of the server's without any walls; each with one of everything."""
    folder = tmp_path_factory.mktemp("ways")
    program = ["/usr/bin/python3", "-c", VALUABLES]
    with made(platform, VICTIM, ATTACKER):
        platform.run(["systemd-run", "--quiet", f"--unit={LURE}", "--collect", *program])
        try:
            for name, files in ((VICTIM, {"valuables.py": VALUABLES}), (ATTACKER, {})):
                web = WEB if name == VICTIM else "web: exec python3 -m http.server $PORT\n"
                content = {"Procfile": web, "ways_out.py": WAYS_OUT, **files}
                platform.push(platform.commit(content, folder / name), name)
            there = ["cat", "/tmp/valuables"]
            lure = wait_until(lambda: platform.run(there, check=False).stdout, 30)
            victim = platform.hostctl("ps:exec", "-a", VICTIM, "--", *there).stdout
            yield {OUTSIDE: json.loads(lure), VICTIM: json.loads(victim)}
        finally:
            platform.run(["systemctl", "stop", LURE], check=False)
            platform.run(["rm", "-f", "/tmp/valuables", "/tmp/valuables.sock", "/dev/shm/valuables"])
            platform.run(["ipcrm", "-M", KEY, "-S", KEY, "-Q", KEY], check=False)


@pytest.fixture(scope="module")
def of_root(platform: Platform, targets: dict[str, Any]) -> Any:
    """What root gets on the server."""
    return json.loads(platform.run(["python3", "-", json.dumps(targets)], input=WAYS_OUT).stdout)


@pytest.fixture(scope="module")
def of_its_own(platform: Platform, targets: dict[str, Any]) -> Any:
    """What the victim's own processes get."""
    return from_inside(platform, "ps:exec", VICTIM, json.dumps(targets))


@pytest.fixture(scope="module")
def from_one_off(platform: Platform, targets: dict[str, Any]) -> Any:
    """What an attacker's one-off dyno gets; it then takes all that there is."""
    return from_inside(platform, "run", ATTACKER, json.dumps(targets), "exhaust")


@pytest.fixture(scope="module")
def from_visit(platform: Platform, targets: dict[str, Any]) -> Any:
    """What somebody inside the attacker's running dyno gets."""
    return from_inside(platform, "ps:exec", ATTACKER, json.dumps(targets))


@pytest.fixture(scope="module")
def from_build(platform: Platform, targets: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a build gets, as a build backend (PEP 517) of a package in the tree, which then fails."""
    files = {
        "requirements.txt": "./pkg\n",
        "pkg/pyproject.toml": f'{PACKAGE}[project]\nname = "pkg"\nversion = "1"\n',
        "pkg/backend.py": BACKEND.format(argv=["python3", "/app/ways_out.py", json.dumps(targets)]),
        "ways_out.py": WAYS_OUT,
    }
    repository = platform.commit(files, tmp_path_factory.mktemp("build") / "app")
    said = platform.push(repository, ATTACKER, "main", "--force", check=False).stderr
    lines = "".join(line.removeprefix("remote: ").strip() + " " for line in said.splitlines())
    return json.JSONDecoder().raw_decode(lines[lines.index('{"taken"') :])[0]


def from_inside(platform: Platform, command: str, app: str, *words: str) -> Any:
    """What came of the tries there."""
    return json.loads(platform.hostctl(command, "-a", app, "--", "python3", "ways_out.py", *words).stdout)


@pytest.fixture(params=["from_one_off", "from_build", "from_visit"])
def found(request: pytest.FixtureRequest) -> Any:
    """The findings from a one-off dyno, from a build, and from a visit to a dyno."""
    return request.getfixturevalue(request.param)


def test_all_of_it_is_there(of_root: Any, of_its_own: Any) -> None:
    """Each of the tries works where nothing stands in its way: else it would tell nothing."""
    assert set(of_root["taken"][OUTSIDE].values()) == {"did it"}
    assert set(of_its_own["taken"][VICTIM].values()) == {"did it"}


def test_nothing_of_another_app_or_of_the_server_can_be_had(found: Any) -> None:
    had = {(whose, way): came for whose, ways in found["taken"].items() for way, came in ways.items()}
    assert {way: came for way, came in had.items() if came not in OTHER} == {}


def test_calls_that_no_app_needs_are_refused(found: Any, of_root: Any) -> None:
    assert {name: came for name, came in found["calls"].items() if came != "EPERM"} == {}
    # Some are refused to the whole box already, if that is a container; those that tell something are not.
    assert {came for name, came in of_root["calls"].items() if name in TELLING} & {"EPERM", "ENOSYS"} == set()


def test_no_core_is_left(found: Any, of_root: Any) -> None:
    assert (found["dumped"], of_root["dumped"]) == ("none", "core")


def test_who_takes_all_there_is_gets_its_share(platform: Platform, from_one_off: Any) -> None:
    got = from_one_off["exhausted"]
    assert got["descriptors"][0] <= DESCRIPTORS
    assert got["descriptors"][1] == "EMFILE"
    assert got["more descriptors"] == "EPERM"
    assert got["timers"][0] <= TIMERS
    assert got["timers"][1] == "EAGAIN"
    assert got["message queues"] == "EMFILE"
    assert got["files in memory"][0] <= FILES_IN_MEMORY
    assert got["files in memory"][1] == "ENOSPC"
    assert platform.hostctl("run", "-a", VICTIM, "--", "echo", "unharmed").stdout == "unharmed\n"


def test_who_takes_all_terminals_leaves_others_theirs(platform: Platform, targets: dict[str, Any]) -> None:
    argv = platform.hostctl_command("run", "-a", ATTACKER, "--", "python3", "-c", TAKE_TERMINALS)
    with subprocess.Popen(argv, stdin=-1, stdout=-1, text=True) as taker:
        assert taker.stdout
        assert taker.stdout.readline() == f"{TERMINALS} No space left on device\n"
        inside = platform.remote_command("ps:exec", "-a", VICTIM, "test -t 0 && echo terminal", options=["-t"])
        with open_terminal(inside) as terminal:
            terminal.expect("terminal")
            assert terminal.wait() == 0
        taker.communicate("")
    made_inside = platform.hostctl("run", "-a", VICTIM, "--", "script", "-qc", "tty", "/dev/null").stdout
    assert made_inside.startswith("/dev/pts/")
