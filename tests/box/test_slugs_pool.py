"""The pool on real btrfs, and a dyno on a slug from it."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import btrfsutil
import pytest

from slugs.errors import NoSuchSubvolume, NotBtrfs, PoolFull
from slugs.pool import Pool
from slugs.space import check, used
from slugs.stacks import ensure_host_stack, identity_binds
from tests.box.slugs_kit import UID, pool_of_its_own
from units.sandbox import Bind, Limits, hardened
from units.systemd import Systemd, SystemdUnavailable
from units.users import ensure_user


@pytest.fixture
def pool() -> Iterator[Pool]:
    with pool_of_its_own() as pool:
        yield pool


def test_pool_must_be_on_btrfs() -> None:
    with pytest.raises(NotBtrfs, match="is not on btrfs"):
        Pool(Path("/run/hostd-no-pool"))
    Path("/run/hostd-no-pool").rmdir()


def test_pool_is_closed_to_other_users(pool: Pool) -> None:
    assert pool.root.stat().st_mode & 0o777 == 0o700


def test_build_becomes_a_slug_in_one_step(pool: Pool) -> None:
    tree = pool.create_build("b1", UID)
    assert (tree.stat().st_uid, tree.stat().st_gid) == (UID, UID)
    (tree / "file").write_text("content")
    assert pool.builds() == ["b1"]
    assert pool.freeze("b1", "s1") == pool.slug("s1")
    assert (pool.builds(), pool.slugs()) == ([], ["s1"])
    with pytest.raises(OSError, match="Read-only"):
        (pool.slug("s1") / "file").unlink()


def test_interrupted_freeze_is_finished_by_the_next(pool: Pool) -> None:
    (pool.create_build("b1", UID) / "file").write_text("content")
    pool.freeze("b1", "s1")
    pool.create_build("b1", UID)
    assert (pool.freeze("b1", "s1") / "file").read_text() == "content"
    assert pool.builds() == []


def test_a_copy_of_the_slug_before_becomes_the_slug(pool: Pool) -> None:
    (pool.create_build("b1", UID) / "file").write_text("old")
    pool.freeze("b1", "s1")
    (pool.create_build("b2", UID) / "file").write_text("new")
    (pool.create_successor("b2", "s1") / "file").write_text("written")
    pool.borrow_cache("app", "b2", UID)
    pool.manifest("s1").touch()
    pool.manifest("b2").touch()
    assert pool.builds() == ["b2"]
    assert (pool.finish_build("app", "b2", "s2", "s1") / "file").read_text() == "written"
    assert (pool.slug("s1") / "file").read_text() == "old"
    assert (pool.builds(), pool.caches()) == ([], ["app"])
    assert [path.name for path in (pool.root / "manifests").iterdir()] == ["s2"]


def test_what_is_large_is_thrown_away_first_and_deleted_later(pool: Pool) -> None:
    heard: list[bool] = []
    pool.thrown_away = lambda: heard.append(pool.has_trash())
    pool.create_build("b1", UID)
    pool.freeze("b1", "s1")
    pool.delete_slug("s1")
    assert heard == [True, True]
    assert pool.empty_trash() == 2
    assert not pool.has_trash()


def test_build_that_was_left_over_is_replaced(pool: Pool) -> None:
    (pool.create_build("b1", UID) / "old").touch()
    assert list(pool.create_build("b1", UID).iterdir()) == []


def test_what_is_not_there(pool: Pool) -> None:
    for ask in (lambda: pool.slug("s9"), lambda: pool.snapshot("s9", "d"), lambda: pool.freeze("b9", "s9")):
        with pytest.raises(NoSuchSubvolume, match=r"(s9|b9) is not in the pool"):
            ask()
    for delete in (pool.delete_slug, pool.delete_build, pool.delete_dyno, pool.drop_cache):
        delete("never-was")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "a\0b", "x" * 300], ids=range(8))
def test_names_never_leave_their_folder(pool: Pool, name: str) -> None:
    for call in (pool.slug, pool.delete_slug, pool.delete_dyno, lambda name: pool.create_build(name, UID)):
        with pytest.raises(ValueError, match="is no name"):
            call(name)


def test_subvolumes_that_an_app_made_go_with_the_dyno(pool: Pool) -> None:
    pool.create_build("b1", UID)
    pool.freeze("b1", "s1")
    inside = Pool(pool.snapshot("s1", "d1") / "deep")
    inside.create_build("x", UID)
    pool.delete_dyno("d1")
    assert pool.dynos() == []


def test_an_app_cannot_keep_its_files_by_making_them_read_only(pool: Pool) -> None:
    pool.create_build("b1", UID)
    pool.freeze("b1", "s1")
    tree = pool.snapshot("s1", "d1")
    for path in (tree / "a", tree / "a" / "b"):
        btrfsutil.create_subvolume(str(path))
    for path in (tree / "a" / "b", tree / "a", tree):
        btrfsutil.set_subvolume_read_only(str(path), True)
    pool.delete_dyno("d1")
    assert pool.dynos() == []


def test_failed_build_leaves_the_cache_alone(pool: Pool) -> None:
    (pool.cache("app", UID) / "good").touch()
    borrowed = pool.borrow_cache("app", "b1", UID)
    assert (borrowed / "good").exists()
    (borrowed / "good").unlink()
    assert pool.builds() == ["b1"]
    pool.delete_build("b1")
    assert (pool.cache("app", UID) / "good").exists()


def test_successful_build_gives_the_cache_back(pool: Pool) -> None:
    (pool.borrow_cache("app", "b1", UID) / "new").touch()
    pool.return_cache("app", "b1")
    assert (pool.cache("app", UID) / "new").exists()
    assert (pool.builds(), pool.caches()) == ([], ["app"])
    pool.drop_cache("app")
    assert pool.caches() == []


def test_interrupted_return_of_a_cache_is_finished(pool: Pool) -> None:
    (pool.cache("app", UID) / "old").touch()
    (pool.borrow_cache("app", "b1", UID) / "new").touch()
    (pool.root / "builds/b1.cache").rename(pool.root / "caches/app.returned")
    pool.finish_returns()
    assert [path.name for path in (pool.root / "caches").iterdir()] == ["app"]
    assert (pool.cache("app", UID) / "new").exists()


def test_temporary_files_go_with_the_dyno_and_the_build(pool: Pool) -> None:
    pool.create_build("b1", UID)
    (pool.scratch("b1") / "tmp" / "file").touch()
    pool.freeze("b1", "s1")
    assert list((pool.root / "scratch").iterdir()) == []
    pool.snapshot("s1", "d1")
    scratch = pool.scratch("d1")
    assert {path.stat().st_mode & 0o7777 for path in scratch.iterdir()} == {0o1777}
    (scratch / "var-tmp" / "file").touch()
    assert list((pool.scratch("d1") / "var-tmp").iterdir()) == []
    pool.delete_dyno("d1")
    assert list((pool.root / "scratch").iterdir()) == []


async def test_what_a_dyno_takes_is_found_wherever_it_hides_it(pool: Pool) -> None:
    pool.create_build("b1", UID)
    pool.freeze("b1", "s1")
    folder = pool.snapshot("s1", "d1")
    assert (pool.origin("d1"), pool.origin("gone")) == (pool.slug("s1"), None)
    before = await used([folder])
    for number in range(3000):
        (folder / f"{number:0100}").touch()
    inside = folder / "inside"
    btrfsutil.create_subvolume(str(inside))
    btrfsutil.sync(str(pool.root))
    with_names, generation = await used([folder]), pool.generation(folder)
    assert with_names - before > 3000 * 1000

    (inside / "file").write_bytes(b"x" * (1 << 20))
    for number in range(100):
        os.setxattr(inside / "file", f"user.{number}", b"x" * 15_000)
    btrfsutil.sync(str(pool.root))
    assert pool.generation(folder) > generation
    assert await used([folder]) - with_names > (1 << 20) + 2 * 100 * 15_000
    pool.delete_dyno("d1")
    assert (await used([folder]), pool.generation(folder), pool.origin("d1")) == (0, 0, None)


def test_numbers_of_a_full_pool(pool: Pool) -> None:
    assert 0 < pool.free_bytes() <= pool.total_bytes()
    check(pool, min_free=1, min_share=0)
    with pytest.raises(PoolFull, match=r"free, a build needs .* Running apps are not affected"):
        check(pool, min_share=1.1)


async def test_dyno_runs_on_a_slug(pool: Pool, tmp_path: Path) -> None:
    script = """
        echo "$GREETING from $(whoami) in $PWD, tools $ADDED, profile $OWN"
        python3 -c 'import ssl, socket; print(len(ssl.create_default_context().get_ca_certs()) > 10)'
        python3 -c 'import socket; print(socket.gethostbyname(socket.gethostname()))'
        date +%Z; echo changed >> file; ls -A / | tr '\\n' ' '
    """
    tree = pool.create_build("b1", UID)
    (tree / ".profile.d").mkdir()
    (tree / ".profile.d/tools.sh").write_text("export ADDED=yes\n")
    (tree / ".profile").write_text("export OWN=too\n")
    pool.freeze("b1", "s1")
    copy = pool.snapshot("s1", "d1")
    said = await run_dyno(pool, copy, script, tmp_path)
    assert said[0] == "hello from app in /app, tools yes, profile too"
    assert said[1] == "True"
    assert said[2].startswith("127.")
    assert (copy / "file").read_text() == "changed\n"
    assert not (pool.slug("s1") / "file").exists()
    assert " home " in f" {said[4]}"


async def run_dyno(pool: Pool, copy: Path, command: str, tmp_path: Path) -> list[str]:
    """What a command says that runs on the host stack as a dyno does."""
    systemd = Systemd()
    try:
        systemd.attach(asyncio.get_running_loop())
    except SystemdUnavailable as error:
        pytest.skip(f"needs systemd as PID 1: {error}")
    stack = ensure_host_stack(pool)
    await ensure_user(UID)
    environment = tmp_path / "env"
    environment.write_text("GREETING=hello\nHOME=/app\n")
    name = f"hostd-test-{uuid.uuid4().hex[:8]}.service"
    heard, told = os.pipe()
    try:
        with Path(os.devnull).open("rb") as nothing:
            await systemd.start(
                name,
                hardened(
                    root=stack.root,
                    uid=UID,
                    gid=UID,
                    binds=[*stack.binds, *identity_binds(stack, UID), Bind(copy, Path("/app"), writable=True)],
                    limits=Limits(memory_max=256 << 20, cpu_weight=100, tasks_max=64),
                    slice_name="hostd-apps.slice",
                    description="a test",
                    command=["/.hostd/launch", command],
                    environment_file=environment,
                    stdio=(nothing.fileno(), told, told),
                ),
            )
        os.close(told)
        while (info := systemd.info(name)) is not None and info.sub == "running":
            await asyncio.sleep(0.02)
        await systemd.stop(name)
        systemd.unref(name)
        return os.read(heard, 65536).decode().splitlines()
    finally:
        os.close(heard)
        systemd.close()
