"""How long a drain that failed is left alone: a second, then twice as long each time, up to five minutes. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST, LONGEST = 1.0, 300.0
"""Seconds."""
LONGEST_ASKED = 3600.0
"""Seconds that a receiver may ask for (Retry-After)."""


class Backoff:
    """Counts failures in a row. `chance` gives 0 to 1: not all drains to one receiver come back at once."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self.failures = 0

    def pause(self, asked: float | None = None) -> float:
        """Seconds until the next attempt, after one more failure; at least what the receiver `asked` for."""
        longest = min(LONGEST, FIRST * 2.0 ** min(self.failures, 20))
        self.failures += 1
        return max(longest * (0.75 + 0.25 * self._chance()), min(asked or 0.0, LONGEST_ASKED))

    def well(self) -> None:
        """Something was delivered."""
        self.failures = 0
