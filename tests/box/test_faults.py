"""kill -9 of hostd at every step of what it does: afterwards a thing is done or it is not, and nothing is half done."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hostd.faults import FaultPoint
from tests.support.api import Client
from tests.support.apps import made
from tests.support.crowd import Crowd
from tests.support.estate import in_order, running, settled
from tests.support.platform import Finished, Platform
from tests.support.waiting import wait_until

ECHO = Path(__file__).parents[1] / "support/echo.py"
VISITORS = 2
WEB = "web: python3 -u server.py\n"
RELEASE = "release: echo preparing; echo prepared\n"

BEFORE_THE_RELEASE = {
    FaultPoint.BUILD_RECORDED: WEB,
    FaultPoint.BUILDING: WEB,
    FaultPoint.COMPILED: WEB,
    FaultPoint.SNAPSHOT_MADE: WEB + RELEASE,
    FaultPoint.RELEASE_PHASE_RUNNING: WEB + RELEASE,
    FaultPoint.RELEASE_PHASE_DONE: WEB + RELEASE,
}
STARTING = [FaultPoint.SNAPSHOT_MADE, FaultPoint.DYNO_STARTED, FaultPoint.DYNO_UP]
SWAPPING = [FaultPoint.TABLE_SAVED]
STOPPING = [FaultPoint.TABLE_SWAPPED, FaultPoint.DRAINED, FaultPoint.STOPPED]
AFTER_THE_RELEASE = [FaultPoint.RELEASE_APPENDED, *STARTING, *SWAPPING, *STOPPING, FaultPoint.SETTLED]

ACTIONS: dict[str, tuple[tuple[str, ...], list[FaultPoint]]] = {
    "config:set": (("config:set", "COLOUR=red"), [*STARTING, *SWAPPING, *STOPPING]),
    "scale up": (("ps:scale", "web=2"), [FaultPoint.DYNO_UP, *SWAPPING]),
    "scale down": (("ps:scale", "web=1"), [FaultPoint.DRAINED, FaultPoint.STOPPED]),
    "ps:restart": (("ps:restart",), [FaultPoint.DRAINED, FaultPoint.STOPPED]),
}


@pytest.mark.parametrize(("point", "procfile"), BEFORE_THE_RELEASE.items(), ids=lambda case: getattr(case, "value", ""))
@pytest.mark.usefixtures("visitors")
def test_a_push_that_had_not_made_its_release_leaves_nothing(victim, point, procfile):
    before, commit = victim.release(), victim.deployed()
    with victim.killed_at(point):
        pushed = victim.push(procfile)
    assert pushed.returncode != 0
    assert "The connection to hostd broke." in pushed.stderr
    assert "Push again." in pushed.stderr
    victim.settled()
    assert victim.release() == before
    assert victim.deployed() == commit
    assert_pushes_work(victim)


@pytest.mark.parametrize("point", AFTER_THE_RELEASE, ids=lambda point: point.value)
@pytest.mark.usefixtures("visitors")
def test_a_push_that_had_made_its_release_is_carried_on(victim, point):
    before = victim.release()
    with victim.killed_at(point):
        pushed = victim.push()
    assert pushed.returncode == 0, pushed.stderr
    version = before["version"] + 1
    told = f"Launching... done, v{version}", f"hostd is back, and the push is released: v{version}"
    assert any(line in pushed.stderr for line in told), pushed.stderr
    victim.settled()
    assert victim.release()["version"] == version
    assert victim.release()["description"] == f"Deploy {victim.commit()[:7]}"
    assert victim.deployed() == victim.commit()
    assert_pushes_work(victim)


@pytest.mark.parametrize(
    ("action", "point"), [(action, point) for action, (_, points) in ACTIONS.items() for point in points],
    ids=lambda case: getattr(case, "value", case),
)
@pytest.mark.usefixtures("visitors")
def test_a_change_is_carried_on(victim, action, point):
    words, _ = ACTIONS[action]
    victim.hostctl("ps:scale", "web=2" if action == "scale down" else "web=1")
    before, places = victim.release(), victim.places(victim.settled())
    with victim.killed_at(point):
        done = victim.hostctl(*words, check=False)
    after = victim.places(victim.settled())
    if action == "ps:restart":
        # The ledger knows nothing of it: what was not done when hostd died is not done, and was not said to be.
        assert "Whether it was done is not known" in done.stderr
        return
    # hostd may die between doing it and saying so.
    assert done.returncode == 0 or "Whether it was done is not known" in done.stderr
    assert victim.release()["version"] == before["version"] + (action == "config:set")
    assert len(after) == (2 if action == "scale up" else 1)
    assert bool(after & places) == action.startswith("scale")


@pytest.mark.parametrize("point", [FaultPoint.TABLE_SWAPPED, FaultPoint.STOPPED], ids=lambda point: point.value)
def test_an_app_that_was_being_destroyed_is_gone(platform, app, repository, victim, point):
    platform.push(repository({"Procfile": WEB + RELEASE, "server.py": ECHO.read_text()}), app)
    with victim.killed_at(point):
        platform.hostctl("apps:destroy", "-a", app, "--confirm", app, check=False)
    assert app not in [there["name"] for there in victim.settled()["apps"]]
    assert platform.http_get(app).status == 404


@pytest.mark.usefixtures("visitors")
@pytest.mark.parametrize("ending", ["after hostd is back", "while hostd is away"])
def test_a_one_off_dyno_outlives_hostd(victim, ending):
    """Its client asks the next hostd how it ended."""
    script = "echo ready; read line; echo got $line; exit 7"
    argv = victim.platform.hostctl_command("run", "-a", victim.name, script)
    with subprocess.Popen(argv, stdin=-1, stdout=-1, stderr=-1, text=True) as client:
        assert client.stdin and client.stdout
        assert client.stdout.readline() == "ready\n"
        before = restarts(victim.platform)
        victim.platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service"])
        if ending == "after hostd is back":
            wait_until(lambda: restarts(victim.platform) == before + 1)
            victim.hostctl("ps")
        output, errors = client.communicate("hello\n", timeout=60)
    assert (output, client.returncode) == ("got hello\n", 7), errors
    victim.settled()


@dataclass(frozen=True)
class Victim:
    """An app that is running when hostd is killed."""

    platform: Platform
    id: str
    name: str
    repository: Path

    def push(self, procfile: str = WEB) -> Finished:
        """Push a new commit."""
        self.platform.commit({"Procfile": procfile, "version": uuid.uuid4().hex}, self.repository)
        return self.platform.push(self.repository, self.name, check=False)

    def hostctl(self, command: str, *words: str, check: bool = True) -> Finished:
        """Run a hostctl command on the app."""
        return self.platform.hostctl(command, "-a", self.name, *words, check=check)

    def release(self) -> dict[str, Any]:
        """The current release."""
        return dict(Client(self.platform.machine.run_directory).get(f"/apps/{self.name}/releases/current"))

    def commit(self) -> str:
        """The commit that was made last."""
        return self.platform.git(self.repository, "rev-parse", "HEAD").stdout.strip()

    def deployed(self) -> str:
        """The commit that main is in the app's own repository."""
        repository = f"/var/lib/hostd/master/repos/{self.id}.git"
        asked = ["git", "-c", "safe.directory=*", "--git-dir", repository, "rev-parse", "refs/heads/main"]
        return self.platform.run(asked).stdout.strip()

    def places(self, found: Mapping[str, Any]) -> set[tuple[str, str]]:
        """Its dynos with their ports, which tell a dyno from its successor of the same name."""
        return {(dyno.name, dyno.place.address) for dyno in running(found).values() if dyno.app == self.name}

    def settled(self) -> dict[str, Any]:
        """Wait until everything is as the ledger says; the app then answers from its current release."""
        found = settled(self.platform)
        assert f"\nv{self.release()['version']} web." in self.platform.http_get(self.name).text
        return found

    @contextmanager
    def killed_at(self, point: FaultPoint) -> Iterator[None]:
        """hostd dies at this point, once, and is back at the end."""
        orders = self.platform.machine.run_directory / "faults"
        orders.mkdir(exist_ok=True)
        order, before = orders / point.value, restarts(self.platform)
        order.touch()
        try:
            yield
            wait_until(lambda: restarts(self.platform) == before + 1, what=f"the death of hostd at {point.value}")
            assert not order.exists()
        finally:
            order.unlink(missing_ok=True)
            orders.rmdir()


