"""Syslog over TCP or TLS. It has no acknowledgement: a frame counts as delivered when the other machine has it.

That is known from the kernel, which counts what is not acknowledged (tcp(7), SIOCOUTQ). Whether a program read it
nobody tells: so the frame before is sent again if the connection ends shortly after it.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios

from hostd.logplex.drains.buffer import Frame
from hostd.logplex.drains.dialing import Connection, why_of
from hostd.logplex.drains.failures import Undelivered
from hostd.logplex.drains.messages import syslog
from hostd.logplex.drains.sending import ConnectedSender, with_overflow

IDLE_SECONDS = 240.0
"""A connection that was silent for so long is closed before a firewall on the way forgets it."""
DOUBT_SECONDS = 2.0
"""For so long after it was sent a frame is in doubt."""
_ESTABLISHED = 1
_FIRST_LOOK, _LAST_LOOK = 0.0005, 0.05


class SyslogSender(ConnectedSender):
    """Sends frames over one connection, opened when there is something to send."""

    SECONDS = 30.0
    """For a frame to be taken."""
    _ended: asyncio.Task[bytes] | None = None
    _last = _doubtful = b""

    async def send(self, frame: Frame) -> None:
        """Write the frame and wait until the other machine has it. Raises Undelivered."""
        try:
            async with asyncio.timeout(self._seconds):
                connection = await self._connected()
                data = syslog(with_overflow(frame), self._token)
                connection.writer.write(self._doubtful + data)
                await connection.writer.drain()
                await self._acknowledged(connection)
        except TimeoutError:
            await self._broken()
            raise Undelivered(f"{self._where.place} took nothing for {self._seconds:g} seconds") from None
        except OSError as error:
            await self._broken()
            raise Undelivered(f"{self._where.place} broke off: {why_of(error)}") from None
        except BaseException:
            await self.close()
            raise
        self._used, self._last, self._doubtful = self._clock(), data, b""

    async def close(self) -> None:
        """Close the connection; the next frame opens another."""
        connection, self._connection = self._connection, None
        ended, self._ended = self._ended, None
        if ended is not None:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
        if connection is not None:
            # What was written goes out; nobody waits for it.
            connection.writer.close()

    async def _connected(self) -> Connection:
        if self._connection is not None and (self._ended is None or self._ended.done()):
            await self._broken()
        elif self._connection is not None and self._clock() - self._used > IDLE_SECONDS:
            await self.close()
        if self._connection is None:
            self._connection = await self._dialer.connect(self._where)
            # Whatever a syslog server says is of no interest; that it hangs up is.
            self._ended = asyncio.create_task(_until_end(self._connection.reader))
        return self._connection

    async def _broken(self) -> None:
        """The other side has ended the connection, perhaps before it read all that its machine took."""
        if self._connection is not None and self._clock() - self._used < DOUBT_SECONDS:
            self._doubtful = self._last
        await self.close()

    async def _acknowledged(self, connection: Connection) -> None:
        # The kernel tells no program when this happens: it has to be asked.
        pause = _FIRST_LOOK
        while not self._has_all(connection):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_LOOK)

    def _has_all(self, connection: Connection) -> bool:
        ended = self._ended is None or self._ended.done() or connection.is_closing
        has_all = not ended and not connection.pending and not unacknowledged(connection.socket)
        # Asked last: a connection that was reset has nothing left to be acknowledged either.
        if ended or not is_established(connection.socket):
            raise ConnectionResetError(0, "it closed the connection")
        return has_all


def unacknowledged(connection: socket.socket) -> int:
    """Bytes that were written to a TCP socket and that the other machine has not got yet."""
    return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0])


def is_established(connection: socket.socket) -> bool:
    """Whether neither side of a TCP connection has ended it."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED


async def _until_end(reader: asyncio.StreamReader) -> bytes:
    while await reader.read(4096):
        pass
    return b""
