"""Measures a finished build, and makes a copy of the previous slug equal to it, which then becomes the slug.

Run as `python tree.py TREE [TARGET]` it needs nothing but Python's own library, so that it can run in the build's
sandbox (`slugs.tree_unit`). TARGET is a writable snapshot of the previous slug. Only what differs is written to it, so
that two slugs share all the rest, contents and metadata alike, and a release takes as much room as it changes. The
trees were made by the app: they are walked by directory descriptors, never through a link.

Standard input is the manifest of the previous slug, or empty; the manifest of this one goes to standard output, and a
JSON object (`Measured`), or the reason why there is none, to standard error. A manifest has the digest of every file.

A file that has not changed keeps the time of its change, with which every commit would differ otherwise; but for
Python's sources, whose byte code is good for one exact time (importlib, `_validate_timestamp_pyc`).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import heapq
import json
import os
import re
import shutil
import stat
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
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
# To ask the kernel where a smaller file lies costs as much as reading it.
_MIN_LOCATED = 1 << 17
# linux/fs.h, linux/fiemap.h.
_FICLONE = 0x40049409
_FS_IOC_FIEMAP, _EXTENTS = 0xC020660B, 64
# Unknown, not yet allocated, encoded (compressed: two files may use different parts of one extent and look the same),
# inline, and allocated but unwritten.
_EXTENT_LAST, _EXTENT_UNSURE = 0x1, 0x2 | 0x4 | 0x8 | 0x200 | 0x800
_NOT_CLONED = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV)
_DIGEST = re.compile(rb"[0-9a-f]{64}")
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class TreeError(Exception):
    """A tree that cannot become a slug."""


@dataclass
class Measured:
    """Bytes of all files, bytes of those that are as they were in the previous slug, the number of files, a digest of
    names, modes and contents, and the largest files with their sizes, largest first."""

    size: int = 0
    shared: int = 0
    files: int = 0
    digest: str = ""
    largest: list[tuple[str, int]] = field(default_factory=list)


def measure(
    tree: str,
    target: str | None = None,
    *,
    known: Mapping[bytes, bytes] = {},
    manifest: BinaryIO | None = None,
    flushed: Callable[[], object] = lambda: None,
) -> Measured:
    """Walks `tree` in the order of names; `target`, a tree of the same owner, is made equal to it.

    `known` are the digests of `target`'s files as far as they are known; those of `tree` are written to `manifest`.
    `flushed` is called before it matters where on the disk a file lies, and waits until it does. Raises TreeError,
    OSError.
    """
    with _folder(tree) as here, _maybe_folder(target) as there:
        walk = _Walk(known, manifest, there, flushed)
        walk.folder(here, there, b"", os.fstat(here).st_dev, 0)
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
    def __init__(
        self, known: Mapping[bytes, bytes], manifest: BinaryIO | None, target: int | None, flushed: Callable[[], object]
    ) -> None:
        self.measured = Measured()
        self.digest = hashlib.sha256()
        self.largest: list[tuple[int, bytes]] = []
        self.linked: dict[int, bytes] = {}
        self.entries = 0
        self.known = known
        self.manifest = manifest
        self.target = target
        self.flushed = flushed

    def folder(self, here: int, there: int | None, path: bytes, device: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise TreeError(f"folders nested more than {MAX_DEPTH} deep below {_shown(path[:100])}")
        names = self._names(here)
        if there is not None:
            _make_writable(there)
            for name in set(_listed(there)).difference(names):
                _remove(name, there)
        for name in names:
            status = os.stat(name, dir_fd=here, follow_symlinks=False)
            child = path + b"/" + name if path else name
            if status.st_dev != device:
                raise TreeError(f"{_shown(child)} is a btrfs subvolume of its own; make it a plain folder")
            self._note(child, status)
            self._entry(name, here, there, child, status, depth)
        if there is not None:
            _set_mode(there, os.fstat(here))

    def _entry(  # noqa: PLR0917
        self, name: bytes, here: int, there: int | None, path: bytes, status: os.stat_result, depth: int
    ) -> None:
        if stat.S_ISDIR(status.st_mode):
            with _readable(path), _folder(name, here) as below, _made_folder(name, there) as theirs:
                self.folder(below, theirs, path, status.st_dev, depth + 1)
        elif stat.S_ISREG(status.st_mode):
            self._file(name, here, there, path, status)
        elif stat.S_ISLNK(status.st_mode):
            leads_to = os.readlink(name, dir_fd=here)
            self.digest.update(leads_to + b"\0")
            if there is not None and _link_of(name, there) != leads_to:
                _remove(name, there)
                os.symlink(leads_to, name, dir_fd=there)
        elif there is not None:
            _remove(name, there)
            os.mknod(name, status.st_mode, dir_fd=there)

    def _names(self, here: int) -> list[bytes]:
        names = []
        for name in _listed(here):
            self.entries += 1
            if self.entries > MAX_ENTRIES:
                raise TreeError(f"it has more than {MAX_ENTRIES:,} files, folders and links")
            names.append(name)
        return sorted(names)

    def _note(self, path: bytes, status: os.stat_result) -> None:
        self.digest.update(b"%06o %s\0" % (status.st_mode, path))

    def _file(self, name: bytes, here: int, there: int | None, path: bytes, status: os.stat_result) -> None:
        if self.measured.size + status.st_size > MAX_BYTES:
            raise TreeError(f"with {_shown(path)} it has more than {MAX_BYTES >> 30} GB")
        with _readable(path), _opened(name, here) as new:
            same, digest = self._compare(name, there, path, new, status)
            self.digest.update(digest)
            if self.manifest is not None:
                self.manifest.write(b"%s %s\0" % (digest.hex().encode(), path))
            first = self.linked.get(status.st_ino)
            if there is not None and not same:
                _remove(name, there)
                if first is not None:
                    os.link(first, name, src_dir_fd=self.target, dst_dir_fd=there)
                    return
                self.flushed()
                _copy(new, name, there, status)
        if first is not None:
            return
        if status.st_nlink > 1:
            self.linked[status.st_ino] = path
        self.measured.files += 1
        self.measured.size += status.st_size
        self.measured.shared += status.st_size if same else 0
        heapq.heappush(self.largest, (status.st_size, path))
        if len(self.largest) > LARGEST:
            heapq.heappop(self.largest)

    def _compare(
        self, name: bytes, there: int | None, path: bytes, new: int, status: os.stat_result
    ) -> tuple[bool, bytes]:
        """Whether the file is in the target already, now with its mode, and the digest of its content."""
        if there is not None:
            with suppress(OSError), _opened(name, there) as old:
                before = os.fstat(old)
                plain = stat.S_ISREG(before.st_mode) and before.st_nlink == status.st_nlink == 1
                if plain and before.st_size == status.st_size and not os.listxattr(new) and not os.listxattr(old):
                    known = self.known.get(path)
                    located = known is not None and status.st_size >= _MIN_LOCATED and self._located(new)
                    digest = known if known and located and located == _extents(old) else _content_digest(new)
                    if digest == (known or _content_digest(old)):
                        _set_mode(old, status)
                        if name.endswith(b".py") and before.st_mtime_ns != status.st_mtime_ns:
                            os.utime(old, ns=(status.st_mtime_ns, status.st_mtime_ns))
                        return True, digest
                    return False, digest
        return False, _content_digest(new)

    def _located(self, file: int) -> list[tuple[int, int, int]] | None:
        self.flushed()
        return _extents(file)


def _copy(new: int, name: bytes, there: int, status: os.stat_result) -> None:
    """Puts a file into the target that shares its blocks, where the file system can do that."""
    file = os.open(name, _NEW_FILE, 0o600, dir_fd=there)
    try:
        try:
            fcntl.ioctl(file, _FICLONE, new)
        except OSError as error:
            if error.errno not in _NOT_CLONED:
                raise
            os.lseek(new, 0, os.SEEK_SET)
            with os.fdopen(os.dup(new), "rb") as source, os.fdopen(os.dup(file), "wb") as target:
                shutil.copyfileobj(source, target, _CHUNK)
        for attribute in os.listxattr(new):
            os.setxattr(file, attribute, os.getxattr(new, attribute))
        os.fchmod(file, stat.S_IMODE(status.st_mode))
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(file)


def _content_digest(file: int) -> bytes:
    content = hashlib.sha256()
    while chunk := os.read(file, _CHUNK):
        content.update(chunk)
    return content.digest()


def _extents(file: int) -> list[tuple[int, int, int]] | None:
    """Logical and physical start and length of a file's extents; None when they are unsure or many.

    Two files with the same ones have the same content: nothing is written in place to a block that a slug has.
    """
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


def _listed(folder: int) -> Iterator[bytes]:
    with os.scandir(folder) as entries:
        for entry in entries:
            yield os.fsencode(entry.name)


def _link_of(name: bytes, folder: int) -> bytes | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:
        return None


def _set_mode(file: int, status: os.stat_result) -> None:
    wanted = stat.S_IMODE(status.st_mode)
    if stat.S_IMODE(os.fstat(file).st_mode) != wanted:
        os.fchmod(file, wanted)


def _make_writable(folder: int) -> None:
    mode = stat.S_IMODE(os.fstat(folder).st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(folder, mode | stat.S_IRWXU)


def _remove(name: bytes, folder: int) -> None:
    """Removes a file, a link, or a folder with all that is in it; fine if there is none. Never follows a link."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        os.chmod(name, stat.S_IRWXU, dir_fd=folder)
        with _folder(name, folder) as inner:
            for entry in list(_listed(inner)):
                _remove(entry, inner)
        os.rmdir(name, dir_fd=folder)


