"""From inside: what an app that wants to get out of its dyno, or out of its build, gets hold of."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hostd.cli.client import path
from tests.support.api import Client
from tests.support.apps import made
from tests.support.platform import Platform
from tests.support.waiting import wait_until

PROBE = (Path(__file__).parents[1] / "support/probe.py").read_text()
ATTACKER, VICTIM = "attacker", "victim"
# New each time, for it must not stand in an older log either.
SECRET = uuid.uuid4().hex
# What a probe may be told: that a thing is not there, or is not for us.
NO = {"ENOENT", "EACCES", "EPERM", "EROFS", "ESRCH", "EINVAL", "EAFNOSUPPORT", "ENOTDIR"}

# Of what a probe tries to read: what every server with hostd has.
THERE = {
    *("/etc/shadow", "/etc/hostd/hostd.toml", "/root", "/var/lib/hostd/master/ledger.key", "/var/lib/hostd/pool/slugs"),
    *("/run/hostd/env", "/run/hostd/hostd.sock", "/run/systemd/private", "/run/dbus", "/proc/1/environ"),
    *("/var/log/journal", "/run/systemd/journal/io.systemd.journal"),
}


@dataclass(frozen=True)
class Scene:
    """An app that attacks, and another that it may learn nothing of."""

    victim_id: str
    victim_pid: str
    attacker_id: str


@pytest.fixture(scope="module")
def scene(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Both apps, deployed; the victim has the secret in its files, its config and its memory."""
    folder = tmp_path_factory.mktemp("sandbox")
    web = "web: exec python3 -m http.server $PORT\n"
    with made(platform, VICTIM, ATTACKER):
        for name, files in ((VICTIM, {"secret": SECRET}), (ATTACKER, {"probe.py": PROBE})):
            platform.push(platform.commit({"Procfile": web, **files}, folder / name), name)
        platform.hostctl("config:set", "-a", VICTIM, f"SECRET={SECRET}")
        unit = f"hostd-{VICTIM}-web.1-v3.service"
        shown = ("systemctl", "show", "--property=MainPID", "--value", unit)
        # A config var does not wait for the dynos of its release; process 0 would be whoever asks.
        pid = str(wait_until(lambda: int(platform.run(shown).stdout), what=f"a process of {unit}"))
        client = Client(platform.machine.run_directory)
        victim_id, attacker_id = (str(client.get(path("apps", name))["id"]) for name in (VICTIM, ATTACKER))
        yield Scene(victim_id, pid, attacker_id)


@pytest.fixture(scope="module")
def from_dyno(platform: Platform, scene: Scene) -> dict[str, Any]:
    """What came of the probe in a one-off dyno."""
    probed = platform.hostctl("run", "-a", ATTACKER, "--", "python3", "probe.py", scene.victim_pid, SECRET[::-1])
    found: dict[str, Any] = json.loads(probed.stdout)
    return found


