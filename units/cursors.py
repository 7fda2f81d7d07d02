"""The places of entries in a journal, and the cursors that journald makes of them."""

import re
import struct
from dataclasses import dataclass
from functools import lru_cache

_PLACE = struct.Struct("<QQQ16sQ16s")
_CURSOR = re.compile(r"s=([0-9a-f]{32});i=([0-9a-f]{1,16});b=([0-9a-f]{32});m=([0-9a-f]{1,16});t=([0-9a-f]{1,16});")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry is: its number in a numbering, and when it was written, by the clock and since a boot (µs)."""

    numbering: bytes
    number: int
    realtime: int
    monotonic: int
    boot: bytes

    def is_behind(self, other: "Place") -> bool:
        """Whether the entry here was written after the one there, as libsystemd tells it.

        By the numbers if they are of one numbering, else by the time since the boot, of different boots by the clock.
        """
        if self.numbering == other.numbering:
            return self.number > other.number
        if self.boot == other.boot:
            return self.monotonic > other.monotonic
        return self.realtime > other.realtime


def place_in(data: bytes) -> Place:
    """The place that 64 bytes say, as `cursor_of` takes them."""
    number, realtime, monotonic, boot, _, numbering = _PLACE.unpack(data)
    return Place(numbering, number, realtime, monotonic, boot)


def place_at(cursor: str) -> Place:
    """The place that a cursor says. Raises ValueError if it is no cursor."""
    match = _CURSOR.match(cursor)
    if match is None:
        raise ValueError(f"not a journal cursor: {cursor}")
    numbering, number, boot, monotonic, realtime = match.groups()
    return Place(bytes.fromhex(numbering), int(number, 16), int(realtime, 16), int(monotonic, 16), bytes.fromhex(boot))


def cursor_of(place: str | bytes) -> str:
    """The cursor of a place: 48 bytes as they are in an entry, and the id of the file's numbering."""
    if isinstance(place, str):
        return place
    number, realtime, monotonic, boot, check, numbering = _PLACE.unpack(place)
    return _form(numbering, boot) % (number, monotonic, realtime, check)


@lru_cache(maxsize=64)
def _form(numbering: bytes, boot: bytes) -> str:
    return f"s={numbering.hex()};i=%x;b={boot.hex()};m=%x;t=%x;x=%x"
