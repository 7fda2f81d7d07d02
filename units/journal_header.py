"""What stands at the beginning of one of journald's files (systemd.io/JOURNAL_FILE_FORMAT, "Header")."""

import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path

ARCHIVED = 2
"""State of a file that nothing is added to any more."""

_HEADER = struct.Struct("<8s4xIB7x16s32x16s64xQQQQQ8x")
HEADER_BYTES = _HEADER.size
GROWTH = struct.Struct("<B135xQQ")
"""What of it changes while a file grows: its state, how many entries it has, and the number of the last."""
GROWTH_AT = 16
"""Where in the file that begins."""
_MAGIC = b"LPKSHHRH"
_COMPACT = 0b10000
_KNOWN = 0b11111
"""Incompatible flags that are understood: three compressions, hashes with a key, short references."""


class UnknownFormat(OSError):  # noqa: N818 - named for what happened
    """The file was made by another journald than those known, 246 to 257: libsystemd has to read it."""


class NothingYet(OSError):  # noqa: N818 - named for what happened
    """journald has just made the file, and is about to write what it is into it."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file is, and which entries are in it.

    `head` and `tail` are the numbers of the first and the last one in a series, `numbering` is the series' id;
    `head_realtime` is the time of the first one, in microseconds.
    """

    state: int
    file_id: bytes
    numbering: bytes
    entries: int
    head: int
    tail: int
    head_realtime: int
    compact: bool


def header_of(path: Path) -> Header:
    """What is said at the beginning of the file at a path. Raises OSError, UnknownFormat."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_header(descriptor)
    finally:
        os.close(descriptor)


def read_header(descriptor: int) -> Header:
    """What is said at a file's beginning. Raises OSError: UnknownFormat if it is not understood, NothingYet."""
    data = os.pread(descriptor, _HEADER.size, 0)
    if not data:
        raise NothingYet(errno.ENODATA, "a journal file was just made")
    if len(data) < _HEADER.size:
        raise cut_short()
    magic, flags, state, file_id, numbering, entries, tail, head, _, realtime = _HEADER.unpack(data)
    if magic != _MAGIC:
        raise OSError(errno.EBADMSG, "a journal file does not begin as one")
    if flags & ~_KNOWN:
        raise UnknownFormat(errno.EPROTONOSUPPORT, f"a journal file with flags {flags:#x} is not understood")
    return Header(state, file_id, numbering, entries, head, tail, realtime, bool(flags & _COMPACT))


def first_array(header: bytes) -> int:
    """Where the first array of entries is, by a whole header; 0 as long as there is none."""
    return int(_HEADER.unpack(header)[8])


def cut_short() -> OSError:
    """The error for a file that ends before it may."""
    return OSError(errno.EIO, "a journal file was cut short")
