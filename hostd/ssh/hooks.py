"""The directory of git hooks that all repositories share: one hook, pre-receive, which deploys."""

from __future__ import annotations

import os
from pathlib import Path

PRE_RECEIVE = "pre-receive"
EXECUTABLE = "hostd-pre-receive"


def hooks_directory(programs: Path) -> Path:
    """Where the hooks are, for programs in a virtual environment's `bin`: beside it, and not writable by git."""
    return programs.parent / "share" / "hostd" / "git-hooks"


def write_hooks(directory: Path, executable: Path) -> None:
    """Make the directory hold exactly our hook, a link to *executable* (hostd-pre-receive). Idempotent."""
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    for stray in [entry for entry in directory.iterdir() if entry.name != PRE_RECEIVE]:
        stray.unlink()
    fresh = directory / f".{PRE_RECEIVE}.new"
    fresh.symlink_to(executable.absolute())
    fresh.replace(directory / PRE_RECEIVE)


def are_in_place(directory: Path) -> bool:
    """True if pushes would run our hook: without it git would take a push and nothing would be deployed."""
    return os.access(directory / PRE_RECEIVE, os.X_OK)
