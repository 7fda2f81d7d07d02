"""Clears up after pushes that were broken off.

git keeps what it was sent in a directory of its own until the push is accepted (git-receive-pack(1), "Quarantine
Environment"), and leaves that directory behind when a signal ends it.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

LOCK = "hostd-pushes.lock"
QUARANTINES = "objects/tmp_objdir-incoming-*"


@contextlib.contextmanager
def clearing(repository: Path) -> Iterator[int]:
    """Remove the quarantines of a repository afterwards, unless another push to it is under way.

    Gives a descriptor that git is to inherit: the lock on it says that a push is under way, and stays until git has
    ended even if we are killed.
    """
    with (repository / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            yield lock.fileno()
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for left in repository.glob(QUARANTINES):
                    shutil.rmtree(left, ignore_errors=True)
            fcntl.flock(lock, fcntl.LOCK_UN)
