"""Writing to a journal from an event loop: as fast as journald takes it, without keeping the loop."""

import asyncio
import socket

from units.journal import JournalUnavailable, Value, encode_entry, socket_path

_SEND_BUFFER = 8 * 1024 * 1024


class Sender:
    """Writes entries to a namespace's journal, waiting while journald is behind. ``path`` is for tests.

    For entries that fit into a datagram: 48 KB do. One at a time.
    """

    def __init__(self, namespace: str | None = None, *, path: str | None = None) -> None:
        self._path = path or socket_path(namespace)
        self._socket: socket.socket | None = None

    async def send(self, message: str | bytes, **fields: Value) -> None:
        """Write one entry; raises JournalUnavailable when journald is not there. Waits as long as it takes nothing."""
        data = encode_entry({"MESSAGE": message, **fields})
        try:
            await self._send(data)
        except OSError:
            # journald was restarted: its socket is a new one.
            self.close()
            try:
                await self._send(data)
            except OSError as error:
                self.close()
                raise JournalUnavailable(f"cannot write to the journal at {self._path}: {error}") from error

    def close(self) -> None:
        """Close the socket; the next ``send`` opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _send(self, data: bytes) -> None:
        if self._socket is None:
            self._socket = self._connected()
        # A datagram is sent whole or not at all; the kernel says when the other side has room again.
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            connection.setblocking(False)
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise
        return connection
