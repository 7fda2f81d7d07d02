"""Single subvolumes of btrfs, and those that an app may have made inside of them."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import btrfsutil

# linux/btrfs.h, btrfs_tree.h: what is searched, what is said of each that is found, and where in an item of a root
# stands how much its tree takes.
_TREE_SEARCH = 0xD0009411
_KEY = struct.Struct("=7Q4I4Q")
_HEADER = struct.Struct("=3Q2I")
_SEARCHED = 4096
_ROOT_TREE, _ROOT_ITEM = 1, 132
_BYTES_USED = 192
_MOST = 2**64 - 1


def generation(path: Path) -> int:
    """A number that grows when something was changed in a subvolume, or in one inside; 0 for one that is gone.

    Raises BtrfsUtilError.
    """
    try:
        inside = sum(info.generation for _, info in btrfsutil.SubvolumeIterator(str(path), info=True))
        return int(btrfsutil.subvolume_info(str(path)).generation + inside)
    except btrfsutil.BtrfsUtilError as error:
        if error.errno != errno.ENOENT:
            raise
        return 0


def origin(snapshot: Path, among: Iterable[Path]) -> Path | None:
    """Of which subvolume it is a snapshot; None if that, or the snapshot, is gone."""
    with suppress(btrfsutil.BtrfsUtilError):
        parent = btrfsutil.subvolume_info(str(snapshot)).parent_uuid
        return next((path for path in among if btrfsutil.subvolume_info(str(path)).uuid == parent), None)
    return None


def delete_with_all_inside(path: Path) -> None:
    """Delete a subvolume with those inside. Raises BtrfsUtilError."""
    # The app may have made any of them read-only.
    for inner in [".", *(inner for inner, _ in btrfsutil.SubvolumeIterator(str(path)))]:
        btrfsutil.set_subvolume_read_only(str(path / inner), False)
    btrfsutil.delete_subvolume(str(path), recursive=True)


def books(path: Path) -> int:
    """Bytes of the tree that has a subvolume's names, attributes and small files, and of those inside; shared ones too.

    Which btrfs keeps twice. 0 for what is no subvolume. Raises OSError, BtrfsUtilError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not btrfsutil.is_subvolume(descriptor):
            return 0
        inside = [info.id for _, info in btrfsutil.SubvolumeIterator(descriptor, info=True)]
        return sum(_tree_bytes(descriptor, number) for number in [btrfsutil.subvolume_id(descriptor), *inside])
    finally:
        os.close(descriptor)


def _tree_bytes(descriptor: int, number: int) -> int:
    key = _KEY.pack(_ROOT_TREE, number, number, 0, _MOST, 0, _MOST, _ROOT_ITEM, _ROOT_ITEM, 1, 0, 0, 0, 0, 0)
    found = bytearray(key.ljust(_SEARCHED, b"\0"))
    fcntl.ioctl(descriptor, _TREE_SEARCH, found)
    if not _KEY.unpack_from(found)[9]:
        return 0
    return int(struct.unpack_from("<Q", found, _KEY.size + _HEADER.size + _BYTES_USED)[0])
