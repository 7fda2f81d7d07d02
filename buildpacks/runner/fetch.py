"""Has the buildpacks that are not bundled: from git or a tarball, kept in the app's cache by commit or digest."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import archive, submodules
from .addresses import Address
from .choose import Reference
from .download import download
from .git import Repository
from .trouble import Trouble, say

MAX_TARBALL_BYTES = 200 << 20

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Fetched:
    """A buildpack's files and what they are: a commit, or the sha256 of a tarball."""

    folder: Path
    commit: str


class Store:
    """The fetched buildpacks in `folder` of an app's cache; `scratch` is for what is under way."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._folder = folder
        self._scratch = scratch
        self._used: set[str] = set()

    def have(self, reference: Reference) -> Fetched:
        """The buildpack's files, fetched unless they are there. Raises Trouble, which names the buildpack."""
        assert reference.address is not None
        try:
            found = self._tarball(reference) if reference.tarball else self._git(reference)
            if not (found.folder / "bin/compile").is_file():
                raise Trouble("there is no bin/compile in it: it is no buildpack")
        except Trouble as trouble:
            raise Trouble(f"The buildpack {reference.shown} cannot be had: {trouble}") from trouble
        return found

    def prune(self) -> None:
        """Drop what this build has not used."""
        for entry in self._folder.iterdir() if self._folder.exists() else ():
            if entry.name not in self._used:
                shutil.rmtree(entry, ignore_errors=True)

    def _git(self, reference: Reference) -> Fetched:
        assert reference.address is not None
        repository = Repository(reference.address, self._scratch / f"{_key(reference.address)}.git")
        found = repository.find(reference.ref)
        if found is not None and (kept := self._kept(reference.address, found.commit)):
            return self._said(kept, found.commit, "Cached")
        commit = repository.fetch(reference.ref)
        if kept := self._kept(reference.address, commit):
            return self._said(kept, commit, "Cached")
        tree = self._scratch / f"{_key(reference.address)}.tree"
        repository.check_out(commit, tree)
        submodules.add(tree, repository.links(commit), reference.address, self._scratch)
        archive.check_tree(tree)
        return self._said(self._keep(tree, reference.address, commit), commit, "Fetched")

    def _tarball(self, reference: Reference) -> Fetched:
        assert reference.address is not None
        if _COMMIT.fullmatch(reference.ref) and (kept := self._kept(reference.address, reference.ref)):
            return self._said(kept, reference.ref, "Cached")
        file = self._scratch / f"{_key(reference.address)}.tar"
        digest = download(reference.address, file, max_bytes=MAX_TARBALL_BYTES)
        tree = self._scratch / f"{_key(reference.address)}.tree"
        commit = archive.unpack(file, tree)
        file.unlink()
        what = verify(reference.ref, digest, commit)
        if kept := self._kept(reference.address, what):
            shutil.rmtree(tree)
            return self._said(kept, what, "Unchanged")
        return self._said(self._keep(tree, reference.address, what), what, "Fetched")

    def _kept(self, address: Address, commit: str) -> Path | None:
        folder = self._folder / f"{_key(address)}-{commit}"
        return folder if folder.is_dir() and not folder.is_symlink() else None

    def _keep(self, tree: Path, address: Address, commit: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = self._folder / f"{_key(address)}-{commit}"
        # /tmp is another subvolume; the last step is a rename, so that what is there is whole.
        coming = folder.with_suffix(".new")
        shutil.rmtree(coming, ignore_errors=True)
        shutil.copytree(tree, coming, symlinks=True)
        shutil.rmtree(tree)
        return coming.rename(folder)

    def _said(self, folder: Path, commit: str, how: str) -> Fetched:
        self._used.add(folder.name)
        say(f"       {how} at {commit[:12]}")
        return Fetched(folder, commit)


def verify(ref: str, digest: str, commit: str) -> str:
    """What a tarball is named by: its commit if it says one, else its digest; raises Trouble if that is not `ref`."""
    embedded = commit if _COMMIT.fullmatch(commit) else ""
    if ref and not _PREFIX.fullmatch(ref):
        raise Trouble("the #ref of a tarball is the beginning of its sha256 or of its commit, 7 digits or more")
    if ref and digest.startswith(ref):
        return digest
    if ref and not embedded.startswith(ref):
        says = f"its commit {embedded}" if embedded else "it names no commit"
        raise Trouble(f"it is not #{ref}: its sha256 is {digest}, {says}")
    return embedded or digest


def _key(address: Address) -> str:
    return hashlib.sha256(address.url.encode()).hexdigest()[:16]
