"""What systemd leaves of units that are gone: the files by which it tells journald what to add to their lines.

systemd 252 deletes none of them (LogExtraFields=; seen with any unit): one for each dyno that was ever started, on a
file system in memory. journald may still be reading the last lines of a unit that has just ended, and asks the file
then; so they go when their unit was gone twice.
"""

import asyncio
import logging
from pathlib import Path

log = logging.getLogger(__name__)

UNITS = Path("/run/systemd/units")
_TRANSIENT = Path("/run/systemd/transient")
_FIELDS = "log-extra-fields:"
_SECONDS = 600.0


class Leftovers:
    """Those of transient units whose names match a shell pattern."""

    def __init__(self, pattern: str, units: Path = UNITS, transient: Path = _TRANSIENT) -> None:
        self._pattern = pattern
        self._units = units
        self._transient = transient
        self._gone: set[Path] = set()

    async def run(self) -> None:
        """Look every ten minutes, for ever."""
        while True:
            try:
                self.sweep()
            except OSError as error:
                log.warning("what systemd left of ended dynos cannot be deleted, which is tried again: %s", error)
            await asyncio.sleep(_SECONDS)

    def sweep(self) -> None:
        """Delete what was left at the last look already. Raises OSError."""
        gone = {path for path in left(self._pattern, self._units) if not self._runs(path)}
        for path in gone & self._gone:
            path.unlink(missing_ok=True)
        self._gone = gone

    def _runs(self, path: Path) -> bool:
        return (self._transient / path.name.removeprefix(_FIELDS)).exists()


def left(pattern: str, units: Path = UNITS) -> list[Path]:
    """The files of units whose names match a shell pattern, of those that run too."""
    return list(units.glob(_FIELDS + pattern))
