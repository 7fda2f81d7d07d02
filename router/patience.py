"""Patience: how much of what is no request a connection of HTTP/2 may bring before it is ended. Pure.

Most frames cost next to nothing to send and something to answer: PING, SETTINGS, empty DATA, a window wider by a byte,
above all streams that are begun and reset (CVE-2023-44487, CVE-2019-9512 to 9518, CVE-2025-8671). So every frame costs
something, what ends a stream early costs more, and bodies that are passed on, and time, earn it back.
"""

from __future__ import annotations

_WORTH = 256
"""Bytes of a body that make up for a frame."""


class Patience:
    """What is left of `most`, with `rate` more each second. `now` is a time in seconds (`time.monotonic`)."""

    __slots__ = ("_left", "_most", "_rate", "_since")

    def __init__(self, most: int, rate: float, now: float) -> None:
        self._most = most
        self._rate = rate
        self._left = float(most)
        self._since = now

    @property
    def over(self) -> bool:
        """Whether too much was spent."""
        return self._left < 0

    def rest(self, now: float) -> None:
        """Time has passed."""
        self._left = min(self._most, self._left + (now - self._since) * self._rate)
        self._since = now

    def earn(self, size: int) -> None:
        """So many bytes of a body were passed on."""
        self._left = min(self._most, self._left + size / _WORTH)

    def spend(self, cost: int) -> None:
        """Something came that is no request."""
        self._left -= cost
