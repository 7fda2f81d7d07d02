"""The power goes, in the middle of a deploy: afterwards a release is there or it is not, and nothing is half made."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from tests.support.apps import Deployed
from tests.support.estate import settled
from tests.support.figures import figure
from tests.support.formation import current
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.vm.conftest import PROCFILE, SHOP

RELEASE = "release: echo the shop is preparing; sleep 3\n"
STEPS = {
    "the build": ("-----> Procfile app detected", False),
    "the release phase": ("the shop is preparing", False),
    "the launch": ("", True),
    "the last word": ("done, v", True),
}
"""What the pusher has read when the power goes, and whether the release stands then: a launch begins in silence."""


@pytest.mark.parametrize("step", STEPS)
def test_a_deploy_is_done_or_undone(platform: Server, shop: Deployed, tmp_path: Path, step: str) -> None:
    said, stands = STEPS[step]
    before = current(platform, SHOP)
    platform.commit({"Procfile": PROCFILE + RELEASE, "news": step}, shop.directory)
    with pushing(shop, tmp_path / "said") as heard:
        wait_until((lambda: said in heard()) if said else (lambda: current(platform, SHOP) > before), 300)
        platform.machine.power_cut()

    began = monotonic()
    platform.machine.switch_on()
    platform.come_back()
    version = before + stands
    wait_until(lambda: f"\nv{version} web." in shop.get().text, 60, what=f"v{version}")
    figure(platform.machine.name, f"from a power cut in {step} to a page", began)
    assert current(platform, SHOP) == version
    settled(platform)
    assert "every release is as it was made" in platform.ssh("releases:verify").stderr
    assert platform.http_get("hello").status == 200

    platform.commit({"news": f"after {step}"}, shop.directory)
    assert f"Launching... done, v{version + 1}" in platform.push(shop.directory, SHOP, "main", "--force").stderr
    assert f"\nv{version + 1} web." in shop.get().text
    git_dir = f"/var/lib/hostd/master/repos/{json.loads(shop.hostctl('apps:info', '--json'))['app']['id']}.git"
    platform.run(["git", "-c", f"safe.directory={git_dir}", "--git-dir", git_dir, "fsck", "--strict"])


def test_the_disk_is_whole(platform: Server, shop: Deployed) -> None:
    pool = platform.run(["btrfs", "scrub", "start", "-B", "/var/lib/hostd/pool"]).stdout
    assert "no errors found" in pool
    assert platform.run(["systemctl", "is-system-running"], check=False).stdout == "running\n"


@contextmanager
def pushing(shop: Deployed, said: Path) -> Iterator[Callable[[], str]]:
    """A push that is left to its fate; yields what tells its words so far."""
    platform = shop.platform
    argv = ["git", "push", "--force", platform.git_url(shop.name), "main"]
    with said.open("wb") as file:
        push = subprocess.Popen(argv, cwd=shop.directory, env=platform.git_environment(), stderr=file)
    try:
        yield lambda: said.read_text(errors="replace")
    finally:
        push.kill()
        push.wait()
