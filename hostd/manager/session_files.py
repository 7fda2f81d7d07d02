"""What a restarted hostd must know of the sessions that it finds: one file for each of their units."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class SessionFiles:
    """A directory that only root can read: tokens and environments are in these files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, unit: str, facts: dict[str, Any]) -> Path:
        """Write what is known of *unit*, whole or not at all, and return the file's path."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, fresh = self._path(unit), self._directory / f".{unit}"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(facts, file)
        fresh.replace(path)
        return path

    def read(self, unit: str) -> dict[str, Any] | None:
        """What is known of *unit*; None if nothing was written."""
        try:
            found = json.loads(self._path(unit).read_text())
        except FileNotFoundError:
            return None
        return found if isinstance(found, dict) else None

    def remove(self, unit: str) -> None:
        """Forget *unit*; fine if it was not known."""
        self._path(unit).unlink(missing_ok=True)

    def sweep(self, known: set[str]) -> None:
        """Forget every unit but these."""
        if self._directory.is_dir():
            for path in self._directory.iterdir():
                if path.name.removesuffix(".json") not in known:
                    path.unlink()

    def _path(self, unit: str) -> Path:
        return self._directory / f"{unit}.json"
