"""Buildpacks and submodules from git repositories and tarballs, served on the loopback address."""

from __future__ import annotations

import hashlib
import io
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from buildpacks.runner import addresses, archive, submodules
from buildpacks.runner.choose import parse
from buildpacks.runner.download import config, download
from buildpacks.runner.fetch import Fetched, Store, verify
from buildpacks.runner.git import Repository, read_links
from buildpacks.runner.trouble import Trouble
from tests.support.webfiles import PASSWORD, USER, serving

pytestmark = pytest.mark.thorough


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always")
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, list[str], Path]]:
    """A server's URL, what it was asked for, and its directory."""
    directory = tmp_path / "site"
    (directory / "private").mkdir(parents=True)
    with serving(directory) as (url, asked):
        yield url, asked, directory


@pytest.fixture
def repository(made: Path, tmp_path: Path) -> Path:
    """A buildpack in git: v1 and v2 are tags, v2 an annotated one, main is one commit further."""
    return Path(shutil.copytree(made, tmp_path / "pack"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "pack"
    (folder / "bin").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for version in ("v1", "v2", "v3"):
        (folder / "bin/compile").write_text(f"#!/bin/bash\necho {version}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", version)
        if version != "v3":
            git(folder, "tag", *(("-a", "-m", "x") if version == "v2" else ()), version)
    return folder


def publish(repository: Path, place: Path) -> None:
    """As a plain file server has it."""
    git(repository, "clone", "-q", "--bare", str(repository), str(place))
    git(place, "update-server-info")


@pytest.fixture
def have(tmp_path: Path) -> Callable[[str], Fetched]:
    """Has a buildpack by its address, each time as a build of its own."""
    builds = iter(range(100))

    def fetch(text: str) -> Fetched:
        scratch = tmp_path / f"scratch{next(builds)}"
        scratch.mkdir()
        return Store(tmp_path / "cache", scratch).have(parse(text, ()))

    return fetch


@pytest.mark.parametrize("how", ["smart/", ""])
@pytest.mark.parametrize(("ref", "version"), [("", "v3"), ("#main", "v3"), ("#v1", "v1"), ("#v2", "v2")])
def test_git_repository_at_a_ref(
    site: tuple[str, list[str], Path],
    repository: Path,
    have: Callable[[str], Fetched],
    ref: str,
    version: str,
    how: str,
) -> None:
    publish(repository, site[2] / "pack.git")
    fetched = have(f"{site[0]}/{how}pack.git{ref}")
    assert (fetched.folder / "bin/compile").read_text() == f"#!/bin/bash\necho {version}\n"
    assert fetched.commit == git(repository, "rev-parse", f"{ref[1:] or 'main'}^{{commit}}")
    assert not (fetched.folder / ".git").exists()


def test_git_repository_at_a_commit_is_not_asked_again(
    site: tuple[str, list[str], Path], repository: Path, have: Callable[[str], Fetched]
) -> None:
    publish(repository, site[2] / "pack.git")
    commit = git(repository, "rev-parse", "v1")
    first = have(f"{site[0]}/pack.git#{commit}")
    asked = len(site[1])
    assert have(f"{site[0]}/pack.git#{commit}") == first
    assert len(site[1]) == asked
    assert have(f"{site[0]}/pack.git#{commit[:10]}") == first


def test_ref_is_never_an_option_of_git(site: tuple[str, list[str], Path], tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="is not a branch, tag or commit"):
        Repository(addresses.parse(f"{site[0]}/x"), tmp_path / "x.git").fetch("--upload-pack=touch /tmp/x")


def test_branch_that_moved_is_fetched_anew(
    site: tuple[str, list[str], Path], repository: Path, have: Callable[[str], Fetched]
) -> None:
    publish(repository, site[2] / "pack.git")
    first = have(f"{site[0]}/pack.git")
    git(site[2] / "pack.git", "update-ref", "refs/heads/main", git(repository, "rev-parse", "v1"))
    git(site[2] / "pack.git", "update-server-info")
    assert have(f"{site[0]}/pack.git").commit != first.commit


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("pack.git#nowhere", 'it has no branch or tag "nowhere"'),
        (f"pack.git#{'0' * 40}", f"it has no commit {'0' * 40}"),
        ("absent.git", "not found"),
        ("private/pack.git", "it does not exist or is private: put a user name and a token into the address"),
        ("empty.git", "it is empty"),
    ],
)
def test_git_repository_that_cannot_be_had(
    site: tuple[str, list[str], Path], repository: Path, have: Callable[[str], Fetched], path: str, reason: str
) -> None:
    for place in ("pack.git", "private/pack.git"):
        publish(repository, site[2] / place)
    git(site[2], "init", "-q", "--bare", "empty.git")
    git(site[2] / "empty.git", "update-server-info")
    with pytest.raises(Trouble, match=r"The buildpack http://.* cannot be had: ") as caught:
        have(f"{site[0]}/{path}")
    assert reason in str(caught.value)


