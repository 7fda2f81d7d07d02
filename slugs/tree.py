"""Measures a finished build and shares its unchanged files with the previous slug.

Run as `python -m slugs.tree TREE [PREVIOUS]` it prints a JSON object (`Measured`); a child process, because it
reads every file. The tree was made by the app: it is walked by directory descriptors, never through a link.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import heapq
import json
import os
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field

LARGEST = 10
MAX_DEPTH = 200
MAX_BYTES = 8 << 30
"""Far more than any slug may have; a file with holes can claim exabytes, and all of it would be read."""

_CHUNK = 1 << 20
# Smaller files lie within btrfs's own metadata, where nothing can be shared.
_MIN_SHARED = 2049
# linux/fs.h, linux/fiemap.h; btrfs takes at most 16 MiB a call.
_FIDEDUPERANGE, _DEDUPE_STEP = 0xC0189436, 16 << 20
_FS_IOC_FIEMAP, _EXTENTS = 0xC020660B, 64
_EXTENT_LAST, _EXTENT_UNSURE = 0x1, 0x2 | 0x4 | 0x8 | 0x200
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class TreeError(Exception):
    """A tree that cannot become a slug."""


@dataclass
class Measured:
    """Bytes of all files, bytes that share their blocks with the previous slug, a digest of names, modes and
    contents, and the largest files with their sizes, largest first."""

    size: int = 0
    shared: int = 0
    files: int = 0
    digest: str = ""
    largest: list[tuple[str, int]] = field(default_factory=list)


def measure(tree: str, previous: str | None = None) -> Measured:
    """Walks `tree` in the order of names; with `previous`, files of the same path, size and content are made
    to share that slug's blocks. Raises TreeError, OSError."""
    walk = _Walk()
    with _folder(tree) as here, _previous(previous) as before:
        walk.folder(here, before, "", os.fstat(here).st_dev, 0)
    measured = walk.measured
    measured.digest = "sha256:" + walk.digest.hexdigest()
    measured.largest = [(_shown(path), size) for size, path in sorted(walk.largest, reverse=True)]
    return measured


