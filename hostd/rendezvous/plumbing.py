"""What a dyno gets as its standard input, output and error: a terminal of our own, or pipes; and our ends of it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from dataclasses import dataclass

from hostd.rendezvous.asking import Asked

PIECE = 64 * 1024
END_OF_INPUT = b"\x04"
"""With this the official CLI says that its standard input has ended; a terminal understands it by itself."""


@dataclass(slots=True)
class Plumbing:
    """`theirs` go to the dyno; `source` is what it prints, `sink` what it reads."""

    theirs: list[int]
    source: int
    sink: int
    terminal: bool

    @classmethod
    def of(cls, asked: Asked) -> Plumbing:
        """A terminal, or a pipe for input and one for output and errors, which so stay in order."""
        if asked.terminal:
            main, other = os.openpty()
            if asked.columns and asked.lines:
                # Before the dyno starts, so that it never sees a terminal without a size.
                fcntl.ioctl(main, termios.TIOCSWINSZ, struct.pack("HHHH", asked.lines, asked.columns, 0, 0))
            plumbing = cls([other], main, os.dup(main), terminal=True)
        else:
            (their_input, sink), (source, their_output) = os.pipe(), os.pipe()
            plumbing = cls([their_input, their_output, os.dup(their_output)], source, sink, terminal=False)
        os.set_blocking(plumbing.source, False)
        os.set_blocking(plumbing.sink, False)
        return plumbing

    def hand_over(self) -> None:
        """Close our copies of what the dyno has got, so that its end is the end of them."""
        while self.theirs:
            os.close(self.theirs.pop())

    async def read(self) -> bytes:
        """What was printed; empty once nobody is left who could print."""
        while True:
            try:
                return os.read(self.source, PIECE)
            except BlockingIOError:
                await _ready(self.source, writing=False)
            except OSError:
                # A terminal whose other side is closed reads as EIO.
                return b""

    async def write(self, data: bytes) -> None:
        """Pass input on, as fast as it is read. What nobody reads any more is dropped."""
        ends = not self.terminal and data.endswith(END_OF_INPUT)
        rest = data.removesuffix(END_OF_INPUT) if ends else data
        while rest and self.sink >= 0:
            try:
                rest = rest[os.write(self.sink, rest) :]
            except BlockingIOError:
                await _ready(self.sink, writing=True)
            except OSError:
                ends, rest = True, b""
        if ends:
            self.end_input()

    def end_input(self) -> None:
        """Let the dyno's input end; of a terminal, as nothing else comes from it, when all is closed."""
        if not self.terminal and self.sink >= 0:
            os.close(self.sink)
            self.sink = -1

    def close(self) -> None:
        """Let everything go. The processes on a terminal are told (SIGHUP)."""
        self.hand_over()
        for descriptor in (self.source, self.sink):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self.source = self.sink = -1


async def _ready(descriptor: int, *, writing: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    (loop.add_writer if writing else loop.add_reader)(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        (loop.remove_writer if writing else loop.remove_reader)(descriptor)
