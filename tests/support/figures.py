"""How long what matters took, told at the end of a run."""

from __future__ import annotations

import time

told: list[str] = []
"""A line for each."""


def figure(where: str, what: str, began: float) -> None:
    """Keep how long something took since `began` (`time.monotonic`), on which kind of server."""
    told.append(f"{where}: {what} took {time.monotonic() - began:.0f} s")
