"""Journal: request lines on their way to the journals of their apps, many to a datagram, never making a request wait.

The native protocol is described at https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. That page gives every entry a
datagram of its own; journald's reader takes several, each ended by an empty line
(src/journal/journald-native.c, `server_process_native_message`, the same since version 38), and that saves a
system call and a wake-up of journald per request.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections import deque
from pathlib import Path
from typing import BinaryIO, Final

from router.table import PLATFORMS

_COMMON: Final = b"HOSTD_SOURCE=heroku\nHOSTD_PROCESS=%s\nSYSLOG_IDENTIFIER=hostd-router\nPRIORITY=%d\nMESSAGE="
_MARK: Final = b"\nMESSAGE="
_DATAGRAM: Final = 96 * 1024
"""Bytes after which a datagram is sent; below what a socket may send at once by default (net.core.wmem_default)."""
_MOST_OPEN: Final = 512
"""Sockets that stay open between two datagrams."""
_AGAIN: Final = 0.25
"""Seconds until a journald that took nothing is tried again."""
_TAKEN: Final = 0
_LOST: Final = 1
_LATER: Final = 2
INFO: Final = 6
WARNING: Final = 4
ERROR: Final = 3


def socket_path(namespace: str) -> Path:
    """Where journald listens for a namespace; the empty name is the system's own journal."""
    return Path(f"/run/systemd/journal.{namespace}/socket" if namespace else "/run/systemd/journal/socket")


class _Outbox:
    """Lines of one app (`""`: of none) that its journald has not taken yet."""

    def __init__(self, app_id: str, path: str, prefix: bytes) -> None:
        self.app_id = app_id
        self.path = path
        self.prefix = prefix
        self.lines: list[bytes] = []
        self.size = 0
        self.queued = False
        """Whether its lines leave with the next tick."""
        self.waiting: deque[tuple[bytes, int]] = deque()
        self.waiting_bytes = 0
        self.lost = 0
        self.lost_since = 0.0
        self.socket: socket.socket | None = None