def restarts(platform: Platform) -> int:
    """How often systemd had to start hostd again."""
    return int(platform.run(["systemctl", "show", "--property=NRestarts", "--value", "hostd.service"]).stdout)


def assert_pushes_work(victim: Victim) -> None:
    """The next push is like any other."""
    pushed = victim.push()
    assert pushed.returncode == 0, pushed.stderr
    assert f"Launching... done, v{victim.release()['version']}" in pushed.stderr
    assert victim.deployed() == victim.commit()
    victim.settled()


@pytest.fixture(scope="module")
def victim(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """An app with one web dyno."""
    wait_until(lambda: in_order(platform), what="order before hostd is killed")
    name = f"faulty-{uuid.uuid4().hex[:8]}"
    repository = platform.commit({"server.py": ECHO.read_text()}, tmp_path_factory.mktemp("victim"))
    with made(platform, name):
        told = Client(platform.machine.run_directory).get(f"/apps/{name}")
        victim = Victim(platform, told["id"], name, repository)
        victim.hostctl("config:set", f"NAME={name}")
        assert victim.push().returncode == 0
        yield victim
    settled(platform)


@pytest.fixture
def visitors(victim: Victim) -> Iterator[None]:
    """The app answers all the time, whoever asks."""
    with Crowd(victim.platform.http_port, {victim.name: VISITORS}) as crowd:
        yield
    assert crowd.tally.failures == []
    assert not crowd.tally.retries
    assert crowd.tally.answered
