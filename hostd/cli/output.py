"""How things look on a terminal: headings, columns, times, sizes, colours. Pure functions over text."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_PARTS = re.compile(r"\x1b\[[0-9;]*m|[^\x1b]+")

NARROWEST = 12
"""Characters below which no column is cut."""

RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN = 31, 32, 33, 34, 35, 36
BOLD, DIM = 1, 2

ENDED = ("complete", "down")
"""States of a one-off dyno that hostd remembers for its exit status; to users it is gone."""

RECENT_SECONDS = 25 * 3600
"""Ages are shown for a day and an hour, as Heroku does."""


class Style:
    """Colours, if they are wanted; otherwise every method hands its text back."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def paint(self, text: str, *codes: int) -> str:
        """The text in a colour (SGR codes)."""
        return f"\x1b[{';'.join(map(str, codes))}m{text}\x1b[0m" if self.colour and text else text

    def app(self, name: str) -> str:
        """An app's name, marked as Heroku marks it."""
        return self.paint(f"⬢ {name}", MAGENTA) if self.colour else name

    def heading(self, text: str) -> str:
        """A section's heading."""
        return f"=== {self.paint(text, BOLD)}"

    def state(self, state: str) -> str:
        """A dyno's or release's state."""
        colour = {
            "up": GREEN, "complete": GREEN, "starting": YELLOW, "pending": YELLOW, "crashed": RED, "failed": RED,
            "down": RED,
        }.get(state)  # fmt: skip
        return self.paint(state, colour) if colour else state


def wants_colour(env: Mapping[str, str], is_terminal: bool) -> bool:
    """True on a terminal that can do colours, unless NO_COLOR says otherwise (no-color.org)."""
    return is_terminal and not env.get("NO_COLOR") and env.get("TERM") not in (None, "", "dumb")


def seconds(stamp: str) -> float:
    """A timestamp of the API (ISO 8601) in seconds since the epoch."""
    return datetime.fromisoformat(stamp).timestamp()


def age(duration: float) -> str:
    """Seconds as `4s`, `2m`, `3h` or `5d`."""
    whole = max(0, int(duration))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def moment(stamp: str, now: float) -> str:
    """`2015/11/17 17:37:41 +0000 (~ 1h ago)`; the age is left out after 25 hours."""
    then = seconds(stamp)
    text = time.strftime("%Y/%m/%d %H:%M:%S %z", time.localtime(then))
    if now - then >= RECENT_SECONDS:
        return text
    # 24 hours are still `24h` here, not a day.
    return f"{text} (~ {'24h' if now - then >= 86400 else age(now - then)} ago)"


def utc(stamp: str) -> str:
    """A time of the API as people read it: `2026-11-22 16:28:01 UTC`."""
    return f"{stamp.replace('T', ' ').removesuffix('Z')} UTC"


def rights_of(entry: Mapping[str, Any]) -> str:
    """The rights that a collaborator has, with commas."""
    return ", ".join(permission["name"] for permission in entry["permissions"])


def size(count: float | None) -> str:
    """Bytes as people read them: `66 KB`, `8.3 MB`."""
    if count is None:
        return "0 B"
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit in ("B", "KB") else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def size_name(name: str) -> str:
    """A dyno size as Heroku writes it: `Standard-1X`."""
    return "-".join(p.upper() if len(p) < 3 or p[0].isdigit() else p.capitalize() for p in name.split("-"))


def columns(rows: Iterable[Sequence[str]], gap: int = 2, *, width: int = 0, shorten: Sequence[int] = ()) -> list[str]:
    """Lines with their columns aligned; colours take no room.

    `width` is a terminal's, 0 for none: then what is in the columns `shorten` is cut, the widest first, as far as it
    takes for the lines to fit.
    """
    table = [list(row) for row in rows]
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    if width:
        widths = _fitted(widths, width - gap * (len(widths) - 1), shorten)
        table = [[_cut(cell, room) for cell, room in zip(row, widths, strict=True)] for row in table]
    return [
        "".join(cell + " " * (width + gap - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def pairs(values: Mapping[str, object], style: Style | None = None) -> list[str]:
    """`Key: value` lines, their values in one column."""
    if not values:
        return []
    style = style or Style(False)
    widest = max(map(_width, values))
    return [
        f"{style.paint(key, CYAN)}:{' ' * (widest - _width(key))} {value}".rstrip() for key, value in values.items()
    ]


def shell(values: Mapping[str, object]) -> list[str]:
    """`KEY=value` lines that a shell reads back exactly."""
    import shlex

    return [f"{key}={shlex.quote(str(value))}" for key, value in values.items()]


def cut(text: str, width: int) -> str:
    """The text, cut to fit."""
    return text if _width(text) <= width else _head(text, max(0, width - 1)) + "…"


def printable(text: str) -> str:
    """The text with escape sequences made visible: it comes from somebody else."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def without_credentials(url: str) -> str:
    """The text, printable and with the user and the password of an address masked."""
    scheme, mark, rest = url.partition("://")
    host, slash, more = rest.partition("/")
    return printable(f"{scheme}{mark}{'***@' if '@' in host else ''}{host.rpartition('@')[2]}{slash}{more}")


def _fitted(widths: Sequence[int], room: int, shorten: Sequence[int]) -> list[int]:
    """Widths that add up to the room, taken off the widest of those that may be cut."""
    fitted = list(widths)
    while sum(fitted) > room:
        widest = max(shorten, key=lambda index: fitted[index] if index < len(fitted) else 0, default=None)
        if widest is None or widest >= len(fitted) or fitted[widest] <= NARROWEST:
            return fitted
        others = max((fitted[index] for index in shorten if index != widest and index < len(fitted)), default=0)
        # Down to the next widest at once; where two are as wide, one by one.
        step = min(sum(fitted) - room, max(1, fitted[widest] - max(others, NARROWEST)))
        fitted[widest] -= step
    return fitted


def _cut(cell: str, room: int) -> str:
    """A cell cut to its room; the colours of what is left stay."""
    if _width(cell) <= room:
        return cell
    left, parts = room - 1, []
    for part in _PARTS.findall(cell):
        if part.startswith("\x1b"):
            parts.append(part)
        elif left >= 0:
            taken = _width(part)
            parts.append(part if taken <= left else f"{_head(part, left)}…")
            left = left - taken if taken <= left else -1
    return "".join(parts)


def _width(text: str) -> int:
    """The columns that a text takes on a terminal."""
    shown = ESCAPE.sub("", text)
    return len(shown) if shown.isascii() else sum(map(_columns_of, shown))


def _columns_of(char: str) -> int:
    """Two for a Chinese character or an emoji, none for an accent that goes on the character before it."""
    import unicodedata

    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _head(text: str, room: int) -> str:
    """As much of a text's beginning as takes no more than so many columns."""
    if text.isascii():
        return text[:room]
    taken = 0
    for number, char in enumerate(text):
        taken += _columns_of(char)
        if taken > room:
            return text[:number]
    return text
