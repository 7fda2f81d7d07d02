"""Puts git's submodules into a tree, each at the commit that the repository names."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from . import addresses
from .addresses import Address
from .git import Repository
from .trouble import Trouble, say

MAX_DEPTH = 5
MAX_SUBMODULES = 200


def add(tree: Path, links: Mapping[str, str], base: Address | None, scratch: Path, *, depth: int = 0) -> None:
    """Fetch the submodules `links` (commits by paths) of the repository checked out in `tree`, and theirs.

    `base` is where the repository came from, None for a push, of which nobody knows. Raises Trouble.
    """
    if not links:
        return
    if depth > MAX_DEPTH or len(links) > MAX_SUBMODULES:
        raise Trouble(f"its submodules are more than {MAX_SUBMODULES}, or nested more than {MAX_DEPTH} deep")
    urls = read_gitmodules(_gitmodules(tree))
    for number, (path, commit) in enumerate(sorted(links.items())):
        address = locate(path, urls, base)
        say(f"       Submodule {path if path.isprintable() else repr(path)}: {address.shown} at {commit[:12]}")
        repository = Repository(address, scratch / f"submodule-{depth}-{number}-{commit[:12]}.git")
        try:
            repository.fetch(commit)
        except Trouble as trouble:
            raise Trouble(
                f"The submodule {path} cannot be fetched at {commit[:12]} from {address.shown}: {trouble}. "
                "Is that commit pushed there?"
            ) from trouble
        place = _place(tree, path)
        repository.check_out(commit, place)
        add(place, repository.links(commit), address, scratch, depth=depth + 1)


def locate(path: str, urls: Mapping[str, str], base: Address | None) -> Address:
    """Where a submodule is fetched from; raises Trouble when nothing says so, or what says so is of no use here."""
    url = urls.get(path)
    if url is None:
        raise Trouble(
            f".gitmodules has no address for the submodule {path}: add one (git submodule add URL {path}), or remove "
            f"it (git rm --cached {path}) and commit its files"
        )
    if url.startswith(("./", "../")):
        if base is None:
            raise Trouble(
                f"The submodule {path} has the relative address {url}, and a push does not say relative to what. "
                "Write its https:// address into .gitmodules"
            )
        return addresses.join(base, url)
    try:
        return addresses.parse(url)
    except Trouble as trouble:
        raise Trouble(f"The submodule {path} cannot be fetched: {trouble}, in .gitmodules") from trouble


def read_gitmodules(listed: str) -> dict[str, str]:
    """Addresses by paths, from what `git config -z --list` printed of a .gitmodules."""
    paths: dict[str, str] = {}
    urls: dict[str, str] = {}
    for entry in listed.split("\0"):
        key, _, value = entry.partition("\n")
        section, _, name = key.partition(".")
        name, _, variable = name.rpartition(".")
        if section == "submodule" and variable == "path":
            paths[name] = value
        elif section == "submodule" and variable == "url":
            urls[name] = value
    return {path: urls[name] for name, path in paths.items() if name in urls}


def _gitmodules(tree: Path) -> str:
    file = tree / ".gitmodules"
    if file.is_symlink() or not file.is_file():
        return ""
    done = subprocess.run(
        ["git", "config", "-z", "--list", "--no-includes", "--file", str(file)],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Trouble(f".gitmodules cannot be read: {done.stderr.decode(errors='replace').strip()[:300]}")
    return done.stdout.decode(errors="surrogateescape")


def _place(tree: Path, path: str) -> Path:
    pure = PurePosixPath(path)
    place = tree / pure
    if pure.is_absolute() or ".." in pure.parts or os.path.realpath(place) != os.path.realpath(tree) + f"/{pure}":
        raise Trouble(f"The submodule {path} lies outside of the repository or behind a link")
    return place
