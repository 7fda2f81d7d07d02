"""Memory: what stays for good is kept from the garbage collector, which would hold requests up to look through it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def settle() -> None:
    """What was loaded so far stays: the collector need not look at it again. Requests make next to no reference
    cycles, so it need not run often either."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


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
