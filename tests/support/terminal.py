"""A program on a terminal of its own: a test reads what appears there, and types."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

CTRL_C = "\x03"
CTRL_D = "\x04"
CTRL_Z = "\x1a"
PIECE = 65536


class Terminal:
    """A running program, and all that it has shown so far."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self._process = process
        self._screen = screen
        self._shown = b""
        self._read_to = 0

    @property
    def text(self) -> str:
        """All that has been shown, with lines ended by a line feed."""
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    def expect(self, text: str, seconds: float = 30.0) -> None:
        """Wait until `text` appears behind what was expected before; else fails, with all that was shown."""
        wanted, deadline = text.encode(), time.monotonic() + seconds
        while (found := self._shown.find(wanted, self._read_to)) < 0:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} did not appear:\n{self.text}")
        self._read_to = found + len(wanted)

    def type(self, keys: str) -> None:
        """Press keys; a line ends with `\\n`."""
        os.write(self._screen, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Make the terminal larger or smaller, of which the program is told."""
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def kill(self) -> None:
        """End the program as a broken machine would, without a word."""
        self._process.kill()

    def wait(self, seconds: float = 30.0) -> int:
        """Read on until the program has ended; its exit status, or minus the number of the signal."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            continue
        return self._process.wait(max(0.0, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        """Take in what is shown next; False at the deadline, and when the program has closed the terminal."""
        readable, _, _ = select.select([self._screen], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            return False
        try:
            piece = os.read(self._screen, PIECE)
        except OSError:
            # Nobody has the terminal open any more: EIO, see pty(7).
            return False
        self._shown += piece
        return bool(piece)


@contextlib.contextmanager
def open_terminal(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    rows: int = 40,
    columns: int = 120,
) -> Iterator[Terminal]:
    """Run a program on a new terminal; what still runs at the end is killed."""
    screen, programs = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    # setsid(1) makes the terminal the controlling one, so that Ctrl-C on it is the signal that it is to a person.
    process = subprocess.Popen(
        ["setsid", "--ctty", *argv], stdin=programs, stdout=programs, stderr=programs, cwd=cwd, env=env
    )
    os.close(programs)
    try:
        yield Terminal(process, screen)
    finally:
        # With the terminal gone the kernel hangs up on the processes that the program has started.
        process.kill()
        process.wait()
        os.close(screen)
