"""Measuring trees; sharing of blocks needs btrfs and is tested in the box."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
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


def test_the_manifest_has_the_digest_of_what_can_share_blocks(tree: Path) -> None:
    (tree / os.fsdecode(b"\xff\n")).write_bytes(b"3" * 5000)
    written = io.BytesIO()
    measure(str(tree), manifest=written)
    expected = {b"a/b/one": b"1", b"\xff\n": b"3"}
    found = read_manifest(written.getvalue())
    assert found == {path: hashlib.sha256(byte * 5000).digest() for path, byte in expected.items()}


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
    done = run(tree, str(tree))
    assert done.returncode == 0
    assert json.loads(done.stderr)["size"] == 5010
    assert list(read_manifest(done.stdout)) == [b"a/b/one"]


def test_the_process_says_why_it_failed(tree: Path) -> None:
    done = run(tree / "none")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"No such file" in done.stderr
