"""Fault points: places where a test may kill hostd, to see that nothing half done is left.

A point does nothing unless the directory of faults exists, which only a test's box has.
"""

from __future__ import annotations

import enum
import os
import signal
from pathlib import Path


class FaultPoint(enum.Enum):
    """The steps of a deploy at which hostd can be made to die."""

    BUILD_RECORDED = "build-recorded"
    COMPILED = "compiled"
    RELEASE_PHASE_DONE = "release-phase-done"
    RELEASE_APPENDED = "release-appended"
    DYNOS_STARTED = "dynos-started"
    SETTLED = "settled"


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
