"""Empties the pool's trash: what is large, or has subvolumes inside that an app made, perhaps thousands.

Run as `python -m slugs.trash POOL` it deletes them one by one and prints how many; a child process, because each
deletion waits until the kernel has dropped its cache of the tree. `empty_trash` runs that with the lowest priority.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from slugs.pool import Pool
from units.run import arun

_SECONDS = 1800.0
_NICEST = 19


async def empty_trash(pool: Pool) -> None:
    """Deletes what lies in the pool's trash, if anything does. Raises CommandError."""
    if pool.has_trash():
        await arun([sys.executable, "-m", "slugs.trash", str(pool.root)], timeout=_SECONDS)


if __name__ == "__main__":
    os.nice(_NICEST)
    print(Pool(Path(sys.argv[1])).empty_trash())