def test_private_repository_and_tarball_with_credentials(
    site: tuple[str, list[str], Path], repository: Path, have: Callable[[str], Fetched]
) -> None:
    publish(repository, site[2] / "private/pack.git")
    git(repository, "archive", "-o", str(site[2] / "private/pack.tgz"), "HEAD")
    host = site[0].removeprefix("http://")
    for path in ("private/pack.git", "private/pack.tgz"):
        address = f"http://{USER}:{quote(PASSWORD, safe='')}@{host}/{path}"
        assert (have(address).folder / "bin/compile").exists()
        with pytest.raises(Trouble) as caught:
            have(address.replace(quote(PASSWORD, safe=""), "wr0ng"))
        assert "wr0ng" not in str(caught.value)


def test_repository_without_a_compile_script_is_no_buildpack(
    site: tuple[str, list[str], Path], repository: Path, have: Callable[[str], Fetched]
) -> None:
    git(repository, "mv", "bin/compile", "README")
    git(repository, "commit", "-qm", "x")
    publish(repository, site[2] / "pack.git")
    with pytest.raises(Trouble, match="there is no bin/compile in it"):
        have(f"{site[0]}/pack.git")


def tarball(place: Path, **entries: str | tarfile.TarInfo) -> str:
    """A tarball with files, or with entries as they are; returns its sha256."""
    with tarfile.open(place, "w:gz") as tar:
        for name, content in entries.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                entry = tarfile.TarInfo(name.replace("__", "/"))
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content.encode()))
    return hashlib.sha256(place.read_bytes()).hexdigest()


def test_tarball_with_a_folder_at_its_top_named_by_its_digest(
    site: tuple[str, list[str], Path], have: Callable[[str], Fetched]
) -> None:
    digest = tarball(site[2] / "pack.tgz", pack__bin__compile="x", pack__lib="y")
    fetched = have(f"{site[0]}/pack.tgz#{digest[:12]}")
    assert fetched.commit == digest
    assert sorted(path.name for path in fetched.folder.iterdir()) == ["bin", "lib"]
    with pytest.raises(Trouble, match=f"it is not #0123456: its sha256 is {digest}, it names no commit"):
        have(f"{site[0]}/pack.tgz#0123456")
    with pytest.raises(Trouble, match="7 digits or more"):
        have(f"{site[0]}/pack.tgz#main")


def test_tarball_of_a_commit_is_named_by_it(
    site: tuple[str, list[str], Path], repository: Path, have: Callable[[str], Fetched]
) -> None:
    git(repository, "archive", "--prefix=pack-1/", "-o", str(site[2] / "pack.tar.gz"), "v1")
    commit = git(repository, "rev-parse", "v1")
    assert have(f"{site[0]}/pack.tar.gz#{commit[:7]}").commit == commit
    assert have(f"{site[0]}/pack.tar.gz").commit == commit
    asked = len(site[1])
    assert have(f"{site[0]}/pack.tar.gz#{commit}").commit == commit
    assert len(site[1]) == asked


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


EVIL: dict[str, tuple[dict[str, str | tarfile.TarInfo], str]] = {
    "parent": ({"..__escaped": "x"}, "lies outside"),
    "absolute": ({"__tmp__escaped": "x"}, "lies outside"),
    "link": ({"a": entry("a", tarfile.SYMTYPE, "../../etc")}, "the link a leads out of it"),
    "absolute link": ({"a": entry("a", tarfile.SYMTYPE, "/etc/passwd")}, "the link a leads out of it"),
    "through a link": ({"a": entry("a", tarfile.SYMTYPE, "../.."), "a__escaped": "x"}, "through a link"),
    "hard link": ({"a": entry("a", tarfile.LNKTYPE, "/etc/passwd")}, "lies outside"),
    "chain": (
        {
            "a": entry("a", tarfile.DIRTYPE),
            "b": entry("a/b", tarfile.SYMTYPE, ".."),
            "c": entry("c", tarfile.SYMTYPE, "a/b/.."),
        },
        "the link c leads out of it",
    ),
    "device": ({"a": entry("a", tarfile.CHRTYPE)}, "neither a file nor a folder nor a link"),
    "pipe": ({"a": entry("a", tarfile.FIFOTYPE)}, "neither a file nor a folder nor a link"),
}


@pytest.mark.parametrize(("entries", "reason"), EVIL.values(), ids=EVIL)
def test_tarball_that_would_reach_outside(
    tmp_path: Path, entries: dict[str, str | tarfile.TarInfo], reason: str
) -> None:
    # A file beside, so that no single folder at the top is taken off.
    tarball(tmp_path / "x.tgz", **entries, beside="x", other="y")
    with pytest.raises(Trouble, match=reason):
        archive.unpack(tmp_path / "x.tgz", tmp_path / "deep/er/target")
    assert not list(tmp_path.rglob("escaped"))
    assert not Path("/tmp/escaped").exists()


