"""Buildpacks of others that fail, hang, fill the disk or look around, and builds that are killed."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.estate import settled
from tests.support.outside import outside
from tests.support.platform import Finished, Platform
from tests.support.waiting import wait_until

DETECT = "#!/bin/bash\necho Odd\n"
HIDDEN = (
    *("/var/lib/hostd", "/var/lib/hostd/pool/slugs", "/var/lib/hostd/master/ledger.db", "/run/hostd/hostd.sock"),
    *("/etc/hostd/hostd.toml", "/etc/shadow", "/proc/1/environ"),
)
"""What a build must not read."""
# Each compile script is a branch of one repository.
COMPILES = {
    "good": """
        echo x >>"$2/builds"
        echo "$(cat "$1/site.txt"), build $(wc -l <"$2/builds")" >"$1/index.html"
        if [[ -f $1/wait ]]; then echo "begun"; exec sleep 600; fi
    """,
    "loop": 'echo "begun"; while :; do :; done',
    "disk": """
        echo "begun"
        for ((n = 0; n < 10000; n++)); do fallocate -l 256M "$1/file$n" || exit 9; done
    """,
    "snoop": f'for path in {" ".join(HIDDEN)}; do [[ -r $path ]] && echo "saw: $path"; done'
    """
        curl -sS --max-time 5 --unix-socket /run/hostd/hostd.sock http://hostd/apps && echo "saw: the API"
        ls /proc | grep -E '^[0-9]+$' | while read -r pid; do
          [[ -r /proc/$pid/environ && $(stat -c %u "/proc/$pid") != "$(id -u)" ]] && echo "saw: process $pid"
        done
        echo "all tried" && exit 4
    """,
}


@pytest.fixture(scope="module")
def packs(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the repository with all of them."""
    work, site = tmp_path_factory.mktemp("packs"), tmp_path_factory.mktemp("site")
    folder = platform.commit({"bin/detect": DETECT}, work / "odd")
    for name, script in COMPILES.items():
        platform.commit({"bin/compile": f"#!/bin/bash\n{script}\n"}, folder)
        platform.git(folder, "branch", name)
    platform.commit({"bin/detect": "#!/bin/nothing\n"}, folder)
    platform.git(folder, "branch", "broken-detect")
    platform.git(work, "clone", "-q", "--bare", "odd", str(site / "odd.git"))
    with outside(site) as url:
        yield f"{url}/smart/odd.git"


@pytest.fixture
def running(platform: Platform, packs: str, app: str, tmp_path: Path) -> Iterator[Path]:
    """The checkout of an app that was built once by the good one, and runs."""
    settled(platform)
    files = {"Procfile": "web: exec python3 -m http.server $PORT\n", "site.txt": "first"}
    checkout = platform.commit({**files, ".buildpacks": f"{packs}#good\n"}, tmp_path / "app")
    platform.push(checkout, app)
    assert page(platform, app) == "first, build 1"
    yield checkout
    # Nothing is left, whatever happened; and what a failed build did to the cache is not there.
    settled(platform)
    platform.git(checkout, "rm", "-q", "--ignore-unmatch", "wait")
    platform.push(platform.commit({".buildpacks": f"{packs}#good\n", "site.txt": "last"}, checkout), app)
    assert page(platform, app) == "last, build 2"


def page(platform: Platform, app: str) -> str:
    return platform.http_get(app).text.strip()


def push_with(platform: Platform, app: str, checkout: Path, packs: str, name: str) -> Finished:
    """Push with one of the bad ones; the app goes on."""
    pushed = platform.push(platform.commit({".buildpacks": f"{packs}#{name}\n"}, checkout), app, check=False)
    assert pushed.returncode == 1
    assert f"Push rejected: nothing has changed for {app}." in pushed.stderr
    assert page(platform, app) == "first, build 1"
    return pushed


def test_broken_detect(platform: Platform, packs: str, app: str, running: Path) -> None:
    said = push_with(platform, app, running, packs, "broken-detect").stderr
    assert "bin/detect of the buildpack" in said
    assert "cannot be run: see above" in said


def test_endless_loop_ends_with_the_time(platform: Platform, packs: str, app: str, running: Path) -> None:
    platform.hostctl("builds:timeout", "8s", "-a", app)
    said = push_with(platform, app, running, packs, "loop").stderr
    assert "begun" in said
    assert "took longer than" in said


def test_one_that_fills_the_disk_ends_before_it_is_full(
    platform: Platform, packs: str, app: str, running: Path
) -> None:
    said = push_with(platform, app, running, packs, "disk").stderr
    assert "begun" in said
    # Which limit it meets first depends on the pool's size.
    reasons = ("more than the limit of 10.0G", "The slug store ran full", "No space left on device")
    assert any(reason in said for reason in reasons)


def test_one_that_looks_around_sees_nothing(platform: Platform, packs: str, app: str, running: Path) -> None:
    assert set(platform.run(["ls", "-d", *HIDDEN]).stdout.split()) == set(HIDDEN)
    said = push_with(platform, app, running, packs, "snoop").stderr
    assert "all tried" in said
    assert "saw:" not in said
    assert "Failed to compile the Odd app (exit status 4)" in said


@pytest.mark.parametrize("killed", ["the build", "hostd"])
def test_kill_9_in_the_middle_of_a_build(
    platform: Platform, packs: str, app: str, running: Path, killed: str
) -> None:
    units = ["hostd.service"] if killed == "hostd" else ["hostd-build-*.service"]
    pushing = Pushing(platform, platform.commit({"wait": ""}, running), app)
    pushing.wait_for("begun")
    platform.run(["systemctl", "kill", "--signal=KILL", *units])
    said = pushing.end()
    assert ("Push again" if killed == "hostd" else "The build was killed") in said
    assert page(platform, app) == "first, build 1"


class Pushing:
    """A push whose transcript is read as it comes."""

    def __init__(self, platform: Platform, checkout: Path, app: str) -> None:
        argv = ["git", "push", platform.git_url(app), "main"]
        env = platform.git_environment()
        self._git = subprocess.Popen(argv, cwd=checkout, env=env, stderr=subprocess.PIPE, text=True, bufsize=1)
        self._said: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def wait_for(self, text: str) -> None:
        """Until it has said that."""
        wait_until(lambda: text in "".join(self._said), 60, what=f'"{text}" of a push')

    def end(self) -> str:
        """All that it said; it must have failed."""
        self._reading.join(60)
        assert self._git.wait(60) == 1
        return "".join(self._said)

    def _read(self) -> None:
        assert self._git.stderr is not None
        for line in self._git.stderr:
            self._said.append(line)
