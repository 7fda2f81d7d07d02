"""The slug store through its doors: what there is, tarballs, clean-up, a full pool, a pool of somebody else's."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hostd.faults import FaultPoint
from tests.support.api import Client
from tests.support.apps import made
from tests.support.estate import settled
from tests.support.platform import Platform, User, add_user
from tests.support.settings import settings
from tests.support.waiting import wait_until

ECHO = (Path(__file__).parents[1] / "support/echo.py").read_text()
WEB = "web: python3 -u server.py\n"
POOL = "/var/lib/hostd/pool"
MASTER = "/var/lib/hostd/master"
SETTLED_SECONDS = 60.0
NESTED = 200


@pytest.fixture(scope="module")
def name(platform: Platform) -> Iterator[str]:
    """An app with one web dyno and three slugs, v2 to v4."""
    name = f"store-{uuid.uuid4().hex[:8]}"
    with made(platform, name):
        platform.hostctl("config:set", "-a", name, f"NAME={name}")  # v2
        yield name
    settled(platform)


@pytest.fixture(scope="module")
def checkout(platform: Platform, name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is pushed to the app: a file that never changes, one that does, and links that lead out of it."""
    folder = tmp_path_factory.mktemp("store") / name
    platform.commit({"server.py": ECHO, "Procfile": WEB, "same": os.urandom(1 << 20)}, folder)
    (folder / "out").symlink_to("/etc/shadow")
    (folder / "folder").symlink_to("/usr")
    for number in range(3):
        platform.commit({"version": str(number)}, folder)
        platform.push(folder, name)
    return folder


@pytest.fixture
def stranger(platform: Platform, tmp_path: Path) -> User:
    """A user who has nothing to do with the app."""
    key = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return add_user(platform, "stranger@example.com", key)


@pytest.mark.usefixtures("checkout")
def test_slugs_are_listed_with_what_they_share(platform: Platform, name: str) -> None:
    lines = platform.hostctl("slugs", "-a", name).stdout.splitlines()[2:]
    assert len(lines) == 3
    assert "v5 (current)" in lines[0]
    assert "v3" in lines[2]
    shown = platform.hostctl("slugs:info", "v3", "-a", name).stdout
    assert re.search(r"On disk: +1\.\d MB, 1\.\d MB of it shared\n", shown), shown
    assert re.search(r"web: +python3 -u server\.py\n", shown), shown


@pytest.mark.usefixtures("checkout")
def test_an_exported_slug_is_a_plain_tarball(platform: Platform, name: str, tmp_path: Path, checkout: Path) -> None:
    target = tmp_path / "slug.tar"
    platform.hostctl("slugs:export", "current", str(target), "-a", name)
    with tarfile.open(target, "r:") as archive:
        found = {entry.name.removeprefix("./"): entry for entry in archive}
        assert {"server.py", "Procfile", "same", "version", "out", "folder"} <= found.keys()
        assert (found["out"].issym(), found["out"].linkname) == (True, "/etc/shadow")
        assert (found["folder"].issym(), found["folder"].linkname) == (True, "/usr")
        assert not any(entry.startswith("folder/") for entry in found)
        assert {(entry.uid, entry.gid) for entry in found.values()} == {(0, 0)}
        same = archive.extractfile(found["same"])
        assert same is not None and same.read() == (checkout / "same").read_bytes()
    over_ssh = subprocess.run(
        platform.remote_command("slugs:export", "v5", "-a", name), capture_output=True, check=True, timeout=60
    )
    assert over_ssh.stdout == target.read_bytes()


@pytest.mark.usefixtures("checkout")
def test_an_export_ends_with_its_client(platform: Platform, name: str) -> None:
    for seconds in (0.1, 0.2, 0.3, 0.4):
        with subprocess.Popen(platform.hostctl_command("slugs:export", "current", "-a", name), stdout=-1) as client:
            with suppress(subprocess.TimeoutExpired):
                client.wait(seconds)
            client.kill()
    units = ["systemctl", "list-units", "--all", "--no-legend", "hostd-export-*"]
    wait_until(lambda: not platform.run(units).stdout.strip(), SETTLED_SECONDS, what="the end of all exports")


@pytest.mark.usefixtures("checkout")
def test_slugs_are_for_those_who_may_use_the_app(platform: Platform, name: str, stranger: User) -> None:
    for words in (("slugs",), ("slugs:info",), ("slugs:export", "current"), ("cache",), ("cache:purge",)):
        refused = platform.ssh(*words, "-a", name, key=stranger.key, check=False)
        assert refused.returncode == 1, words
        assert f"Couldn't find that app: '{name}'" in refused.stderr
    refused = platform.ssh("slugs:gc", key=stranger.key, check=False)
    assert "Only an admin may do this" in refused.stderr
    platform.hostctl("users:remove", stranger.email)


@pytest.mark.usefixtures("checkout")
def test_a_cache_can_be_purged(platform: Platform, name: str) -> None:
    assert "B" in platform.hostctl("cache", "-a", name).stdout
    platform.hostctl("cache:purge", "-a", name)
    assert "has no build cache" in platform.hostctl("cache", "-a", name).stderr
    assert "there was none" in platform.hostctl("cache:purge", "-a", name).stderr


def test_subvolumes_that_an_app_made_are_deleted_behind_its_back(platform: Platform, name: str, checkout: Path) -> None:
    script = f"for n in $(seq {NESTED}); do btrfs subvolume create nested$n >/dev/null; done; ls -d nested* | wc -l"
    assert platform.hostctl("run", "-a", name, script).stdout.strip() == str(NESTED)
    wait_until(lambda: not platform.run(["ls", f"{POOL}/trash"]).stdout, SETTLED_SECONDS, what="the trash to be empty")
    settled(platform)


