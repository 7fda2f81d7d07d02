"""Measuring trees; sharing of blocks needs btrfs and is tested in the box."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import slugs.tree
from slugs.tree import LARGEST, MAX_BYTES, MAX_DEPTH, TreeError, measure, read_manifest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/one").write_bytes(b"1" * 5000)
    (root / "two").write_bytes(b"2" * 10)
    (root / "link").symlink_to("two")
    return root


def test_sizes_and_largest(tree: Path) -> None:
    measured = measure(str(tree))
    assert (measured.size, measured.files, measured.shared) == (5010, 2, 0)
    assert measured.largest == [("a/b/one", 5000), ("two", 10)]


def test_digest_depends_on_everything_that_makes_a_tree(tree: Path) -> None:
    digests = {measure(str(tree)).digest}
    assert measure(str(tree)).digest in digests
    changes = [
        lambda: (tree / "two").write_bytes(b"3" * 10),
        lambda: (tree / "two").chmod(0o755),
        lambda: (tree / "two").rename(tree / "three"),
        lambda: ((tree / "link").unlink(), (tree / "link").symlink_to("three")),
        lambda: (tree / "empty").mkdir(),
    ]
    for change in changes:
        change()
        digests.add(measure(str(tree)).digest)
    assert len(digests) == len(changes) + 1
    assert all(digest.startswith("sha256:") for digest in digests)


def test_digest_does_not_depend_on_times(tree: Path) -> None:
    before = measure(str(tree)).digest
    os.utime(tree / "two", (1, 1))
    assert measure(str(tree)).digest == before


def test_a_file_that_claims_to_be_endless_is_not_read(tree: Path) -> None:
    with (tree / "holes").open("wb") as file:
        file.truncate(MAX_BYTES)
    with pytest.raises(TreeError, match="with holes it has more than 8 GB"):
        measure(str(tree))


def test_links_are_never_followed(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"s" * 9000)
    before = measure(str(tree)).size
    (tree / "out").symlink_to(tmp_path / "outside")
    (tree / "file").symlink_to(tmp_path / "outside/secret")
    assert measure(str(tree)).size == before


def test_hard_links_count_once(tree: Path) -> None:
    os.link(tree / "a/b/one", tree / "again")
    assert measure(str(tree)).size == 5010


def test_fifos_and_odd_names_are_no_obstacle(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    (tree / os.fsdecode(b"\xff\n")).write_bytes(b"odd")
    measured = measure(str(tree))
    assert measured.size == 5013
    assert all(path.isprintable() for path, _ in measured.largest)


def test_only_the_largest_are_named(tree: Path) -> None:
    for number in range(30):
        (tree / f"f{number:02}").write_bytes(b"x" * (100 + number))
    measured = measure(str(tree))
    assert len(measured.largest) == LARGEST
    assert measured.largest[1] == ("f29", 129)


def test_depth_is_bounded(tree: Path) -> None:
    path = tree.joinpath(*["d"] * (MAX_DEPTH + 1))
    path.mkdir(parents=True)
    with pytest.raises(TreeError, match="nested more than 200 deep"):
        measure(str(tree))


def test_the_manifest_has_the_digest_of_every_file(tree: Path) -> None:
    (tree / os.fsdecode(b"\xff\n")).write_bytes(b"3" * 5000)
    written = io.BytesIO()
    measure(str(tree), manifest=written)
    expected = {b"a/b/one": b"1" * 5000, b"two": b"2" * 10, b"\xff\n": b"3" * 5000}
    found = read_manifest(written.getvalue())
    assert found == {path: hashlib.sha256(content).digest() for path, content in expected.items()}


def content(tree: Path) -> dict[str, object]:
    """All that a slug must keep of a tree."""
    found: dict[str, object] = {}
    for path in [tree, *sorted(tree.rglob("*"))]:
        status = path.lstat()
        what: object = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        links = status.st_nlink if path.is_file() else 0
        found[str(path.relative_to(tree))] = (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), what, links)
    return found


CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    "a file changes": lambda tree: (tree / "two").write_bytes(b"3" * 10),
    "a file grows": lambda tree: (tree / "two").write_bytes(b"3" * 11),
    "a large file changes": lambda tree: (tree / "a/b/large").write_bytes(b"5" * (1 << 18)),
    "a file goes": lambda tree: (tree / "two").unlink(),
    "a mode changes": lambda tree: (tree / "two").chmod(0o755),
    "a folder goes": lambda tree: shutil.rmtree(tree / "a"),
    "a folder comes": lambda tree: (tree / "new/er").mkdir(parents=True),
    "a folder is closed": lambda tree: (tree / "a/b").chmod(0o555),
    "a file becomes a folder": lambda tree: ((tree / "two").unlink(), (tree / "two").mkdir(0o750)),
    "a folder becomes a file": lambda tree: (shutil.rmtree(tree / "a"), (tree / "a").write_bytes(b"now")),
    "a folder becomes a link": lambda tree: (shutil.rmtree(tree / "a"), (tree / "a").symlink_to("/etc")),
    "a link becomes a file": lambda tree: ((tree / "link").unlink(), (tree / "link").write_bytes(b"now")),
    "a link leads elsewhere": lambda tree: ((tree / "link").unlink(), (tree / "link").symlink_to("/etc/passwd")),
    "a file becomes a link": lambda tree: ((tree / "two").unlink(), (tree / "two").symlink_to("a")),
    "hard links come": lambda tree: [os.link(tree / "two", tree / name) for name in ("a/again", "zz")],
    "a fifo comes": lambda tree: os.mkfifo(tree / "pipe", 0o640),
    "the top is closed": lambda tree: tree.chmod(0o500),
    "odd names": lambda tree: (tree / os.fsdecode(b"\xff\n ")).write_bytes(b"odd"),
}


@pytest.mark.parametrize("back", [False, True], ids=["there", "and back"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_target_is_made_equal(tree: Path, tmp_path: Path, change: Callable[[Path], object], back: bool) -> None:
    (tree / "a/b/large").write_bytes(b"4" * (1 << 18))
    target = tmp_path / "target"
    shutil.copytree(tree, target, symlinks=True)
    change(target if back else tree)
    manifests = [io.BytesIO(), io.BytesIO()]
    expected = measure(str(tree), manifest=manifests[0])
    for known in ({}, read_manifest(manifests[0].getvalue()) if back else {}):
        found = measure(str(tree), str(target), manifest=manifests[1], known=known)
        assert content(target) == content(tree)
        assert (found.digest, found.size, found.files) == (expected.digest, expected.size, expected.files)
    assert manifests[1].getvalue() == 2 * manifests[0].getvalue()
    for folder in (tree, target, tree / "a/b", target / "a/b"):
        if folder.exists():
            folder.chmod(0o755)


def test_what_did_not_change_is_not_touched(tree: Path, tmp_path: Path) -> None:
    (tree / "source.py").write_bytes(b"pass")
    target = tmp_path / "target"
    shutil.copytree(tree, target, symlinks=True)
    for path in (tree / "source.py", tree / "two", tree / "a/b/one"):
        os.utime(path, (1, 1))
    (tree / "two").write_bytes(b"3" * 10)
    before = {name: (target / name).stat() for name in ("source.py", "two", "a/b/one")}
    measured = measure(str(tree), str(target))
    after = {name: (target / name).stat() for name in before}
    assert measured.shared == measured.size - 10
    assert after["a/b/one"].st_ctime_ns == before["a/b/one"].st_ctime_ns
    # Byte code is good for one exact time of its source.
    assert (after["source.py"].st_ino, after["source.py"].st_mtime) == (before["source.py"].st_ino, 1)
    assert after["two"].st_mtime_ns == (tree / "two").stat().st_mtime_ns


def test_a_wrong_manifest_does_no_harm_to_small_files(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    shutil.copytree(tree, target, symlinks=True)
    known = {b"two": bytes(32), b"a/b/one": b"rubbish"}
    assert measure(str(tree), str(target), known=known).digest == measure(str(tree)).digest
    assert content(target) == content(tree)


def test_links_in_the_target_are_never_followed(tree: Path, tmp_path: Path) -> None:
    outside, target = tmp_path / "outside", tmp_path / "target"
    outside.mkdir()
    (outside / "kept").write_bytes(b"kept")
    target.mkdir()
    for name in ("a", "two", "gone"):
        (target / name).symlink_to(outside / "kept" if name == "two" else outside)
    measure(str(tree), str(target))
    assert content(target) == content(tree)
    assert (outside / "kept").read_bytes() == b"kept"
    assert [path.name for path in outside.iterdir()] == ["kept"]


def test_what_is_no_manifest_is_none() -> None:
    digest = b"0" * 64
    for text in (b"", b"\0", b"rubbish", digest, b"0" * 63 + b" path\0", b"g" * 64 + b" path\0", digest + b" \0"):
        assert read_manifest(text) == {}
    assert read_manifest(digest + b" a b\0rubbish") == {b"a b": bytes(32)}


def test_the_number_of_files_is_bounded(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slugs.tree, "MAX_ENTRIES", 4)
    with pytest.raises(TreeError, match="more than 4 files, folders and links"):
        measure(str(tree))


def run(tree: Path, *more: str) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-I", slugs.tree.__file__, str(tree), *more]
    return subprocess.run(argv, input=b"", capture_output=True, check=False)


def test_the_process_writes_the_manifest_and_tells_what_it_found(tree: Path) -> None:
    (tree.parent / "target").mkdir()
    done = run(tree, str(tree.parent / "target"))
    assert done.returncode == 0
    assert json.loads(done.stderr)["size"] == 5010
    assert list(read_manifest(done.stdout)) == [b"a/b/one", b"two"]


def test_the_process_says_why_it_failed(tree: Path) -> None:
    done = run(tree / "none")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"No such file" in done.stderr
