"""The host stack's skeleton, made from a small pretended host."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from slugs.pool import Pool
from slugs.stacks import ensure_host_stack, identity_binds, identity_files


@pytest.fixture
def host(tmp_path: Path) -> Path:
    host = tmp_path / "host"
    for folder in ("usr/bin", "usr/lib", "etc/ssl/certs", "etc/ssl/private", "etc/alternatives", "etc/fonts"):
        (host / folder).mkdir(parents=True)
    (host / "bin").symlink_to("usr/bin")
    (host / "lib").mkdir()
    (host / "etc/os-release").write_text('NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n')
    (host / "etc/services").write_text("http 80/tcp\n")
    (host / "etc/fonts/fonts.conf").write_text("<fontconfig/>")
    (host / "etc/fonts/secret.conf").write_text("hidden")
    (host / "etc/fonts/secret.conf").chmod(0o600)
    (host / "etc/localtime").symlink_to("/usr/share/zoneinfo/Etc/UTC")
    (host / "etc/shadow").write_text("root:secret")
    return host


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    (tmp_path / "pool/stacks").mkdir(parents=True)
    return cast(Pool, SimpleNamespace(root=tmp_path / "pool"))


def test_skeleton_has_what_programs_need_and_no_secrets(pool: Pool, host: Path) -> None:
    stack = ensure_host_stack(pool, host)
    root = stack.root
    assert root == pool.root / "stacks/host"
    assert (root / "bin").readlink() == Path("usr/bin")
    assert (root / "lib").is_dir()
    assert (root / "etc/services").read_text() == "http 80/tcp\n"
    assert (root / "etc/localtime").readlink() == Path("/usr/share/zoneinfo/Etc/UTC")
    assert "files dns" in (root / "etc/nsswitch.conf").read_text()
    assert "localhost" in (root / "etc/hosts").read_text()
    assert (root / "etc/fonts/fonts.conf").exists()
    assert not (root / "etc/fonts/secret.conf").exists()
    assert not (root / "etc/shadow").exists()
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert os.access(root / ".hostd/launch", os.X_OK)


def test_apt_finds_its_sources_and_no_passwords(pool: Pool, host: Path) -> None:
    for folder in ("sources.list.d", "auth.conf.d"):
        (host / "etc/apt" / folder).mkdir(parents=True)
    (host / "etc/apt/apt.conf").touch()
    stack = ensure_host_stack(pool, host)
    bound = {str(bind.target) for bind in stack.build_binds}
    assert bound == {"/etc/apt/sources.list.d", "/etc/apt/apt.conf"}
    assert all((stack.root / target[1:]).exists() for target in bound)
    assert (stack.root / "etc/apt/sources.list").read_text() == ""


def test_stack_says_what_it_is(pool: Pool, host: Path) -> None:
    stack = ensure_host_stack(pool, host)
    assert (stack.name, stack.release, stack.title) == ("host", "debian-12", "Debian-12")


def test_only_what_the_host_has_is_bound_and_never_writable(pool: Pool, host: Path) -> None:
    stack = ensure_host_stack(pool, host)
    targets = {str(bind.target) for bind in stack.binds}
    assert targets == {"/usr", "/etc/alternatives", "/etc/ssl/certs", "/lib"}
    assert not any(bind.writable for bind in [*stack.binds, *stack.build_binds])


def test_second_call_changes_nothing(pool: Pool, host: Path) -> None:
    root = ensure_host_stack(pool, host).root
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    ensure_host_stack(pool, host)
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before


def test_update_keeps_the_mount_points_that_dynos_use(pool: Pool, host: Path) -> None:
    root = ensure_host_stack(pool, host).root
    used = ("app", "usr", "etc/passwd", "etc/resolv.conf", "etc/ssl/certs", "proc")
    before = {name: (root / name).stat().st_ino for name in used}
    (host / "etc/services").write_text("http 80/tcp\nhttps 443/tcp\n")
    ensure_host_stack(pool, host)
    assert "https" in (root / "etc/services").read_text()
    assert {name: (root / name).stat().st_ino for name in used} == before


def test_skeleton_is_readable_under_a_strict_umask(pool: Pool, host: Path) -> None:
    umask = os.umask(0o077)
    try:
        stack = ensure_host_stack(pool, host)
        identity = identity_binds(stack, 200001)
    finally:
        os.umask(umask)
    paths = [*stack.root.rglob("*"), *(bind.source for bind in identity)]
    assert [path for path in paths if not path.is_symlink() and not path.stat().st_mode & 0o004] == []


def test_identity_names_the_uid_app() -> None:
    files = identity_files(200007)
    assert "app:x:200007:200007:app:/app:/bin/bash\n" in files["passwd"]
    assert "app:x:200007:\n" in files["group"]
    assert files["passwd"].startswith("root:x:0:0:root:/root:/bin/bash\n")


def test_identity_files_are_kept(pool: Pool, host: Path) -> None:
    stack = ensure_host_stack(pool, host)
    first = [bind.source.stat().st_mtime_ns for bind in identity_binds(stack, 200007)]
    assert [bind.source.stat().st_mtime_ns for bind in identity_binds(stack, 200007)] == first
    assert {str(bind.target) for bind in identity_binds(stack, 200007)} == {"/etc/passwd", "/etc/group"}