def test_kill_9_in_the_middle_of_the_clean_up(platform: Platform, name: str, checkout: Path) -> None:
    """Slugs may go; hostd dies when the ledger has given them up and the pool has them still."""
    before = starts(platform)
    with ordered(platform, FaultPoint.SLUG_DROPPED) as order, settings(platform, kept_slugs=1):
        platform.hostctl("slugs:gc", check=False)
        wait_until(lambda: not order.exists() and starts(platform) > before + 1, SETTLED_SECONDS, what="death of hostd")
        settled(platform)
        # The current one, and the one to go back to.
        assert len(platform.hostctl("slugs", "-a", name).stdout.splitlines()[2:]) == 2
        assert "nothing to delete" in platform.hostctl("slugs:gc", "--dry-run").stderr
        platform.hostctl("rollback", "-a", name)
        refused = platform.hostctl("rollback", "v3", "-a", name, check=False)
        assert "The slug of v3 is gone: those of the last 1 releases are kept" in refused.stderr
        platform.push(platform.commit({"version": "next"}, checkout), name)
    settled(platform)


def test_there_is_no_way_back_to_files_that_are_gone(platform: Platform, name: str, checkout: Path) -> None:
    platform.push(platform.commit({"version": "lost"}, checkout), name)
    lost = slug_of(platform, name, "current")
    platform.push(platform.commit({"version": "found"}, checkout), name)
    platform.run(["btrfs", "subvolume", "delete", f"{POOL}/slugs/{lost}"])
    version = release_of(platform, name)
    refused = platform.hostctl("rollback", f"v{version - 1}", "-a", name, check=False)
    assert f"The slug of v{version - 1} is gone: its files are not in the pool any more." in refused.stderr
    assert "(files are missing)" in platform.hostctl("slugs", "-a", name).stdout
    assert "The files of the slug" in platform.hostctl("slugs:export", lost, "-a", name, check=False).stderr
    # Rolled back past it, and released again, the ledger gives it up.
    with settings(platform, kept_slugs=1):
        platform.push(platform.commit({"version": "after"}, checkout), name)
    settled(platform)


def test_a_full_pool_refuses_builds_and_nothing_else(platform: Platform, name: str, checkout: Path) -> None:
    newest = release_of(platform, name)
    with filled(platform, leave=300 << 20):
        refused = platform.push(platform.commit({"version": "full"}, checkout), name, check=False)
        assert refused.returncode != 0
        assert re.search(r"The slug store is nearly full: \S+ of \S+ free, a build needs \S+\.", refused.stderr)
        platform.hostctl("ps:restart", "-a", name)
        assert platform.http_get(name).status == 200
        assert "degraded" in platform.hostctl("status", check=False).stdout
    assert release_of(platform, name) == newest
    platform.push(checkout, name)
    settled(platform)


def test_a_ledger_without_the_slugs_leaves_the_pool_alone(platform: Platform, name: str, checkout: Path) -> None:
    """As when the disk with the ledger is not mounted: nothing is deleted, nothing stops, and hostd says why."""
    slugs = platform.run(["ls", f"{POOL}/slugs"]).stdout
    platform.run(["systemctl", "stop", "hostd.service"])
    platform.run(["mv", MASTER, f"{MASTER}.aside"])
    try:
        platform.run(["mkdir", "--mode=0755", MASTER])
        platform.run(["systemctl", "start", "--no-block", "hostd.service"])
        wait_until(lambda: "belongs to another ledger" in said_by_hostd(platform), SETTLED_SECONDS)
        platform.run(["systemctl", "stop", "hostd.service"])
        assert platform.run(["ls", f"{POOL}/slugs"]).stdout == slugs
        assert platform.http_get(name).status == 200
    finally:
        platform.run(["systemctl", "stop", "hostd.service"])
        platform.run(["rm", "-r", MASTER])
        platform.run(["mv", f"{MASTER}.aside", MASTER])
        platform.run(["systemctl", "start", "hostd.service"])
    settled(platform)


# Helpers


def slug_of(platform: Platform, name: str, reference: str) -> str:
    return str(Client(platform.machine.run_directory).get(f"/apps/{name}/slugs/{reference}")["id"])


def release_of(platform: Platform, name: str) -> int:
    return int(Client(platform.machine.run_directory).get(f"/apps/{name}/releases/current")["version"])


def starts(platform: Platform) -> int:
    """How often hostd was started: systemd forgets its own count when it is restarted by hand."""
    return platform.run(["journalctl", "--unit=hostd.service", "--output=cat"]).stdout.count(": ready: ")


@contextmanager
def ordered(platform: Platform, point: FaultPoint) -> Iterator[Path]:
    """hostd dies at this point."""
    orders = platform.machine.run_directory / "faults"
    orders.mkdir(exist_ok=True)
    order = orders / point.value
    order.touch()
    try:
        yield order
    finally:
        order.unlink(missing_ok=True)
        orders.rmdir()


def said_by_hostd(platform: Platform) -> str:
    return platform.run(["journalctl", "--unit=hostd.service", "--lines=30", "--output=cat"]).stdout


@contextmanager
def filled(platform: Platform, *, leave: int) -> Iterator[None]:
    """The pool has only so many bytes free for a while."""
    filler = f"{POOL}/filler"
    free = int(platform.run(["stat", "--file-system", "--format=%a", POOL]).stdout) * 4096
    try:
        platform.run(["fallocate", f"--length={free - leave}", filler])
        platform.run(["btrfs", "filesystem", "sync", POOL])
        yield
    finally:
        platform.run(["rm", "--force", filler])
        platform.run(["btrfs", "filesystem", "sync", POOL])
