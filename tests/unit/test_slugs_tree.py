"""Measuring trees; sharing of blocks needs btrfs and is tested in the box."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slugs.tree import LARGEST, MAX_BYTES, MAX_DEPTH, TreeError, measure


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


def test_child_process_prints_json(tree: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "slugs.tree", str(tree)], capture_output=True, check=True)
    assert json.loads(done.stdout)["size"] == 5010


def test_child_process_says_why_it_failed(tree: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "slugs.tree", str(tree / "none")], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"No such file" in done.stderr
