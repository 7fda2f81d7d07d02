"""Chooses an app's buildpacks and puts a copy of each into a folder of its own.

`run.py prepare WORK`, with the owner's list on standard input, one a line. Reads BUILD_DIR, CACHE_DIR, ENV_DIR and
the names of the bundled ones from the environment. Makes WORK/packs/1, 2, ...; and WORK/chosen, one buildpack a line:
what to call it, its ref, its commit, parted by tabs. Without WORK/chosen the app's files are to decide.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .choose import Choice, Reference, choose
from .trouble import Trouble, guarded, say

MAX_BUILDPACKS = 20

_MAX_BYTES = 64 * 1024


def main(arguments: Sequence[str]) -> int:
    """The helper; what it has to say goes to the transcript."""
    work = Path(arguments[0])
    owner = [line for line in sys.stdin.read().splitlines() if line.strip()]
    return guarded(work, partial(_prepare, work, owner))


def _prepare(work: Path, owner: Sequence[str]) -> None:
    bundled = Path(os.environ["BUILDPACKS_DIR"])
    choice = _choose(owner, bundled)
    if choice.warning:
        say(f" !     {choice.warning}")
    if not choice.references:
        return
    # Not before it is known that it is needed: it takes longer to import than all the rest of an ordinary build's.
    from .fetch import Fetched, Store

    if len(choice.references) > MAX_BUILDPACKS:
        raise Trouble(f"{len(choice.references)} buildpacks are more than the {MAX_BUILDPACKS} that an app may have")
    several = len(choice.references) > 1
    say("-----> Using buildpacks:" if several else f"-----> Using buildpack: {choice.references[0].shown}")
    store = Store(Path(os.environ["CACHE_DIR"], ".hostd/buildpacks"), work)
    rows = []
    for number, reference in enumerate(choice.references, start=1):
        if several:
            say(f"       {number}. {reference.shown}")
        fetched = Fetched(bundled / reference.name, "") if reference.name else store.have(reference)
        _copy(fetched.folder, work / "packs" / str(number))
        rows.append("\t".join((_called(reference), reference.ref, fetched.commit)))
    store.prune()
    (work / "chosen").write_text("".join(f"{row}\n" for row in rows))


def _choose(owner: Sequence[str], bundled: Path) -> Choice:
    build, env = Path(os.environ["BUILD_DIR"]), Path(os.environ["ENV_DIR"])
    return choose(
        owner=owner,
        config_url=_read(env / "BUILDPACK_URL") or "",
        dotfile=_read(build / ".buildpacks"),
        app_json=_read(build / "app.json"),
        known=[folder.name for folder in bundled.iterdir() if folder.is_dir()],
    )


def _called(reference: Reference) -> str:
    return reference.shown.removesuffix(f"#{reference.ref}") if reference.ref else reference.shown


def _read(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return file.read(_MAX_BYTES)
    except OSError:
        return None


def _copy(source: Path, target: Path) -> None:
    """A copy that the buildpack may write into, with the x bits that git or an installer may have lost."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o700 if path.is_dir() or path.parent == target / "bin" else 0o600))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
