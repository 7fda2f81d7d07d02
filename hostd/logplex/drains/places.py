"""How far each drain came: its place in the journal, and what is lost and not told yet. Survives the process.

One file a drain, written in place: a full disk takes nothing from it, and a killed process leaves the old or the new.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import zlib
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from pathlib import Path

SIZE = 1024
"""Bytes of a file, padded with blanks."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """`cursor` is the newest entry that needs not be sent.

    `lost` messages, from `since` on (microseconds), are still to be told to the drain, `untold` in the app's log;
    `total_lost` were lost ever, `delivered` were taken. Without a cursor the drain begins with what was written after
    `begin` (microseconds).
    """

    begin: int
    cursor: str | None = None
    lost: int = 0
    since: int = 0
    untold: int = 0
    untold_since: int = 0
    total_lost: int = 0
    delivered: int = 0


class Places:
    """The places of all drains, below a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(self, drain: str) -> Place | None:
        """The place of a drain; None if it has none, or none that can be read."""
        try:
            text = self._file(drain).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("the place of drain %s cannot be read: %s", drain, error.strerror)
            return None
        body, _, mark = text.rstrip().rpartition(b" ")
        if mark.decode("ascii", "replace") != _mark(body):
            _log.warning("the place of drain %s is damaged: it begins at the newest line", drain)
            return None
        known = json.loads(body)
        return Place(**{field.name: known[field.name] for field in fields(Place) if field.name in known})

    def save(self, drain: str, place: Place) -> None:
        """Remember the place of a drain; raises OSError."""
        body = json.dumps(asdict(place), separators=(",", ":")).encode()
        record = b"%s %s" % (body, _mark(body).encode())
        file = self._file(drain)
        new = not file.exists()
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, record.ljust(SIZE), 0)
            if new:
                # After a power cut an older place is found, and some messages come twice; an empty file would lose all.
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def forget(self, drain: str) -> None:
        """There is no such drain any more."""
        with contextlib.suppress(FileNotFoundError):
            self._file(drain).unlink()

    def keep(self, drains: Collection[str]) -> None:
        """Forget all drains but these."""
        for file in self._directory.glob("*.place"):
            if file.stem not in drains:
                self.forget(file.stem)

    def _file(self, drain: str) -> Path:
        return self._directory / f"{drain}.place"


def _mark(body: bytes) -> str:
    return f"{zlib.crc32(body):08x}"
