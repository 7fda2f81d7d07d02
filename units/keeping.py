"""Descriptors that stay open when this process ends, and paths to them: the client of `units.holder`."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from units.holder import MESSAGE

_SECONDS = 5.0


class KeepingError(Exception):
    """The process that keeps descriptors does not answer."""


class Keeping:
    """The holder behind a unix socket, for one caller at a time; systemd starts it when it is not there.

    Each call blocks for well under a millisecond.
    """

    def __init__(self, address: Path) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def keep(self, descriptor: int) -> Path:
        """Have a descriptor kept open; returns a path to it, good as long as the holder lives. Raises KeepingError."""
        pid, number = map(int, self._ask("keep", [descriptor]).split())
        return Path(f"/proc/{pid}/fd/{number}")

    def drop(self, path: Path) -> None:
        """Have what is behind a path closed, unless it was kept by an earlier holder. Raises KeepingError."""
        if path.exists():
            self._ask(f"drop {path.name}")

    def only(self, paths: Collection[Path]) -> None:
        """Have everything closed but what is behind these paths. Raises KeepingError."""
        self._ask(" ".join(["only", *(path.name for path in paths)]))

    async def ended(self) -> None:
        """Wait until the holder that is there now has ended. Raises KeepingError."""
        with self._connect() as connection:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_recv(connection, 1)

    def _ask(self, request: str, descriptors: Sequence[int] = ()) -> bytes:
        with self._lock:
            # That the holder was restarted is found out about by asking the one before.
            with contextlib.suppress(KeepingError):
                return self._ask_once(request.encode(), descriptors)
            return self._ask_once(request.encode(), descriptors)

    def _ask_once(self, request: bytes, descriptors: Sequence[int]) -> bytes:
        if self._socket is None:
            self._socket = self._connect()
        try:
            socket.send_fds(self._socket, [request], descriptors)
            if answer := self._socket.recv(MESSAGE):
                return answer
            raise ConnectionResetError("it hung up")
        except OSError as error:
            self._socket.close()
            self._socket = None
            raise self._error(error) from error

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        connection.settimeout(_SECONDS)
        try:
            connection.connect(str(self._address))
        except OSError as error:
            connection.close()
            raise self._error(error) from error
        return connection

    def _error(self, error: OSError) -> KeepingError:
        return KeepingError(f"hostd-networks.service does not answer on {self._address}: {error}")
