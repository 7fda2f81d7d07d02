"""What builds and release commands print, in their app's log too: cut into lines as journald cuts what dynos print."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from hostd.events import Events, Identified

BUILD = "build"
"""The process that an app's builds are in its log; there is one at a time."""
LONGEST = 48 * 1024
"""Bytes after which a line without an end is cut, as in journald (`LineMax=`): no more of one is held in memory."""


class Echo:
    """The output of one process, which comes in pieces, as lines; *say* takes one line without its end."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._begun = bytearray()
        """The line that has not ended yet."""

    def hear(self, piece: bytes) -> None:
        """Take what was printed just now, wherever it is cut, and say the lines that are whole."""
        *whole, rest = piece.split(b"\n")
        for line in whole:
            self._begun += line
            self._end_line()
        self._begun += rest
        while len(self._begun) > LONGEST:
            self._cut()

    def end(self) -> None:
        """No more comes: a last line that has no end is said all the same."""
        self._end_line()

    def _end_line(self) -> None:
        while len(self._begun) > LONGEST:
            self._cut()
        self._tell(bytes(self._begun))
        self._begun.clear()

    def _cut(self) -> None:
        end = LONGEST
        while end > LONGEST - 4 and self._begun[end] & 0xC0 == 0x80:  # not between the bytes of one character
            end -= 1
        self._tell(bytes(self._begun[:end]))
        del self._begun[:end]

    def _tell(self, line: bytes) -> None:
        # As journald does it: no blanks at the end, and no empty lines.
        if text := line.decode(errors="replace").rstrip():
            self._say(text)


@asynccontextmanager
async def echoed_build(events: Events, app: Identified, what: str) -> AsyncGenerator[Echo, None]:
    """Say that the build of `what` (`20a5742`) begins, and how it ends; what it prints is between the two."""
    relay = events.relay(app, BUILD)
    echo = Echo(relay.say)
    events.platform(app, BUILD, f"Starting build of {what}")
    after = "failed"
    try:
        yield echo
        after = "complete"
    finally:
        echo.end()
        await relay.end()
        events.platform(app, BUILD, f"State changed from building to {after}")
