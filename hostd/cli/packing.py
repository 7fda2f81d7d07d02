"""Sources on their way up: a directory as a tar stream, or a tarball that is checked while it passes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from hostd.cli.command import Refused

T = TypeVar("T")
Write = Callable[[bytes], None]
Feed = Callable[[Write], None]

PIECE = 64 * 1024
GIT = ".git"
_GZIP = b"\x1f\x8b"
_BLOCK, _MAGIC_AT = 512, 257
_END = bytes(2 * _BLOCK)
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"(\xb5/\xfd": "zstd", b"PK\x03\x04": "zip"}


def directory(place: Path) -> Feed:
    """Everything below a directory but `.git`, as a tar stream; links stay links.

    Raises Refused for an empty directory; the feed, for what cannot be read.
    """
    if not any(path.name != GIT for path in _guarded(place, lambda: list(place.iterdir()))):
        raise Refused(f"{place} is empty: there is nothing to deploy.")
    return lambda write: _guarded(place, lambda: _pack(place, write))


def tarball(source: BinaryIO, name: str) -> Feed:
    """A tarball, plain or compressed with gzip, as it comes.

    Raises Refused for what is no tarball; the feed, for a plain one that ends before its end.
    """
    first = _first(source, name)
    _check_kind(first, name)

    def feed(write: Write) -> None:
        end = first
        write(first)
        while piece := _guarded(name, lambda: _read(source)):
            write(piece)
            end = (end + piece)[-len(_END) :]
        if not first.startswith(_GZIP) and end[-len(_END) :] != _END:
            raise Refused(f"{name} ends in the middle: was it cut off? Nothing was deployed.")

    return feed


def _pack(place: Path, write: Write) -> None:
    def wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return None if entry.name.rpartition("/")[2] == GIT else entry

    with tarfile.open(fileobj=cast("BinaryIO", _Sink(write)), mode="w|", bufsize=PIECE) as tar:
        for path in sorted(place.iterdir()):
            tar.add(path, path.name, filter=wanted)


class _Sink(io.RawIOBase):
    def __init__(self, write: Write) -> None:
        self._write = write

    def write(self, data: object) -> int:
        piece = bytes(cast("bytes", data))
        self._write(piece)
        return len(piece)


def _first(source: BinaryIO, name: str) -> bytes:
    """Enough to tell what it is, if there is so much."""

    def enough() -> bytes:
        first = b""
        while len(first) < _BLOCK and (piece := source.read(_BLOCK - len(first))):
            first += piece
        return first

    return _guarded(name, enough)


def _check_kind(first: bytes, name: str) -> None:
    if not first:
        raise Refused(f"{name} is empty: there is nothing to deploy.")
    if first.startswith(_GZIP) or first[_MAGIC_AT : _MAGIC_AT + 5] == b"ustar":
        return
    for magic, kind in _OTHERS.items():
        if first.startswith(magic):
            raise Refused(f"{name} is compressed with {kind}: send a plain tar, or one compressed with gzip.")
    raise Refused(f"{name} is not a tar file, plain or compressed with gzip.")


def _read(source: BinaryIO) -> bytes:
    # A pipe gives what it has; a file, pieces of this size.
    return cast("bytes", getattr(source, "read1", source.read)(PIECE))


def _guarded(name: object, doing: Callable[[], T]) -> T:
    try:
        return doing()
    except OSError as error:
        where = f"{error.filename}: {error.strerror}" if error.filename else f"{name}: {error.strerror or error}"
        raise Refused(f"Not everything can be read, so nothing was deployed: {where}.") from error
