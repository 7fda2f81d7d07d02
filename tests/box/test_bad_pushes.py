"""Pushes that cannot become a release, and some that look as if they could not."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.apps import Deployed, module_app
from tests.support.estate import settled
from tests.support.evidence import nothing_changes
from tests.support.formation import wait_for_formation
from tests.support.platform import Finished, Platform

APP = "bad-pushes"
GOOD = {"Procfile": "web: exec python3 -m http.server $PORT\n"}
LONG = 10_000_000


# An app that runs; whatever is refused must leave it running.
running = module_app(APP, GOOD)


@pytest.fixture
def refuses(platform: Platform, running: Deployed) -> Iterator[Platform]:
    """The platform, for a push that must change nothing."""
    with nothing_changes(platform):
        yield platform


def is_rejected(pushed: Finished, *reasons: str) -> None:
    """Git says that the push failed, and hostd said why."""
    assert pushed.returncode == 1
    for reason in reasons:
        assert reason in pushed.stderr
    assert "rejected]" in pushed.stderr
    assert "Traceback" not in pushed.stderr
    assert "inside hostd" not in pushed.stderr


PYTHON = {"requirements.txt": ""}
NO_BUILDPACK = "remote:  !     No buildpack fits this app. At the root of the repository, Python apps have"
PROCFILES: dict[str, tuple[Mapping[str, str | bytes], str]] = {
    "nothing": ({"README": "Hello"}, NO_BUILDPACK),
    "folder": ({"Procfile/web": "a", **PYTHON}, "Procfile: must be an ordinary file"),
    "twice": ({"Procfile": "web: a\nworker: b\nweb: c\n"}, 'Procfile, line 3: "web" is declared already in line 1'),
    "type": ({"Procfile": "\nwe b: a\n"}, 'Procfile, line 2: "we b" is no process type; use letters, digits'),
    "escape": ({"Procfile": "web\x1b[31m: a\n"}, r'Procfile, line 1: "web\x1b[31m" is no process type'),
    "no command": ({"Procfile": "web:\n"}, 'Procfile, line 1: "web" has no command'),
    "no colon": ({"Procfile": "web python app.py\n"}, 'write it as "type: command", for example "web: python app.py"'),
    "not UTF-8": ({"Procfile": b"web: caf\xe9\n"}, "Procfile, line 1: not UTF-8 (byte 9); save the file as UTF-8"),
}


@pytest.mark.parametrize(("files", "reason"), PROCFILES.values(), ids=PROCFILES)
def test_a_procfile_that_cannot_be_used(
    refuses: Platform, tmp_path: Path, files: Mapping[str, str | bytes], reason: str
) -> None:
    pushed = refuses.push(refuses.commit(files, tmp_path / "app"), APP, "main", "--force", check=False)
    is_rejected(pushed, reason, f"remote:  !     Push rejected: nothing has changed for {APP}.")


@pytest.mark.parametrize("target", ["/etc/shadow", "real"])
def test_a_procfile_that_is_a_link_is_not_followed(refuses: Platform, tmp_path: Path, target: str) -> None:
    repository = refuses.commit({**PYTHON, "real": "web: a\n"}, tmp_path / "app")
    (repository / "Procfile").symlink_to(target)
    pushed = refuses.push(refuses.commit({}, repository), APP, "main", "--force", check=False)
    is_rejected(pushed, "Procfile: must be an ordinary file, and is a link", "nothing has changed")
    assert "root:" not in pushed.stderr


def test_an_empty_repository_has_nothing_to_push(refuses: Platform, tmp_path: Path) -> None:
    refuses.git(tmp_path, "init", "-q", "-b", "main")
    pushed = refuses.push(tmp_path, APP, check=False)
    assert (pushed.returncode, "src refspec main does not match any" in pushed.stderr) == (1, True)


def test_an_empty_commit_is_no_app(refuses: Platform, tmp_path: Path) -> None:
    pushed = refuses.push(refuses.commit({}, tmp_path / "app"), APP, "main", "--force", check=False)
    is_rejected(pushed, NO_BUILDPACK)


REFS = {
    "delete": ([":main"], "Push rejected: main is what was deployed and cannot be deleted. Destroy the app"),
    "tag": (["v1:refs/heads/main"], "Push rejected: main must be a commit, not a tag: git push REMOTE TAG^{}:main"),
    "tree": (["HEAD^{tree}:refs/heads/master"], "Push rejected: master must be a commit, not a tree."),
    "two": (["HEAD:main", "HEAD:master"], "Push rejected: main and master both deploy: push one of them at a time."),
    "hidden": (["HEAD:refs/hostd/x"], "deny updating a hidden ref"),
    "dots": (["HEAD:refs/heads/../x"], ""),
}


@pytest.mark.parametrize(("specs", "reason"), REFS.values(), ids=REFS)
def test_refs_that_cannot_be_pushed(refuses: Platform, tmp_path: Path, specs: list[str], reason: str) -> None:
    repository = refuses.commit({**GOOD, "new": ""}, tmp_path / "app")
    refuses.git(repository, "tag", "-a", "-m", "A tag", "v1")
    pushed = refuses.git(repository, "push", "--force", refuses.git_url(APP), *specs, check=False)
    assert pushed.returncode != 0
    assert reason in pushed.stderr


BLOB, FILE, FOLDER = "blob", b"100644", b"40000"
TREES = {
    "git folder": ([(FOLDER, b".git")], "hasDotgit"),
    "parent": ([(FILE, b"..")], "hasDotdot"),
    "slash": ([(FILE, b"a/../../b")], "fullPathname"),
    "twice": ([(FILE, b"a"), (FILE, b"a")], "duplicateEntries"),
    "modules": ([(b"120000", b".gitmodules")], "gitmodulesSymlink"),
}


@pytest.mark.parametrize(("entries", "reason"), TREES.values(), ids=TREES)
def test_broken_trees_are_refused_when_they_arrive(
    refuses: Platform, tmp_path: Path, entries: list[tuple[bytes, bytes]], reason: str
) -> None:
    repository = refuses.commit(GOOD, tmp_path / "app")
    blob = refuses.git(repository, "rev-parse", "HEAD:Procfile").stdout.strip()
    tree = refuses.git(repository, "rev-parse", "HEAD^{tree}").stdout.strip()
    content = b"".join(
        mode + b" " + name + b"\0" + bytes.fromhex(tree if mode == FOLDER else blob) for mode, name in entries
    )
    push_tree(refuses, repository, written(repository, "tree", content), reason)


def test_a_broken_commit_is_refused_when_it_arrives(refuses: Platform, tmp_path: Path) -> None:
    repository = refuses.commit(GOOD, tmp_path / "app")
    tree = refuses.git(repository, "rev-parse", "HEAD^{tree}").stdout.strip()
    commit = written(repository, "commit", f"tree {tree}\nauthor nobody\ncommitter nobody\n\nbroken\n".encode())
    pushed = refuses.push(repository, APP, f"{commit}:refs/heads/main", "--force", check=False)
    is_rejected(pushed, "remote: fatal: fsck error in packed object")


def push_tree(platform: Platform, repository: Path, tree: str, reason: str) -> None:
    """Push a commit of this tree, which must be refused."""
    commit = platform.git(repository, "commit-tree", "-m", "broken", tree).stdout.strip()
    pushed = platform.push(repository, APP, f"{commit}:refs/heads/main", "--force", check=False)
    is_rejected(pushed, f": {reason}: ")


def written(repository: Path, kind: str, content: bytes) -> str:
    """An object made of these bytes, however wrong they are."""
    argv = ["git", "hash-object", "-t", kind, "-w", "--literally", "--stdin"]
    return subprocess.run(argv, input=content, capture_output=True, check=True, cwd=repository).stdout.decode().strip()


ODD_NAMES = (b"two\nlines", b"caf\xe9", b"-rf", b"$(reboot) `id` ; x", b"\x1b[31mred", b" ", "😀".encode(), b"n" * 250)


def test_odd_names_links_and_submodules_are_deployed_as_they_are(
    platform: Platform, running: Deployed, tmp_path: Path
) -> None:
    repository = platform.commit(GOOD, tmp_path / "app")
    for name in ODD_NAMES:
        (repository / name.decode(errors="surrogateescape")).write_text("here\n")
    for name, target in {"shadow": "/etc/shadow", "up": "../../../../etc/shadow", "pool": "/var/lib/hostd"}.items():
        (repository / name).symlink_to(target)
    platform.git(repository, "add", "--", ".")
    platform.git(repository, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    platform.git(repository, "commit", "-q", "-m", "Odd names")
    pushed = platform.push(repository, APP, "main", "--force")
    assert "Warning: sub: a repository inside this one, of which git has the commit only" in pushed.stderr
    wait_for_formation(platform, APP, web=1)

    looked = platform.hostctl("run", "-a", APP, "--", "python3", "-c", LOOK)
    names, read = looked.stdout.splitlines()
    assert set(ODD_NAMES) < set(ast.literal_eval(names))
    assert read == "['FileNotFoundError', 'FileNotFoundError', 'FileNotFoundError'] []"


LOOK = """
import os

