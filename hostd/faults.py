"""Fault points: places where a test may kill hostd, to see that nothing half done is left.

A point does nothing unless a file named after it stands in the directory of faults, which only a test's box has.
"""

from __future__ import annotations

import enum
import os
import signal
from pathlib import Path


class FaultPoint(enum.Enum):
    """The steps of a deploy at which hostd can be made to die, in their order.

    Those from SNAPSHOT_MADE on belong to the dyno manager: every other change of an app passes them too. SLUG_DROPPED
    belongs to the clean-up.
    """

    BUILD_RECORDED = "build-recorded"
    """The source is about to be taken in."""
    BUILDING = "building"
    """The build's unit has written something."""
    COMPILED = "compiled"
    """The slug is in the pool, and no release names it."""
    RELEASE_PHASE_RUNNING = "release-phase-running"
    """The release command has written something."""
    RELEASE_PHASE_DONE = "release-phase-done"
    RELEASE_APPENDED = "release-appended"
    """The release stands; nothing was started."""
    SNAPSHOT_MADE = "snapshot-made"
    """A dyno has its files and its environment, and no unit."""
    DYNO_STARTED = "dyno-started"
    """A dyno's unit runs; it is not up yet."""
    DYNO_UP = "dyno-up"
    """A dyno is up, and the route table knows nothing of it."""
    TABLE_SAVED = "table-saved"
    """A new route table is on disk, and no worker has it."""
    TABLE_SWAPPED = "table-swapped"
    """The workers have the new table; a dyno that is not in it any more was not drained."""
    DRAINED = "drained"
    """No request is left at a dyno that is about to be stopped."""
    STOPPED = "stopped"
    """A dyno's unit has ended; its files are still there."""
    SETTLED = "settled"
    """The release runs; the pusher was not told."""
    SLUG_DROPPED = "slug-dropped"
    """The ledger has given up slugs, and the files of at least one are still there."""


class Faults:
    """Dies by SIGKILL at a point whose file stands in *directory*; the file is removed first."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def reach(self, point: FaultPoint) -> None:
        """Say that *point* is reached."""
        order = self._directory / point.value
        if order.exists():
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
