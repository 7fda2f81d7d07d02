"""Sparklines: figures as a line of small bars. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*#@"


def sparkline(values: Sequence[float | None], width: int, *, ascii_only: bool = False) -> str:
    """The figures in at most `width` characters, from nothing at the bottom to the largest at the top; blank where
    there is none. Of several that share a character the largest is shown."""
    shown = _squeezed(values, width)
    most = max((value for value in shown if value is not None), default=0.0)
    bars = ASCII if ascii_only else BARS
    return "".join(" " if value is None else bars[_height(value, most, len(bars))] for value in shown)


def _height(value: float, most: float, count: int) -> int:
    return min(count - 1, int(value / most * count)) if most > 0 else 0


def _squeezed(values: Sequence[float | None], width: int) -> list[float | None]:
    if len(values) <= width:
        return list(values)
    ends = [round(place * len(values) / width) for place in range(width + 1)]
    groups = (values[begin:end] for begin, end in itertools.pairwise(ends))
    return [max((value for value in group if value is not None), default=None) for group in groups]
