"""Removes the box of a test run that was killed and could not do it itself: `watcher.py PID BOX`.

A process in a session of its own, so that what kills the run does not kill it too.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

from hostd.box import Box, BoxError
from hostd.box.box import list_boxes

MARK = "HOSTD_TEST_BOX"


def start(pid: int, box: str) -> None:
    """Start a watcher for the run `pid` with the box `box`."""
    subprocess.Popen(
        [sys.executable, "-m", "tests.support.watcher", str(pid), box],
        env={key: value for key, value in os.environ.items() if key != MARK},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def watch(pid: int, box: str) -> None:
    """Wait for the run to end, then remove what it left: first its processes, which might boot the box again."""
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        select.select([pidfd], [], [])
    while left := processes_of(box):
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                pidfd = os.pidfd_open(process)
                os.kill(process, signal.SIGKILL)
                select.select([pidfd], [], [], 10)
    Box(box).remove()


def processes_of(box: str) -> list[int]:
    """The processes that the run started on the machine, known by their environment."""
    mark = f"{MARK}={box}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if mark in (entry / "environ").read_bytes().split(b"\0") and not _of_box(words):
                    found.append(int(entry.name))
    return found


def remove_stale() -> None:
    """Remove the boxes of runs that have ended; a watcher that was killed as well has left them."""
    for name in list_boxes():
        run = re.fullmatch(r"test-(\d+)-\d+", name)
        if run and not Path("/proc", run[1]).exists():
            with contextlib.suppress(BoxError):
                Box(name).remove()


def _of_box(words: list[bytes]) -> bool:
    """Whether a command line is nspawn or its keeper: those end when their box is stopped."""
    return any(word.startswith(b"--directory=") for word in words)


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2])
