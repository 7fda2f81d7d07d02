"""The slug store through its doors: what there is, tarballs, clean-up, a full pool, a pool of somebody else's."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hostd.cli.client import Client
from hostd.faults import FaultPoint
from slugs.errors import PoolFull
from tests.box.slugs_kit import UID, Bench, bench_of_its_own, buildpack, stream, tree
from tests.support.estate import in_order
from tests.support.platform import Finished, Platform, User, add_user
from tests.support.waiting import wait_until

ECHO = (Path(__file__).parents[1] / "support/echo.py").read_text()
WEB = "web: python3 -u server.py\n"
SETTINGS = "/etc/hostd/hostd.toml"
POOL = "/var/lib/hostd/pool"
MASTER = "/var/lib/hostd/master"
SETTLED_SECONDS = 60.0
NESTED = 200


@pytest.fixture(scope="module")
def name(platform: Platform) -> Iterator[str]:
    """An app with one web dyno and three slugs, v2 to v4."""
    name = f"store-{uuid.uuid4().hex[:8]}"
    platform.hostctl("apps:create", name)
    platform.hostctl("config:set", "-a", name, f"NAME={name}")  # v2
    yield name
    platform.hostctl("apps:destroy", "-a", name, "--confirm", name)
    wait_until(lambda: in_order(platform), SETTLED_SECONDS)


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
        assert f"You do not have access to the app {name}" in refused.stderr
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
    wait_until(lambda: in_order(platform), SETTLED_SECONDS)


def test_kill_9_in_the_middle_of_the_clean_up(platform: Platform, name: str, checkout: Path) -> None:
    """Slugs may go; hostd dies when the ledger has given them up and the pool has them still."""
    before = starts(platform)
    with ordered(platform, FaultPoint.SLUG_DROPPED) as order, settings(platform, kept_slugs=1):
        platform.hostctl("slugs:gc", check=False)
        wait_until(lambda: not order.exists() and starts(platform) > before + 1, SETTLED_SECONDS, what="death of hostd")
        wait_until(lambda: in_order(platform), SETTLED_SECONDS)
        # The current one, and the one to go back to.
        assert len(platform.hostctl("slugs", "-a", name).stdout.splitlines()[2:]) == 2
        assert "nothing to delete" in platform.hostctl("slugs:gc", "--dry-run").stderr
        platform.hostctl("rollback", "-a", name)
        refused = platform.hostctl("rollback", "v3", "-a", name, check=False)
        assert "The slug of v3 is gone: those of the last 1 releases are kept" in refused.stderr
        platform.push(platform.commit({"version": "next"}, checkout), name)
    wait_until(lambda: in_order(platform), SETTLED_SECONDS)


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
    wait_until(lambda: in_order(platform), SETTLED_SECONDS)


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
    wait_until(lambda: in_order(platform), SETTLED_SECONDS)


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
    wait_until(lambda: in_order(platform), SETTLED_SECONDS)


@pytest.mark.inside
@pytest.mark.parametrize("min_free", [1 << 20, 300 << 20], ids=["the disk is full", "the guard stops it"])
async def test_a_build_that_fills_the_disk_leaves_nothing(tmp_path: Path, min_free: int) -> None:
    """Also where somebody else fills it while the build is running."""
    source = tree({"Procfile": "web: sleep 1"})
    compile_ = 'echo kept > "$2/good"; echo ready; read -t 2 < <(sleep 2); head -c 4G /dev/zero > "$1/large"'
    async with bench_of_its_own() as bench:
        await bench.build(stream(source), **buildpack(tmp_path / "first", 'echo kept > "$2/good"'))
        [slug] = bench.pool.slugs()
        with filled_when_ready(bench, leave=400 << 20):
            with pytest.raises(PoolFull) as failed:
                options = buildpack(tmp_path / "second", compile_)
                await bench.build(stream(source), previous=slug, min_free_bytes=min_free, **options)
            assert bench.leftovers() == [slug]
            assert (bench.pool.cache(bench.app_id, UID) / "good").read_text() == "kept\n"
        assert "ran full while the build was running" in str(failed.value)
        again = await bench.build(stream(source), previous=slug, **buildpack(tmp_path / "third", "true"))
        assert bench.pool.has_slug(again.slug_id)


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
def settings(platform: Platform, **changes: int) -> Iterator[None]:
    """Other settings for a while; hostd is restarted to read them."""
    before = changed = platform.run(["cat", SETTINGS]).stdout
    for key, value in changes.items():
        changed = re.sub(rf"(?m)^{key} = .*", f"{key} = {value}", changed)
    use: Callable[[str], Finished] = lambda text: platform.run(["tee", SETTINGS], input=text)  # noqa: E731
    try:
        use(changed)
        platform.run(["systemctl", "restart", "hostd.service"])
        yield
    finally:
        use(before)
        platform.run(["systemctl", "restart", "hostd.service"])


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


@contextmanager
def filled_when_ready(bench: Bench, *, leave: int) -> Iterator[None]:
    """When the build says `ready`, the pool is filled but for so many bytes."""
    filler = bench.pool.root / "filler"
    hear = bench._hear

    async def fill(piece: bytes) -> None:
        await hear(piece)
        if b"ready" in piece and not filler.exists():
            free = bench.pool.free_bytes()
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, free - leave)

    bench._hear = fill  # type: ignore[method-assign]
    try:
        yield
    finally:
        bench._hear = hear  # type: ignore[method-assign]
        filler.unlink(missing_ok=True)
        subprocess.run(["btrfs", "filesystem", "sync", str(bench.pool.root)], check=True)
