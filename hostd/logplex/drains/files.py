"""Drains into files of this server, for operators: lines as `hostctl logs` shows them, in a bounded file."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
from pathlib import Path

from hostd.logplex.drains.buffer import Frame
from hostd.logplex.drains.failures import Undelivered
from hostd.logplex.drains.messages import plain
from hostd.logplex.drains.sending import with_overflow

MOST_BYTES = 100 * 1024 * 1024
"""Of a file. A full one is renamed to `NAME.1`, of which there is one, so that a drain takes twice as much at most."""
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class FileSender:
    """Appends to a file below a directory; opens it anew when somebody has moved it away, as logrotate does."""

    def __init__(self, directory: Path, name: str, *, most: int = MOST_BYTES) -> None:
        self._path = directory / name
        self._most = most

    async def send(self, frame: Frame) -> None:
        """Append the frame's lines. Raises Undelivered, and then nothing of it is left in the file."""
        try:
            await asyncio.to_thread(self._append, plain(with_overflow(frame)))
        except OSError as error:
            raise Undelivered(f"the file {self._path} cannot be written: {error.strerror}") from None

    async def close(self) -> None:
        """Nothing is open between frames."""

    def _append(self, text: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, _FLAGS, 0o600)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "it is no file")
            size = found.st_size
            if size and size + len(text) > self._most:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                os.close(descriptor)
                descriptor = os.open(self._path, _FLAGS, 0o600)
                size = 0
            written = 0
            try:
                while written < len(text):
                    written += os.write(descriptor, text[written:])
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
