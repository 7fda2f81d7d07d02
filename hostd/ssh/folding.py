"""Breaks lines that are too long for the pusher's git. Pure."""

from __future__ import annotations

LONGEST = 4000
"""Bytes. git's client writes each line by one write(2) and drops what is not taken at once; what a pipe takes at
once for certain is PIPE_BUF, 4096 bytes (pipe(7)), and git sets `remote: ` and spaces around the line."""
_CONTINUES, _CONTINUATION = 0xC0, 0x80


class Folding:
    """Output that comes in pieces, wherever they are cut, with no line longer than LONGEST."""

    def __init__(self) -> None:
        self._column = 0

    def __call__(self, piece: bytes) -> bytes:
        """The piece, its long lines broken."""
        first, *others = piece.split(b"\n")
        lines = [self._folded(first)]
        for line in others:
            self._column = 0
            lines.append(self._folded(line))
        return b"\n".join(lines)

    def _folded(self, line: bytes) -> bytes:
        parts = []
        while len(line) > LONGEST - self._column:
            end = _before_character(line, LONGEST - self._column)
            parts.append(line[:end])
            line, self._column = line[end:], 0
        self._column += len(line)
        return b"\n".join([*parts, line])


def _before_character(line: bytes, end: int) -> int:
    """The last place up to `end` that is not within a character of UTF-8 (`end`, if that is no UTF-8)."""
    places = range(end, max(0, end - 4), -1)
    return next((place for place in places if line[place] & _CONTINUES != _CONTINUATION), end)