def read(path):
    try:
        return open(path).read() if os.path.isfile(path) else os.listdir(path)
    except OSError as error:
        return type(error).__name__

print(os.listdir(b"/app"))
print([read(name) for name in ("shadow", "up", "pool")], os.listdir("sub"))
"""


def test_a_line_of_10_mb_in_a_build(running: Deployed, tmp_path: Path) -> None:
    hook = f"#!/bin/bash\nhead -c {LONG} /dev/zero | tr '\\0' 9\n"
    pushed = running.push({**GOOD, **PYTHON, "bin/pre_compile": hook}, tmp_path / "app")
    assert pushed.count("9") >= LONG
    assert "-----> Using Python 3." in pushed
    assert "Launching... done" in pushed


# A build backend (PEP 517) in the tree itself, which fails: what it says is what uv shows.
BACKEND = r"""
import os

def build_wheel(*_, **__):
    os.write(1, b"caf\xe9 \xff\xfe\n")
    raise SystemExit(3)
"""
BROKEN_PACKAGE = {
    "requirements.txt": "./pkg\n",
    "pkg/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    '[project]\nname = "pkg"\nversion = "1"\n',
    "pkg/backend.py": BACKEND,
}


def test_a_build_that_fails_with_output_that_is_not_utf_8(refuses: Platform, tmp_path: Path) -> None:
    pushed = refuses.push(refuses.commit(BROKEN_PACKAGE, tmp_path / "app"), APP, "main", "--force", check=False)
    is_rejected(pushed, "caf\ufffd", "Failed to compile the Python app (exit status 1)", "nothing has changed")


RELEASE = r"""
import os, sys
os.write(1, b"x" * int(sys.argv[1]) + b"\ncaf\xe9 \xff\xfe\x00\x1b[2J\n" + b"no end")
sys.exit(int(sys.argv[2]))
"""


def release(size: int, status: int) -> dict[str, str]:
    """An app whose release command writes a line of that many bytes, some bytes that are no text, and ends so."""
    return {"Procfile": f"{GOOD['Procfile']}release: python3 release.py {size} {status}\n", "release.py": RELEASE}


def test_a_release_command_may_say_anything(running: Deployed, tmp_path: Path) -> None:
    pushed = running.push(release(2_000_000, 0), tmp_path / "app")
    assert pushed.count("x") >= 2_000_000
    assert "remote:        no end" in pushed
    kept = running.hostctl("releases:output")
    assert kept.endswith("\x1b[2J\nno end")
    assert len(kept) < 2_000_000


def test_a_release_command_that_fails_makes_no_release(refuses: Platform, tmp_path: Path) -> None:
    pushed = refuses.push(refuses.commit(release(80, 3), tmp_path / "app"), APP, "main", "--force", check=False)
    is_rejected(pushed, "The release command failed with exit status 3: the lines above say why.", "nothing has")
    assert f"{'x' * 80}\n" in pushed.stderr.replace(" " * 8 + "\n", "\n")


def test_nothing_is_left_of_all_these(platform: Platform, running: Deployed) -> None:
    settled(platform)
