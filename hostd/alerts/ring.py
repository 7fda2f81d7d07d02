"""A ring: one figure for each minute of the last week, in a file of 160 KB that never grows.

For what nobody else keeps, such as how full the disk is. Each record says which minute it is of, so a record that an
older turn has left, or that a power cut has broken, counts for nothing.
"""

from __future__ import annotations

import logging
import os
import struct
from pathlib import Path

log = logging.getLogger(__name__)

MINUTE = 60
PLACES = 8 * 24 * 60
_RECORD = struct.Struct("<qd")


class Ring:
    """The figures of one series in a file, which is made when there is something to keep."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, minute: int, value: float) -> None:
        """Keep a minute's figure, by the second at which it begins. A disk that takes nothing loses that minute."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(file, _RECORD.pack(minute, value), minute // MINUTE % PLACES * _RECORD.size)
            finally:
                os.close(file)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror)

    def minutes(self, since: int, until: int) -> dict[int, float]:
        """What is known of the minutes from `since` to before `until`."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            log.warning("%s cannot be read: %s", self._path, error.strerror)
            return {}
        whole = len(content) // _RECORD.size * _RECORD.size
        known = {
            minute: value
            for place, (minute, value) in enumerate(_RECORD.iter_unpack(content[:whole]))
            if minute // MINUTE % PLACES == place and minute % MINUTE == 0 and since <= minute < until
        }
        return dict(sorted(known.items()))
