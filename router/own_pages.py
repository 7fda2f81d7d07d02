"""Own pages: the pages that apps show in place of ours, as hostd has put them beside the route table."""

from __future__ import annotations

from pathlib import Path

from router.faults import H80, Fault
from router.table import App

_MOST = 64
"""Pages kept in memory."""
_LONGEST = 256 * 1024


class OwnPages:
    """Reads a page when it is needed first. A name always stands for the same content."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._known: dict[str, bytes] = {}

    def of(self, app: App, fault: Fault) -> bytes | None:
        """The app's page, HTML in UTF-8, for a fault that is the app's or ours; None where there is none."""
        name = app.maintenance_page if fault is H80 else app.error_page
        if not name or not fault.code or fault.status < 500:
            return None
        if name not in self._known and (page := self._read(name)) is not None:
            if len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            self._known[name] = page
        return self._known.get(name)

    def _read(self, name: str) -> bytes | None:
        if self._directory is None:
            return None
        try:
            with (self._directory / name).open("rb") as file:
                return file.read(_LONGEST)
        except OSError:
            # hostd has just replaced it, and the next table names another.
            return None