@pytest.fixture(scope="module")
def from_build(platform: Platform, scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of the probe in a build, as a build backend (PEP 517) of a package in the tree, which then fails."""
    backend = f"import subprocess\n\ndef build_wheel(*_, **__):\n    {RUN_PROBE}\n    raise SystemExit(3)\n"
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {
        "requirements.txt": "./pkg\n",
        "pkg/pyproject.toml": f'{project}[project]\nname = "pkg"\nversion = "1"\n',
        "pkg/backend.py": backend.replace("PID", scene.victim_pid),
        "probe.py": PROBE,
    }
    repository = platform.commit(files, tmp_path_factory.mktemp("build") / "app")
    pushed = platform.push(repository, ATTACKER, "main", "--force", check=False).stderr
    text = re.sub(r" *\nremote: ", "", pushed)
    found: dict[str, Any] = json.JSONDecoder().raw_decode(text[text.index('{"read"') :])[0]
    return found


RUN_PROBE = f'subprocess.run(["python3", "/app/probe.py", "PID", "{SECRET[::-1]}"])'


@pytest.fixture(scope="module")
def from_visit(platform: Platform, scene: Scene) -> dict[str, Any]:
    """What came of the probe as one more process inside a dyno."""
    argv = ("ps:exec", "-a", ATTACKER, "--", "python3", "probe.py", scene.victim_pid, SECRET[::-1])
    found: dict[str, Any] = json.loads(platform.hostctl(*argv).stdout)
    return found


@pytest.fixture(params=["from_dyno", "from_build", "from_visit"])
def found(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The findings from a dyno, from a build, and from a visit to a dyno."""
    findings: dict[str, Any] = request.getfixturevalue(request.param)
    return findings


def test_nothing_of_the_server_can_be_read(found: dict[str, Any]) -> None:
    assert {path: came for path, came in found["read"].items() if came not in NO} == {}


def test_what_cannot_be_read_is_there(platform: Platform, from_dyno: dict[str, Any]) -> None:
    # Not all are on each machine; some of these are on none.
    shown = platform.run(["ls", "-d", *from_dyno["read"]], check=False).stdout.split()
    assert THERE - set(shown) == set()


def test_nothing_but_its_own_can_be_written(found: dict[str, Any]) -> None:
    assert {path: came for path, came in found["write"].items() if came not in NO} == {}


def test_no_way_to_more_rights(found: dict[str, Any]) -> None:
    assert {name: came for name, came in found["do"].items() if came not in NO} == {}
    capabilities = {value for name, value in found["status"].items() if name.startswith("Cap")}
    assert (capabilities, found["status"]["NoNewPrivs"]) == ({"0" * 16}, "1")
    assert found["uid"] >= 200_000


def test_nothing_of_another_app_is_seen(found: dict[str, Any]) -> None:
    assert (found["processes"], found["secrets"], found["environment"]) == ([], [], [])


FORGE = """
import json, socket, sys

victim, own = sys.argv[1:]
said = []
for app in (victim, own):
    for source in ("app", "heroku"):
        fields = {"MESSAGE": f"for" f"ged for {source}", "HOSTD_APP": app, "HOSTD_SOURCE": source,
                  "HOSTD_PROCESS": "web.1", "_UID": "0", "_TRANSPORT": "stdout", "_SYSTEMD_UNIT": "hostd.service"}
        entry = "".join(f"{name}={value}\\n" for name, value in fields.items()).encode()
        for door in ("/run/systemd/journal/socket", "/run/systemd/journal/dev-log", "/dev/log"):
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                    sock.sendto(entry, door)
                said.append("sent")
            except OSError as error:
                said.append(error.strerror)
    try:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect("/run/systemd/journal/stdout")
            stream.sendall(b"hostd\\nhostd.service\\n6\\n0\\n0\\n0\\n0\\nfor" b"ged on a stream\\n")
        said.append("sent")
    except OSError as error:
        said.append(error.strerror)
print("done:", json.dumps(said), flush=True)
"""


def test_no_line_can_be_forged_in_a_log(platform: Platform, scene: Scene) -> None:
    command = ["python3", "-c", FORGE, scene.victim_id, scene.attacker_id]
    started = platform.hostctl("run:detached", "-a", ATTACKER, "--json", "--", *command).stdout
    name = json.loads(started)["name"]

    def own_log() -> str:
        log = platform.hostctl("logs", "-a", ATTACKER, "-n", "1500").stdout
        assert f"app[{name}]: done: " in log
        return log

    log = wait_until(own_log, 30)
    # The test means something only if journald took what was sent.
    assert '"sent"' in log
    assert [line for line in log.splitlines() if "forged" in line and f" app[{name}]: " not in line] == []
    assert "forged" not in platform.hostctl("logs", "-a", VICTIM, "-n", "1500").stdout


def test_a_secret_of_a_dyno_stands_in_no_place_that_others_read(platform: Platform, scene: Scene) -> None:
    unit = f"hostd-{VICTIM}-web.1-v3.service"
    assert SECRET not in platform.run(["systemctl", "show", unit]).stdout
    assert SECRET not in platform.run(["systemctl", "cat", unit]).stdout
    assert SECRET not in platform.run(["ps", "-eo", "args"]).stdout
    for namespace in ("", "*"):
        journal = ["journalctl", f"--namespace={namespace}", "--output=export", "--lines=3000"]
        assert SECRET not in platform.run(journal).stdout
    readable = ["runuser", "-u", "nobody", "--", "grep", "-rlsF", SECRET, "/run", "/etc", "/var/lib/hostd", "/tmp"]
    assert platform.run(readable, check=False).stdout == ""