@contextmanager
def _readable(path: bytes) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise TreeError(f"{_shown(path)} cannot be read by the app itself: chmod u+r") from error


@contextmanager
def _opened(name: bytes, folder: int) -> Iterator[int]:
    file = os.open(name, _OPEN_FILE, dir_fd=folder)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def _folder(name: str | bytes, parent: int | None = None) -> Iterator[int]:
    folder = os.open(name, _OPEN_FOLDER, dir_fd=parent)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def _maybe_folder(name: str | None) -> Iterator[int | None]:
    if name is None:
        yield None
        return
    with _folder(name) as folder:
        yield folder


@contextmanager
def _made_folder(name: bytes, parent: int | None) -> Iterator[int | None]:
    """The folder of that name in the target, made where there is none."""
    if parent is None:
        yield None
        return
    try:
        is_folder = stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        is_folder = False
    if not is_folder:
        _remove(name, parent)
        os.mkdir(name, stat.S_IRWXU, dir_fd=parent)
    with _folder(name, parent) as folder:
        yield folder


def _shown(path: bytes) -> str:
    return "".join(character if character.isprintable() else "?" for character in os.fsdecode(path))


def _flushing(folder: int) -> Callable[[], None]:
    """Writes the file system's dirty data, and returns what waits for the end of that and raises OSError: cloning waits
    for it file by file otherwise, and so would the snapshot that freezes the build, in the process that must not."""
    import ctypes

    failed: list[int] = []

    def flush() -> None:
        if ctypes.CDLL(None, use_errno=True).syncfs(folder) != 0:
            failed.append(ctypes.get_errno())

    def flushed() -> None:
        thread.join()
        if failed:
            raise OSError(failed[0], os.strerror(failed[0]))

    thread = threading.Thread(target=flush, daemon=True)
    thread.start()
    return flushed


def main(arguments: list[str]) -> int:
    """The process: flushes, measures, tells; status 1 with the reason on stderr."""
    tree, *target = arguments
    try:
        known = read_manifest(sys.stdin.buffer.read()) if target else {}
        with _folder(tree) as folder, sys.stdout.buffer as manifest:
            flushed = _flushing(folder)
            measured = measure(tree, next(iter(target), None), known=known, manifest=manifest, flushed=flushed)
            flushed()
    except (TreeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(measured)), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
