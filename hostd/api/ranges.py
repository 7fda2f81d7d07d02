"""Ranges: how long lists are asked for and answered in pages, as Heroku's Platform API does it. Pure.

A client says `Range: name ]my-app..; max=200, order=desc`. An answer that is not the whole rest has status 206 and says
in `Next-Range` what to ask for next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from hostd.errors import BadRange

LARGEST_PAGE = 1000
"""Rows of a page at most, and without `max=`."""
LONGEST = 500
"""Characters that a header may have."""

_RANGE = re.compile(
    r"\s*(?P<by>[a-z_]+)\s*(?P<after>[\][]?)\s*(?P<start>[^\s;\][]*?)\s*\.\.\s*(?P<end>[^\s;\][]*)\s*(?P<before>[\][]?)"
    r"\s*(?:;(?P<options>.*))?"
)
_OPTION = re.compile(r"(?P<name>[a-z]+)\s*=\s*(?P<value>[a-z0-9]+)")

Row = TypeVar("Row")
Key = Callable[[Row], "str | int"]


@dataclass(frozen=True, slots=True)
class Range:
    """A page that is asked for: sorted `by` an attribute, from `start` on and up to `end` in that order.

    `after`: without the row at `start` itself; `before`: without the one at `end`. Both texts may be empty.
    """

    by: str
    start: str = ""
    end: str = ""
    after: bool = False
    before: bool = False
    most: int = LARGEST_PAGE
    descending: bool = False

    @property
    def options(self) -> str:
        """What stands behind the semicolon."""
        return f"max={self.most}" + (",order=desc" if self.descending else "")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, which part of the list they are, and how the next are asked for if there are more."""

    rows: list[Row]
    content: str
    next: str | None


def parse(header: str, sortable: Collection[str]) -> Range | None:
    """What a Range header asks for; None for an empty one, and for one of bytes, which lists do not have.

    Raises BadRange, naming what cannot be.
    """
    if not header.strip() or header.strip().startswith("bytes="):
        return None
    found = _RANGE.fullmatch(header) if len(header) <= LONGEST else None
    if found is None:
        raise BadRange(
            f"The Range header {header[:60]!r} cannot be read. Write: ATTRIBUTE START..END; max=NUMBER, order=desc"
        )
    if found["by"] not in sortable:
        raise BadRange(f"This list has no range by {found['by'][:40]!r}. It has: {', '.join(sortable)}.")
    options = _options(found["options"] or "")
    return Range(
        by=found["by"],
        start=found["start"],
        end=found["end"],
        after=found["after"] == "]",
        before=found["before"] == "[",
        most=_most(options.get("max")),
        descending=_descending(options.get("order")),
    )


def page(rows: Iterable[Row], asked: Range, key: Key[Row]) -> Page[Row]:
    """The page of the rows that is asked for. No two rows may have the same key. Raises BadRange."""
    ordered = sorted(((key(row), row) for row in rows), key=lambda pair: pair[0], reverse=asked.descending)
    numbers = bool(ordered) and isinstance(ordered[0][0], int)
    start, end = _bound(asked.start, numbers), _bound(asked.end, numbers)
    wanted = [
        (value, row)
        for value, row in ordered
        if (start is None or _follows(value, start, asked.descending, itself=not asked.after))
        and (end is None or _follows(end, value, asked.descending, itself=not asked.before))
    ]
    shown = wanted[: asked.most]
    content = f"{asked.by} {shown[0][0]}..{shown[-1][0]}; {asked.options}" if shown else ""
    more = None
    if len(wanted) > len(shown):
        end_again = f"{asked.end}{'[' if asked.before else ''}"
        more = f"{asked.by} ]{shown[-1][0]}..{end_again}; {asked.options}"
    return Page([row for _, row in shown], content, more)


def _follows(value: str | int, other: str | int, descending: bool, *, itself: bool) -> bool:
    """Whether a value comes behind another one in the order, or is `itself` that one."""
    if value == other:
        return itself
    # Both are texts, or both are numbers: `_bound` saw to that.
    later: bool = value > other  # type: ignore[operator]
    return later != descending


def _bound(text: str, numbers: bool) -> str | int | None:
    if not text:
        return None
    if not numbers:
        return text
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BadRange(f"{text[:40]!r} is not a number, which the bounds of this range are.")
    return int(text)


def _options(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for word in re.split(r"[,;]", text):
        if not word.strip():
            continue
        option = _OPTION.fullmatch(word.strip())
        if option is None or option["name"] not in ("max", "order"):
            raise BadRange(f"{word.strip()[:40]!r} is no option of a Range header. It has max=NUMBER and order=desc.")
        found[option["name"]] = option["value"]
    return found


def _most(text: str | None) -> int:
    if text is None:
        return LARGEST_PAGE
    if not text.isdigit() or int(text[:10]) < 1:
        raise BadRange("max in a Range header must be a number, 1 or more.")
    return min(LARGEST_PAGE, int(text[:10]))


def _descending(text: str | None) -> bool:
    if text not in (None, "asc", "desc"):
        raise BadRange("order in a Range header must be asc or desc.")
    return text == "desc"
