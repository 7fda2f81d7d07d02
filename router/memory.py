"""Memory: what stays for good is kept from the garbage collector, which would hold requests up to look through it, and
what reads need from the kernel, which would clear it each time."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""As malloc.h numbers them."""
_LARGEST_READ: Final = 256 * 1024
_KEPT: Final = 8 * 2**20


def settle() -> None:
    """What was loaded so far stays: the collector need not look at it again. Requests make next to no reference
    cycles, so it need not run often either."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def keep_pages() -> None:
    """What reads are put in is not given back to the kernel after each (mallopt(3)): a download took 2.5 times the
    processor time. What is free at the end of the heap stays, up to 8 MiB."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such setting
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, 4 * _LARGEST_READ)
        library.mallopt(_TRIM_THRESHOLD, _KEPT)


@contextmanager
def undisturbed() -> Iterator[None]:
    """The collector does not run meanwhile, and thousands of objects that are made are not reason enough for it to."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def keep() -> None:
    """What there is now stays, and as much as there is of it, it is not looked through to be sure."""
    gc.freeze()
