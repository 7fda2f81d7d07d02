"""From a journal entry to the lines a user reads: `2026-01-27T10:48:08.123456+00:00 app[web.1]: text`. Pure."""

from __future__ import annotations

import functools
import re
import time
from dataclasses import dataclass

from units.cursors import cursor_of

LONGEST = 10_000
"""Bytes of text in one line; longer ones are split, as Heroku's logplex does."""
SHORT = LONGEST // 4
"""Characters that are not more bytes than that, whatever they are."""

# Everything that could move a cursor, clear a screen or set a title. Colours (SGR) are let through, for apps use them.
_CONTROL = re.compile(r"(\x1b\[[0-9;]{0,32}m)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COLOUR = re.compile(r"\x1b\[([0-9;]*)m")
_CUT_COLOUR = re.compile(rb"\x1b[\[0-9;]{0,33}\Z")
_NAMES = {"\r": "\\r", "\x1b": "\\e", "\0": "\\0", "\a": "\\a", "\b": "\\b", "\v": "\\v", "\f": "\\f"}


@dataclass(slots=True)
class Line:
    """What one journal entry says in an app's log, before it is written out.

    `microseconds` since the epoch, when journald received it; `place` is its cursor, or what it is made of. `about` is
    the dyno whose lines are missing here, if that is what it says; then it is of the app whose journal it is in.
    """

    place: str | bytes
    microseconds: int
    app: str
    source: str
    process: str
    message: bytes
    about: str | None = None

    @property
    def cursor(self) -> str:
        """Its place in the journal. It takes as long as all else to make: ask for it where it is needed."""
        return cursor_of(self.place)


def written(line: Line) -> list[str]:
    """The line as a user reads it, without line ends; several if its text has line breaks or is very long."""
    prefix = prefix_of(line)
    return [prefix + text for text in texts(line)]


def prefix_of(line: Line) -> str:
    """What stands in front of each of a line's texts."""
    return f"{stamp(line.microseconds)} {line.source}[{line.process}]: "


def texts(line: Line) -> list[str]:
    """What the line says, harmless: of each row that it is written in."""
    text = line.message.decode("utf-8", "replace")
    if len(text) <= SHORT and text.isprintable():
        # As nearly all are: nothing to spell out, to cut or to part.
        return [text]
    text = harmless(text)
    rows = [piece for part in text.split("\n") for piece in _pieces(part)]
    if "\x1b" in text:
        rows = [_without_colours_left_on(row) for row in rows]
    return rows


def raw_rows(line: Line) -> list[bytes]:
    """The line as the app wrote it, byte for byte, without line ends."""
    prefix = prefix_of(line).encode()
    parts = line.message.removesuffix(b"\n").split(b"\n")
    return [prefix + part[at : at + LONGEST] for part in parts for at in range(0, max(1, len(part)), LONGEST)]


def harmless(text: str) -> str:
    """The text with its control characters spelled out, but for tabs, line feeds and colours."""
    return _CONTROL.sub(_spelled, text.rstrip("\r\n").replace("\r\n", "\n"))


def stamp(microseconds: int) -> str:
    """A moment as `2026-01-27T10:48:08.123456+00:00`; always UTC, always six digits."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{rest:06d}+00:00"


def overflow(now: int, lost: int | None, since: int) -> str:
    """What stands where lines are missing, as Heroku's L11; `lost` is None if nobody counted. Times in microseconds."""
    return f"{stamp(now)} heroku[logplex]: {overflow_text(lost, since)}"


def overflow_text(lost: int | None, since: int) -> str:
    """What L11 says, without what stands in front of a line."""
    return (
        f"Error L11 (Tail buffer overflow) -> This tail session dropped {lost or 'some'} "
        f"message{'' if lost == 1 else 's'} since {stamp(since)}."
    )


@functools.lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _without_colours_left_on(row: str) -> str:
    """A colour that is still on at the end would colour, or hide, the lines of others."""
    colours = _COLOUR.findall(row)
    return f"{row}\x1b[0m" if colours and colours[-1].strip("0;") else row


def _spelled(match: re.Match[str]) -> str:
    if match[1]:
        return match[1]
    char = match[0]
    return _NAMES.get(char) or f"\\x{ord(char):02x}"


def _pieces(text: str) -> list[str]:
    if len(text) <= SHORT:
        return [text]
    rest, found = text.encode(), []
    while len(rest) > LONGEST:
        end = LONGEST
        while rest[end] & 0xC0 == 0x80:  # not between the bytes of one character
            end -= 1
        if cut := _CUT_COLOUR.search(rest, end - 34, end):
            end = cut.start()
        found.append(rest[:end].decode())
        rest = rest[end:]
    return [*found, rest.decode()]
