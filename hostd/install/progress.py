"""Progress on standard error: one line per step, with the time it took."""

import contextlib
import sys
import time
from collections.abc import Iterator


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Show `text` while the block runs, then how long it took in seconds."""
    began = time.monotonic()
    print(f"-----> {text}... ", end="", file=sys.stderr, flush=True)
    try:
        yield
    except BaseException:
        print("failed", file=sys.stderr, flush=True)
        raise
    print(f"done ({time.monotonic() - began:.1f} s)", file=sys.stderr, flush=True)


def note(text: str) -> None:
    """Show a line that belongs to the step before it."""
    print(f"       {text}", file=sys.stderr, flush=True)
