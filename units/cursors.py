"""The places of entries in a journal, and the cursors that journald makes of them."""

import struct
from functools import lru_cache

_PLACE = struct.Struct("<QQQ16sQ16s")


def cursor_of(place: str | bytes) -> str:
    """The cursor of a place: 48 bytes as they are in an entry, and the id of the file's numbering."""
    if isinstance(place, str):
        return place
    number, realtime, monotonic, boot, check, numbering = _PLACE.unpack(place)
    return _form(numbering, boot) % (number, monotonic, realtime, check)


@lru_cache(maxsize=64)
def _form(numbering: bytes, boot: bytes) -> str:
    return f"s={numbering.hex()};i=%x;b={boot.hex()};m=%x;t=%x;x=%x"