def test_tarball_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_FILES", 10)
    tarball(tmp_path / "many.tgz", **{f"f{number}": "x" for number in range(11)})
    with pytest.raises(Trouble, match="more than 10 files"):
        archive.unpack(tmp_path / "many.tgz", tmp_path / "many")
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 20)
    tarball(tmp_path / "bomb.tgz", zeros="0" * (2 << 20))
    with pytest.raises(Trouble, match="or 1 MB"):
        archive.unpack(tmp_path / "bomb.tgz", tmp_path / "bomb")
    (tmp_path / "broken.tgz").write_bytes((tmp_path / "many.tgz").read_bytes()[:60])
    with pytest.raises(Trouble, match="it cannot be unpacked"):
        archive.unpack(tmp_path / "broken.tgz", tmp_path / "broken")


def test_download_is_bounded_and_says_what_failed(site: tuple[str, list[str], Path], tmp_path: Path) -> None:
    (site[2] / "large").write_bytes(bytes(3 << 20))
    with pytest.raises(Trouble, match="larger than 1 MB"):
        download(addresses.parse(f"{site[0]}/large"), tmp_path / "x", max_bytes=1 << 20)
    with pytest.raises(Trouble, match="404"):
        download(addresses.parse(f"{site[0]}/absent"), tmp_path / "x")
    assert config(addresses.parse('https://a:b%22@h/"x\\')) == 'url = "https://h/\\"x\\\\"\nuser = "a:b\\""\n'


def test_digest_and_commit_of_a_tarball() -> None:
    commit, digest = "a" * 40, "b" * 64
    assert verify("", digest, commit) == commit
    assert verify("", digest, "no commit") == digest
    assert verify("bbbbbbb", digest, commit) == digest
    assert verify("aaaaaaa", digest, commit) == commit


def test_submodules_are_fetched_at_their_commits_nested_ones_too(
    site: tuple[str, list[str], Path], repository: Path, tmp_path: Path
) -> None:
    middle, app = tmp_path / "middle", tmp_path / "app"
    publish(repository, site[2] / "pack.git")
    for folder, address, path in ((middle, "../pack.git", "inner"), (app, f"{site[0]}/middle.git", "lib/middle")):
        folder.mkdir()
        git(folder, "init", "-q", "-b", "main")
        git(folder, "-c", f"remote.origin.url={site[0]}/x.git", "submodule", "--quiet", "add", address, path)
        git(folder, "commit", "-qm", "x")
        if folder == middle:
            publish(middle, site[2] / "middle.git")
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    (tree / "lib/middle").mkdir(parents=True)
    scratch.mkdir()
    (tree / ".gitmodules").write_text((app / ".gitmodules").read_text())
    links = read_links(git(app, "ls-tree", "-r", "-z", "HEAD"))
    assert list(links) == ["lib/middle"]
    submodules.add(tree, links, None, scratch)
    assert (tree / "lib/middle/inner/bin/compile").exists()
    assert not list(tree.rglob(".git"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (None, "no address for the submodule lib"),
        ("../lib.git", "relative address ../lib.git, and a push does not say relative to what"),
        ("git@github.com:user/lib.git", "needs an ssh key, and a build has none: use the https:// address"),
    ],
)
def test_submodules_that_cannot_be_found_say_what_to_do(url: str | None, reason: str) -> None:
    with pytest.raises(Trouble, match=reason):
        submodules.locate("lib", {} if url is None else {"lib": url}, None)


def test_submodule_cannot_be_put_outside_the_tree(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to("/tmp")
    (tmp_path / "tree/.gitmodules").write_text('[submodule "a"]\n\tpath = link/x\n\turl = http://127.0.0.1:9/x\n')
    with pytest.raises(Trouble, match="cannot be fetched at 00000000"):
        submodules.add(tmp_path / "tree", {"link/x": "0" * 40}, None, tmp_path)
    for path in ("link/x", "../x", "/x"):
        with pytest.raises(Trouble, match="outside of the repository or behind a link"):
            submodules._place(tmp_path / "tree", path)


def test_time_is_bounded(tmp_path: Path) -> None:
    ticks = iter([0.0, 0.0, 1000.0])
    # Connections are made, and nobody ever answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = addresses.parse(f"http://127.0.0.1:{silent.getsockname()[1]}/x")
        slow = Repository(address, tmp_path / "x.git", seconds=30, clock=lambda: next(ticks))
        with pytest.raises(Trouble, match="did not end within 30 seconds"):
            slow.find("main")
        with pytest.raises(Trouble, match="timed out"):
            download(address, tmp_path / "x", seconds=1)
