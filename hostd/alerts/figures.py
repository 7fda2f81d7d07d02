"""What alerts can be about: each figure with its units, its sense and what it is of. Values, no behaviour."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

_NUMBERS = {
    "H": (10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 41, 42, 43, 80, 84, 99),
    "R": (10, 12, 13, 14, 15, 16),
    "L": (10, 11, 12, 13, 14, 15),
}
CODES = tuple(f"{letter}{number}" for letter, numbers in _NUMBERS.items() for number in numbers)
"""The codes that are in apps' logs (docs/operations.md)."""

DAY = 1440
"""Minutes."""


class Kind(enum.Enum):
    """How a figure's minutes are read."""

    LEVEL = "level"
    """It has a value in each minute, and the condition has to hold minute after minute."""
    COUNT = "count"
    """Something that happens, counted over so many minutes; a minute without any is 0."""


class Of(enum.Enum):
    """What a figure is of."""

    REQUESTS = "requests"
    """Of the router's, so of web dynos alone."""
    DYNOS = "dynos"
    """Of the dynos of one type, or of all."""
    APP = "app"
    """Of the app as a whole."""
    ANYTHING = "anything"
    """Of an app or of the platform."""
    PLATFORM = "platform"
    """Of the machine."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: the name of the series of figures that it is measured by, how many of the series' own units it is, and
    how it is written after a number. With `of` a value is a percentage of that series' value in the same minute."""

    series: str
    factor: float = 1.0
    shown: str = ""
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. `units` by how they are written; `minutes` is how long without `for`; `below`: less of it may be
    what is feared, `only_below`: nothing else is. `timed`: `for` can be said of it. `example` is a whole condition."""

    name: str
    kind: Kind
    of: Of
    units: Mapping[str, Unit]
    example: str
    minutes: int = 5
    below: bool = False
    only_below: bool = False
    timed: bool = True


def _latency(name: str) -> Figure:
    units = {"ms": Unit(name, 1, " ms"), "s": Unit(name, 1000, " s")}
    return Figure(name, Kind.LEVEL, Of.REQUESTS, units, f"{name}>500ms")


_LISTED = (
    _latency("p50"),
    _latency("p95"),
    _latency("p99"),
    Figure(
        "requests", Kind.LEVEL, Of.REQUESTS, {"/min": Unit("requests", 1, "/min"), "/s": Unit("requests", 60, "/s")},
        "requests>1000/min", below=True,
    ),
    Figure(
        "errors", Kind.LEVEL, Of.REQUESTS,
        {"%": Unit("errors", 1, "%", of="requests"), "/min": Unit("errors", 1, "/min")}, "errors>5%",
    ),
    Figure(
        "memory", Kind.LEVEL, Of.DYNOS,
        {"%": Unit("memory_quota", 1, "%"), "MB": Unit("memory", 1, " MB"), "GB": Unit("memory", 1024, " GB")},
        "memory>90%",
    ),
    Figure("cpu", Kind.LEVEL, Of.DYNOS, {"%": Unit("cpu", 1, "%")}, "cpu>80%"),
    Figure("load", Kind.LEVEL, Of.DYNOS, {"": Unit("load")}, "load>4"),
    Figure("crashes", Kind.COUNT, Of.DYNOS, {"": Unit("restarts")}, "crashes>3", minutes=60),
    Figure("drain-loss", Kind.COUNT, Of.APP, {"": Unit("L10")}, "drain-loss>0"),
    Figure("disk", Kind.LEVEL, Of.PLATFORM, {"%": Unit("disk", 1, "%")}, "disk>90%"),
    Figure(
        "certificate", Kind.LEVEL, Of.ANYTHING, {"d": Unit("certificate", 1, " days")}, "certificate<14d", minutes=1,
        only_below=True, timed=False,
    ),
)  # fmt: skip

FIGURES: Mapping[str, Figure] = {figure.name: figure for figure in _LISTED}
_CODE = re.compile(r"[HRLhrl][0-9]{1,3}")
_SIDES = {"H": Of.REQUESTS, "R": Of.DYNOS, "L": Of.APP}


def looks_like_code(word: str) -> bool:
    """Whether a word is meant to be a code: `H12`, `h92`."""
    return _CODE.fullmatch(word) is not None


def find(word: str) -> Figure | None:
    """The figure of that name, a code among them, however it is capitalised."""
    if (code := word.upper()) in CODES:
        return Figure(code, Kind.COUNT, _SIDES[code[0]], {"": Unit(code)}, f"{code}>3")
    return FIGURES.get(word.lower())
