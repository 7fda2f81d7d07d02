"""What a pool says of a file system that takes nothing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from slugs.errors import PoolFull, PoolReadOnly, SlugsError
from slugs.pool import Pool


@pytest.mark.parametrize(
    ("number", "expected", "said"),
    [
        (errno.EROFS, PoolReadOnly, "is read-only.*mount -o remount,rw"),
        (errno.ENOSPC, PoolFull, "is full: .* free"),
        (errno.EDQUOT, PoolFull, "is full: .* free"),
    ],
)
def test_a_pool_that_takes_nothing_says_why(
    tmp_path: Path, number: int, expected: type[SlugsError], said: str
) -> None:
    pool = Pool.__new__(Pool)
    pool.root, pool._image = tmp_path, None
    with pytest.raises(expected, match=said), pool.noticing_full():
        raise OSError(number, "as the kernel says")


def test_other_errors_are_left_as_they_are(tmp_path: Path) -> None:
    pool = Pool.__new__(Pool)
    pool.root = tmp_path
    with pytest.raises(PermissionError), pool.noticing_full():
        raise PermissionError(errno.EPERM, "no")
