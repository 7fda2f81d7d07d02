"""Brings a source that does not come on the build's standard input, and the submodules of any.

`run.py source git WORK`, `run.py source url WORK` and `run.py source submodules WORK` read what they need from standard
input: an address and a ref on two lines, an address, or one `COMMIT PATH` a line. They write into BUILD_DIR, and the
commit, where they come to know it, into WORK/commit.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from . import addresses, submodules
from .download import download
from .git import Repository
from .trouble import Trouble, guarded, say


def main(arguments: Sequence[str]) -> int:
    """The helper; what it has to say goes to the transcript."""
    kind, work = arguments[0], Path(arguments[1])
    lines = sys.stdin.read().splitlines()
    build = Path(os.environ["BUILD_DIR"])
    doing = {"git": partial(_clone, lines, build, work), "url": partial(_download, lines, work)}
    return guarded(work, doing.get(kind, partial(_add_submodules, lines, build, work)))


def _clone(lines: Sequence[str], build: Path, work: Path) -> None:
    address = addresses.parse(lines[0])
    ref = lines[1] if len(lines) > 1 else ""
    say(f"-----> Fetching {address.shown}{f' {ref}' if ref else ''}")
    try:
        repository = Repository(address, work / "source.git")
        commit = repository.fetch(ref)
        say(f"       Commit {commit[:12]}")
        repository.check_out(commit, build)
    except Trouble as trouble:
        raise Trouble(f"{address.shown} cannot be fetched: {trouble}") from trouble
    (work / "commit").write_text(commit)
    submodules.add(build, repository.links(commit), address, work)


def _download(lines: Sequence[str], work: Path) -> None:
    address = addresses.parse(lines[0])
    say(f"-----> Downloading {address.shown}")
    if address.url.startswith("git:"):
        raise Trouble(f"{address.shown} is a git repository and no tarball")
    try:
        digest = download(address, work / "source.tar")
    except Trouble as trouble:
        raise Trouble(f"{address.shown} cannot be downloaded: {trouble}") from trouble
    say(f"       sha256 {digest}")


def _add_submodules(lines: Sequence[str], build: Path, work: Path) -> None:
    rows = (line.partition(" ") for line in lines if line)
    links = {path: commit for commit, _, path in rows}
    say("-----> Fetching submodules")
    submodules.add(build, links, None, work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
