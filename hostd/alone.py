"""One hostd for one ledger: a second, started by mistake, refuses."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO

from hostd.errors import Unavailable


def only_one(lock: Path) -> TextIO:
    """Lock the file as long as it stays open, which no child process inherits; the kernel lets go of a killed one's.

    Raises Unavailable while another process has it locked, naming that.
    """
    try:
        lock.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        file = lock.open("a+", encoding="ascii")
    except OSError as error:
        raise Unavailable(f"Cannot open {lock}: {error.strerror}.") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        other = file.read(20).strip() or "unknown"
        file.close()
        raise Unavailable(
            f"Another hostd runs already (process {other}), and two would undo each other's work. "
            "See it with `systemctl status hostd`, or restart it with `systemctl restart hostd`."
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
