"""The places of entries in a journal, and the cursors that journald makes of them."""

import struct

_PLACE = struct.Struct("<QQQ16sQ16s")


def cursor_of(place: str | bytes) -> str:
    """The cursor of a place: 48 bytes as they are in an entry, and the id of the file's numbering."""
    if isinstance(place, str):
        return place
    number, realtime, monotonic, boot, check, numbering = _PLACE.unpack(place)
    return f"s={numbering.hex()};i={number:x};b={boot.hex()};m={monotonic:x};t={realtime:x};x={check:x}"
