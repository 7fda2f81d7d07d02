"""Ends a command whose reader has gone, also while it has nothing to write."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from typing import TextIO


def end_with_reader(stream: TextIO, *, quietly: bool = False) -> None:
    """Let this process end, as by a terminal's hang-up, when nobody can read *stream* any more.

    `quietly`: with exit status 0, for what has nothing to tidy up and is mostly read in parts (`hostctl ... | head`).

    Over ssh nothing else tells that the user pressed Ctrl-C: a command notices when it writes, and a silent build
    writes nothing for minutes.
    """
    with contextlib.suppress(OSError):
        descriptor = stream.fileno()
        threading.Thread(target=_watch, args=(descriptor, quietly), daemon=True).start()


def _watch(descriptor: int, quietly: bool) -> None:
    poll = select.poll()
    poll.register(descriptor, 0)
    while any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll()):
        if quietly:
            os._exit(0)
        os.kill(os.getpid(), signal.SIGHUP)
        return
