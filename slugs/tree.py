"""Measures a finished build and shares its unchanged files with the previous slug.

Run as `python tree.py TREE [PREVIOUS]` it needs nothing but Python's own library, so that it can run in the build's
sandbox (`slugs.tree_unit`). The tree was made by the app: it is walked by directory descriptors, never through a link.

Standard input is the manifest of the previous slug, or empty; the manifest of this one goes to standard output, and a
JSON object (`Measured`), or the reason why there is none, to standard error.

A manifest has the digests of the files that can share blocks. A file that shares all its blocks with its namesake in
the previous slug has the same content, as nothing is ever written in place to a block that a read-only slug has: the
digest is taken from that slug's manifest, and the file is not read.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import heapq
import json
import os
import re
import stat
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import BinaryIO

LARGEST = 10
MAX_DEPTH = 200
MAX_ENTRIES = 1_000_000
"""Files, folders and links; more would need more memory than the measuring may have."""
MAX_BYTES = 8 << 30
"""Far more than any slug may have; a file with holes can claim exabytes, and all of it would be read."""

_CHUNK = 1 << 20
# Smaller files lie within btrfs's own metadata, where nothing can be shared.
_MIN_SHARED = 2049
# linux/fs.h, linux/fiemap.h; btrfs takes at most 16 MiB a call.
_FIDEDUPERANGE, _DEDUPE_STEP = 0xC0189436, 16 << 20
_FS_IOC_FIEMAP, _EXTENTS = 0xC020660B, 64
# Unknown, not yet allocated, encoded (compressed: two files may use different parts of one extent and look the same),
# inline, and allocated but unwritten.
_EXTENT_LAST, _EXTENT_UNSURE = 0x1, 0x2 | 0x4 | 0x8 | 0x200 | 0x800
_DIGEST = re.compile(rb"[0-9a-f]{64}")
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


def measure(
    tree: str, previous: str | None = None, *, known: Mapping[bytes, bytes] = {}, manifest: BinaryIO | None = None
) -> Measured:
    """Walks `tree` in the order of names; with `previous`, files of the same path, size and content are made
    to share that slug's blocks. `known` are the digests of `previous`'s files; those of `tree` are written to
    `manifest`. Raises TreeError, OSError."""
    walk = _Walk(known, manifest)
    with _folder(tree) as here, _previous(previous) as before:
        walk.folder(here, before, b"", os.fstat(here).st_dev, 0)
    measured = walk.measured
    measured.digest = "sha256:" + walk.digest.hexdigest()
    measured.largest = [(_shown(path), size) for size, path in sorted(walk.largest, reverse=True)]
    return measured


def read_manifest(text: bytes) -> dict[bytes, bytes]:
    """The digests by path; what is no line of a manifest is left out."""
    found = {}
    for line in text.split(b"\0"):
        digest, _, path = line.partition(b" ")
        if path and _DIGEST.fullmatch(digest):
            found[path] = bytes.fromhex(digest.decode())
    return found


class _Walk:
    def __init__(self, known: Mapping[bytes, bytes], manifest: BinaryIO | None) -> None:
        self.measured = Measured()
        self.digest = hashlib.sha256()
        self.largest: list[tuple[int, bytes]] = []
        self.linked: set[int] = set()
        self.entries = 0
        self.known = known
        self.manifest = manifest

    def folder(self, here: int, before: int | None, path: bytes, device: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise TreeError(f"folders nested more than {MAX_DEPTH} deep below {_shown(path[:100])}")
        for name in self._names(here):
            status = os.stat(name, dir_fd=here, follow_symlinks=False)
            child = path + b"/" + name if path else name
            if status.st_dev != device:
                raise TreeError(f"{_shown(child)} is a btrfs subvolume of its own; make it a plain folder")
            self._note(child, status)
            try:
                if stat.S_ISDIR(status.st_mode):
                    with _folder(name, here) as below, _previous(name, before) as old:
                        self.folder(below, old, child, device, depth + 1)
                elif stat.S_ISREG(status.st_mode):
                    self._file(name, here, before, child, status)
                elif stat.S_ISLNK(status.st_mode):
                    self.digest.update(os.readlink(name, dir_fd=here) + b"\0")
            except PermissionError as error:
                raise TreeError(f"{_shown(child)} cannot be read by the app itself: chmod u+r") from error

    def _names(self, here: int) -> list[bytes]:
        names = []
        with os.scandir(here) as entries:
            for entry in entries:
                self.entries += 1
                if self.entries > MAX_ENTRIES:
                    raise TreeError(f"it has more than {MAX_ENTRIES:,} files, folders and links")
                names.append(os.fsencode(entry.name))
        return sorted(names)

    def _note(self, path: bytes, status: os.stat_result) -> None:
        self.digest.update(b"%06o %s\0" % (status.st_mode, path))

    def _file(self, name: bytes, here: int, before: int | None, path: bytes, status: os.stat_result) -> None:
        if self.measured.size + status.st_size > MAX_BYTES:
            raise TreeError(f"with {_shown(path)} it has more than {MAX_BYTES >> 30} GB")
        new = os.open(name, _OPEN_FILE, dir_fd=here)
        try:
            # Too small to share anything, or without anything to share with: neither asks the kernel.
            shareable = status.st_size >= _MIN_SHARED
            shared = shareable and before is not None and _share(name, before, new, status.st_size)
            self._digest_of(path, new, shareable, shared)
            if status.st_nlink > 1:
                if status.st_ino in self.linked:
                    return
                self.linked.add(status.st_ino)
            self.measured.files += 1
            self.measured.size += status.st_size
            self.measured.shared += status.st_size if shared else 0
            self._keep_largest(path, status.st_size)
        finally:
            os.close(new)

    def _digest_of(self, path: bytes, file: int, shareable: bool, shared: bool) -> None:
        digest = (self.known.get(path) if shared else None) or _content_digest(file)
        self.digest.update(digest)
        if shareable and self.manifest is not None:
            self.manifest.write(b"%s %s\0" % (digest.hex().encode(), path))

    def _keep_largest(self, path: bytes, size: int) -> None:
        heapq.heappush(self.largest, (size, path))
        if len(self.largest) > LARGEST:
            heapq.heappop(self.largest)


def _content_digest(file: int) -> bytes:
    content = hashlib.sha256()
    while chunk := os.read(file, _CHUNK):
        content.update(chunk)
    return content.digest()


def _share(name: bytes, before: int, new: int, size: int) -> bool:
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
def _folder(name: str | bytes, parent: int | None = None) -> Iterator[int]:
    folder = os.open(name, _OPEN_FOLDER, dir_fd=parent)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def _previous(name: str | bytes | None, parent: int | None = None) -> Iterator[int | None]:
    """The same folder in the previous slug, or None when it has none; `name` alone is a path."""
    folder: int | None = None
    if name is not None and (parent is not None or isinstance(name, str)):
        with suppress(OSError):
            folder = os.open(name, _OPEN_FOLDER, dir_fd=parent)
    try:
        yield folder
    finally:
        if folder is not None:
            os.close(folder)


def _shown(path: bytes) -> str:
    return "".join(character if character.isprintable() else "?" for character in os.fsdecode(path))


def _flush(tree: str) -> None:
    """Writes the file system's dirty data: sharing waits for it file by file otherwise, and so would the
    snapshot that freezes the build, in the process that must not wait."""
    import ctypes

    with _folder(tree) as folder:
        if ctypes.CDLL(None, use_errno=True).syncfs(folder) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))


def main(arguments: list[str]) -> int:
    """The process: flushes, measures, tells; status 1 with the reason on stderr."""
    tree, *previous = arguments
    try:
        known = read_manifest(sys.stdin.buffer.read()) if previous else {}
        _flush(tree)
        with sys.stdout.buffer as manifest:
            measured = measure(tree, previous[0] if previous else None, known=known, manifest=manifest)
    except (TreeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(measured)), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