class Journal:
    """Bounded buffers in front of the sockets of journalds, one for each app; `path` is that of what is of no app, and
    an app's has `-` and its id behind the name of the namespace. Without one, plain lines go to `fallback`.

    Lines leave after `delay` seconds or `batch` lines of an app, whichever is first. While its journald does not take
    them, or is not there, they wait, up to `room` bytes for each app; what does not fit is dropped, counted in `lost`,
    and told in the app's own log afterwards. What is of no app then goes to `fallback` instead.
    """

    def __init__(
        self,
        path: Path | None,
        loop: asyncio.AbstractEventLoop,
        *,
        fallback: BinaryIO | None = None,
        delay: float = 0.05,
        batch: int = 64,
        room: int = 1024 * 1024,
    ) -> None:
        self.lost = 0
        self._path = path
        self._loop = loop
        self._fallback = fallback or sys.stderr.buffer
        self._between = b"\n" if path else b""
        self._delay, self._batch, self._room = delay, batch, room
        self._boxes: dict[str, _Outbox] = {}
        self._filled: list[_Outbox] = []
        """Those that have lines for a datagram."""
        self._stuck: set[_Outbox] = set()
        """Those whose journald takes nothing now."""
        self._open: dict[_Outbox, None] = {}
        """Those that have a socket, the one that was opened first in front."""
        self._timer: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None

    def request(self, app_id: str, line: str) -> None:
        """One request of an app (`""`: of no app). The line must be a single line of ASCII."""
        box = self._boxes.get(app_id)
        if box is None:
            box = self._box(app_id)
        entry = box.prefix + line.encode() + b"\n"
        box.lines.append(entry)
        box.size += len(entry)
        if len(box.lines) >= self._batch or box.size >= _DATAGRAM:
            self._pack(box)
            self._send(box)
        elif not box.queued:
            self._queue(box)

    def say(self, text: str, priority: int = INFO) -> None:
        """A line about the router itself; line breaks in it become blanks."""
        box = self._boxes.get("") or self._box("")
        box.lines.append(self._prefix("", b"router", priority) + " ".join(text.split()).encode() + b"\n")
        if not box.queued:
            self._queue(box)

    def forget(self, keep: set[str]) -> None:
        """Drop what is remembered for apps that are no longer in the table, and what waits for them."""
        for app_id in self._boxes.keys() - keep:
            box = self._boxes.pop(app_id)
            if box.app_id:
                box.lines.clear()
                box.waiting.clear()
                self._stuck.discard(box)
                self._hang_up(box)

    def flush(self) -> None:
        """Hand what is buffered to the journalds, as far as they take it now."""
        self._leave()
        self._retry()

    def close(self) -> None:
        """A last flush; what journald does not take now is lost."""
        for timer in (self._timer, self._again):
            if timer is not None:
                timer.cancel()
        self.flush()
        for box in self._boxes.values():
            self._hang_up(box)

    def _tick(self) -> None:
        self._timer = None
        self._leave()

    def _try_again(self) -> None:
        self._again = None
        self._retry()

    def _queue(self, box: _Outbox) -> None:
        """Let its lines leave with the next tick."""
        box.queued = True
        self._filled.append(box)
        if self._timer is None:
            self._timer = self._loop.call_later(self._delay, self._tick)

    def _leave(self) -> None:
        filled, self._filled = self._filled, []
        for box in filled:
            box.queued = False
            if box.lines:
                self._pack(box)
                self._send(box)

    def _retry(self) -> None:
        for box in list(self._stuck):
            self._send(box)

    def _pack(self, box: _Outbox) -> None:
        """Make the lines a datagram that waits for its turn; without room for it they are lost."""
        datagram, lines = self._between.join(box.lines), len(box.lines)
        box.lines, box.size = [], 0
        if box.waiting and box.waiting_bytes + len(datagram) > self._room:
            self._lose(box, lines)
            return
        box.waiting.append((datagram, lines))
        box.waiting_bytes += len(datagram)

    def _send(self, box: _Outbox) -> None:
        """Send what waits, if it is taken; else it is tried again in a moment."""
        while box.waiting:
            datagram, lines = box.waiting[0]
            what = self._pass_on(box, datagram, lines)
            if what == _LATER:
                self._stuck.add(box)
                if self._again is None:
                    self._again = self._loop.call_later(_AGAIN, self._try_again)
                return
            box.waiting.popleft()
            box.waiting_bytes -= len(datagram)
            if box.lost and not box.waiting and what == _TAKEN:
                self._tell(box)
        self._stuck.discard(box)

    def _pass_on(self, box: _Outbox, datagram: bytes, lines: int) -> int:
        """What became of a datagram: `_TAKEN`, `_LOST`, or `_LATER` while it has to wait."""
        if not box.path:
            return self._print(box, datagram, lines)
        try:
            connection = box.socket
            if connection is None:
                connection = self._connect(box)
            connection.sendto(datagram, box.path)
        except BlockingIOError:
            return _LATER
        except (FileNotFoundError, ConnectionRefusedError):
            if box.app_id:
                return _LATER
            plain = b"".join(entry.partition(_MARK)[2] + b"\n" for entry in datagram[:-1].split(b"\n\n"))
            return self._print(box, plain, lines)
        except OSError:
            self._lose(box, lines)
            return _LOST
        return _TAKEN

    def _connect(self, box: _Outbox) -> socket.socket:
        """A socket of its own for each: what waits for one journald must not use up what may wait for another."""
        box.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        box.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * 1024 * 1024)
        self._open[box] = None
        if len(self._open) > _MOST_OPEN:
            # What it has sent stays with journald.
            self._hang_up(next(iter(self._open)))
        return box.socket

    def _hang_up(self, box: _Outbox) -> None:
        self._open.pop(box, None)
        if box.socket is not None:
            box.socket.close()
            box.socket = None

    def _lose(self, box: _Outbox, lines: int) -> None:
        self.lost += lines
        if not box.lost:
            box.lost_since = time.time()
        box.lost += lines

    def _tell(self, box: _Outbox) -> None:
        """Say in the log of the app itself what is missing there."""
        since = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(box.lost_since))
        said = f"Error L13 (Local delivery error) -> {box.lost} messages of the router were lost since {since}."
        box.lost = 0
        entry = self._prefix(box.app_id, b"logplex", WARNING) + said.encode() + b"\n"
        box.waiting.append((entry, 1))
        box.waiting_bytes += len(entry)

    def _print(self, box: _Outbox, plain: bytes, lines: int) -> int:
        try:
            self._fallback.write(plain)
            self._fallback.flush()
        except (OSError, ValueError):
            self._lose(box, lines)
            return _LOST
        return _TAKEN

    def _box(self, app_id: str) -> _Outbox:
        if self._path is None:
            box = self._boxes.get("") or _Outbox("", "", b"")
            self._boxes[""] = self._boxes[app_id] = box
            return box
        if app_id in PLATFORMS:
            box = self._boxes[app_id] = self._boxes.get("") or self._box("")
            return box
        path = self._path
        if app_id:
            path = path.parent.with_name(f"{path.parent.name}-{app_id}") / path.name
        box = self._boxes[app_id] = _Outbox(app_id, str(path), self._prefix(app_id, b"router", INFO))
        return box

    def _prefix(self, app_id: str, process: bytes, priority: int) -> bytes:
        """What an entry for journald begins with; plain lines have nothing before them."""
        app = f"HOSTD_APP={app_id}\n".encode() if app_id else b""
        return app + _COMMON % (process, priority) if self._path else b""
