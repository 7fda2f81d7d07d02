"""Journal: request lines on their way to journald, many to a datagram, never making a request wait.

The native protocol is described at https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. That page gives every entry a
datagram of its own; journald's reader takes several, each ended by an empty line
(src/journal/journald-native.c, `server_process_native_message`, the same since version 38), and that saves a
system call and a wake-up of journald per request.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from pathlib import Path
from typing import BinaryIO, Final

_COMMON: Final = b"HOSTD_SOURCE=heroku\nHOSTD_PROCESS=router\nSYSLOG_IDENTIFIER=hostd-router\nPRIORITY=%d\nMESSAGE="
_MARK: Final = b"\nMESSAGE="
_DATAGRAM: Final = 96 * 1024
"""Bytes after which a datagram is sent; below what a socket may send at once by default (net.core.wmem_default)."""
INFO: Final = 6
WARNING: Final = 4
ERROR: Final = 3


def socket_path(namespace: str) -> Path:
    """Where journald listens for a namespace; the empty name is the system's own journal."""
    return Path(f"/run/systemd/journal.{namespace}/socket" if namespace else "/run/systemd/journal/socket")


class Journal:
    """A bounded buffer in front of journald's socket; when the socket is absent, plain lines on `fallback`.

    Lines leave after `delay` seconds or `batch` lines, whichever is first. While journald does not take them they
    wait, up to `room` bytes; what does not fit is dropped, counted in `lost`, and told in a line afterwards.
    """

    def __init__(
        self,
        path: Path | None,
        loop: asyncio.AbstractEventLoop,
        *,
        fallback: BinaryIO | None = None,
        delay: float = 0.05,
        batch: int = 64,
        room: int = 4 * 1024 * 1024,
    ) -> None:
        self.lost = 0
        self._path = str(path) if path else ""
        self._loop = loop
        self._fallback = fallback or sys.stderr.buffer
        self._between = b"\n" if path else b""
        self._delay, self._batch, self._room = delay, batch, room
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * 1024 * 1024)
        self._prefixes: dict[str, bytes] = {}
        self._lines: list[bytes] = []
        self._size = 0
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._waiting_bytes = 0
        self._told = 0
        self._timer: asyncio.TimerHandle | None = None

    def request(self, app_id: str, line: str) -> None:
        """One request of an app (`""`: of no app). The line must be a single line of ASCII."""
        prefix = self._prefixes.get(app_id)
        if prefix is None:
            prefix = self._prefixes[app_id] = self._prefix(app_id, INFO)
        entry = prefix + line.encode() + b"\n"
        self._lines.append(entry)
        self._size += len(entry)
        if len(self._lines) >= self._batch or self._size >= _DATAGRAM:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._delay, self._tick)

    def say(self, text: str, priority: int = INFO) -> None:
        """A line about the router itself; line breaks in it become blanks."""
        self._lines.append(self._prefix("", priority) + " ".join(text.split()).encode() + b"\n")
        if self._timer is None:
            self._timer = self._loop.call_later(self._delay, self._tick)

    def forget(self, keep: set[str]) -> None:
        """Drop what is remembered for apps that are no longer in the table."""
        for app_id in self._prefixes.keys() - keep:
            del self._prefixes[app_id]

    def flush(self) -> None:
        """Hand what is buffered to journald, as far as it takes it now."""
        if self._lines:
            self._queue(self._between.join(self._lines), len(self._lines))
            self._lines, self._size = [], 0
        while self._waiting and self._send(self._waiting[0][0]):
            self._waiting_bytes -= len(self._waiting.popleft()[0])
        if not self._waiting and self.lost > self._told:
            missed, self._told = self.lost - self._told, self.lost
            self.say(f"{missed} router lines were lost: the journal did not take them fast enough", WARNING)

    def close(self) -> None:
        """A last flush; what journald does not take now is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flush()
        self.flush()
        self._socket.close()

    def _tick(self) -> None:
        self._timer = None
        self.flush()
        if self._waiting and self._timer is None:
            self._timer = self._loop.call_later(self._delay, self._tick)

    def _queue(self, datagram: bytes, lines: int) -> None:
        if self._waiting_bytes + len(datagram) > self._room:
            self.lost += lines
            return
        self._waiting.append((datagram, lines))
        self._waiting_bytes += len(datagram)

    def _send(self, datagram: bytes) -> bool:
        """Whether the datagram is off our hands."""
        if not self._path:
            return self._print(datagram)
        try:
            self._socket.sendto(datagram, self._path)
        except BlockingIOError:
            return False
        except (FileNotFoundError, ConnectionRefusedError):
            return self._print(b"".join(entry.partition(_MARK)[2] + b"\n" for entry in datagram[:-1].split(b"\n\n")))
        except OSError:
            self.lost += datagram.count(_MARK)
        return True

    def _print(self, lines: bytes) -> bool:
        try:
            self._fallback.write(lines)
            self._fallback.flush()
        except (OSError, ValueError):
            self.lost += lines.count(b"\n")
        return True

    def _prefix(self, app_id: str, priority: int) -> bytes:
        """What an entry for journald begins with; plain lines have nothing before them."""
        app = f"HOSTD_APP={app_id}\n".encode() if app_id else b""
        return app + _COMMON % priority if self._path else b""