class _Walk:
    def __init__(self) -> None:
        self.measured = Measured()
        self.digest = hashlib.sha256()
        self.largest: list[tuple[int, str]] = []
        self.linked: set[int] = set()

    def folder(self, here: int, before: int | None, path: str, device: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise TreeError(f"folders nested more than {MAX_DEPTH} deep below {_shown(path[:100])}")
        with os.scandir(here) as entries:
            for entry in sorted(entries, key=lambda entry: os.fsencode(entry.name)):
                status = entry.stat(follow_symlinks=False)
                child = f"{path}/{entry.name}" if path else entry.name
                if status.st_dev != device:
                    raise TreeError(f"{_shown(child)} is a btrfs subvolume of its own; make it a plain folder")
                self._note(child, status)
                if stat.S_ISDIR(status.st_mode):
                    with _folder(entry.name, here) as below, _previous(entry.name, before) as old:
                        self.folder(below, old, child, device, depth + 1)
                elif stat.S_ISREG(status.st_mode):
                    self._file(entry.name, here, before, child, status)
                elif stat.S_ISLNK(status.st_mode):
                    self.digest.update(os.fsencode(os.readlink(entry.name, dir_fd=here)) + b"\0")

    def _note(self, path: str, status: os.stat_result) -> None:
        self.digest.update(b"%06o %s\0" % (status.st_mode, os.fsencode(path)))

    def _file(self, name: str, here: int, before: int | None, path: str, status: os.stat_result) -> None:
        if self.measured.size + status.st_size > MAX_BYTES:
            raise TreeError(f"with {_shown(path)} it has more than {MAX_BYTES >> 30} GB")
        new = os.open(name, _OPEN_FILE, dir_fd=here)
        try:
            self.digest.update(_content_digest(new))
            if status.st_nlink > 1:
                if status.st_ino in self.linked:
                    return
                self.linked.add(status.st_ino)
            self.measured.files += 1
            self.measured.size += status.st_size
            self._keep_largest(path, status.st_size)
            if before is not None and status.st_size >= _MIN_SHARED and _share(name, before, new, status.st_size):
                self.measured.shared += status.st_size
        finally:
            os.close(new)

    def _keep_largest(self, path: str, size: int) -> None:
        heapq.heappush(self.largest, (size, path))
        if len(self.largest) > LARGEST:
            heapq.heappop(self.largest)


def _content_digest(file: int) -> bytes:
    content = hashlib.sha256()
    while chunk := os.read(file, _CHUNK):
        content.update(chunk)
    return content.digest()


def _share(name: str, before: int, new: int, size: int) -> bool:
    """Whether the file shares all its blocks with its namesake in the previous slug, now or already."""
    try:
        old = os.open(name, _OPEN_FILE, dir_fd=before)
    except OSError:
        return False
    try:
        status = os.fstat(old)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            return False
        extents = _extents(new)
        return (extents is not None and extents == _extents(old)) or _dedupe(old, new, size)
    finally:
        os.close(old)


def _extents(file: int) -> list[tuple[int, int, int]] | None:
    """Logical and physical start and length of a file's extents; None when they are unsure or many."""
    head = struct.pack("=QQIIII", 0, (1 << 64) - 1, 0, 0, _EXTENTS, 0)
    answer = bytearray(head + bytes(56 * _EXTENTS))
    try:
        fcntl.ioctl(file, _FS_IOC_FIEMAP, answer)
    except OSError:
        return None
    (count,) = struct.unpack_from("=I", answer, 20)
    rows = [struct.unpack_from("=QQQQQI", answer, 32 + 56 * row) for row in range(count)]
    if not rows or not rows[-1][5] & _EXTENT_LAST or any(row[5] & _EXTENT_UNSURE for row in rows):
        return None
    return [(logical, physical, length) for logical, physical, length, *_ in rows]


def _dedupe(old: int, new: int, size: int) -> bool:
    """Lets the kernel compare the two files and share what is equal; False at the first difference."""
    offset = 0
    while offset < size:
        step = min(_DEDUPE_STEP, size - offset)
        answer = bytearray(struct.pack("=QQHHIqQQiI", offset, step, 1, 0, 0, new, offset, 0, 0, 0))
        try:
            fcntl.ioctl(old, _FIDEDUPERANGE, answer)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EPERM):
                return False
            raise
        done, status = struct.unpack_from("=Qi", answer, 40)
        if status != 0 or done == 0:
            return False
        offset += done
    return True


@contextmanager
def _folder(name: str, parent: int | None = None) -> Iterator[int]:
    folder = os.open(name, _OPEN_FOLDER, dir_fd=parent)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def _previous(name: str | None, parent: int | None = None) -> Iterator[int | None]:
    """The same folder in the previous slug, or None when it has none; `name` alone is a path."""
    folder: int | None = None
    if name is not None and (parent is not None or name.startswith("/")):
        with suppress(OSError):
            folder = os.open(name, _OPEN_FOLDER, dir_fd=parent)
    try:
        yield folder
    finally:
        if folder is not None:
            os.close(folder)


def _shown(path: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in path)


def _flush(tree: str) -> None:
    """Writes the file system's dirty data: sharing waits for it file by file otherwise, and so would the
    snapshot that freezes the build, in the process that must not wait."""
    import ctypes

    with _folder(tree) as folder:
        if ctypes.CDLL(None, use_errno=True).syncfs(folder) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))


def main(arguments: list[str]) -> int:
    """The child process: measures, flushes, prints; status 1 with the reason on stderr."""
    tree, *previous = arguments
    try:
        _flush(tree)
        measured = measure(tree, previous[0] if previous else None)
    except (TreeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(measured)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
