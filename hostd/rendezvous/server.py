"""The server of the rendezvous: a client shows a secret, is greeted, and has the dyno's terminal from then on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostd.errors import UNEXPECTED, BadRequest, HostdError
from hostd.rendezvous.asking import LONGEST, Asked, parse
from hostd.rendezvous.attachment import Attachment
from hostd.rendezvous.plumbing import PIECE, Plumbing

GREETING = b"rendezvous\r\n"
"""The official CLI throws away the first TLS record whole, so this one holds nothing else."""
SECRET_SECONDS = 10.0
"""What a client has for the handshake, and then for its secret."""
IDLE_SECONDS = 3600.0
SETTLE_SECONDS = 1.0
"""How long to wait for output that is still on its way once the command has ended."""
SHORTEST_SECONDS = 0.5
"""How long a session is open at least, unless the client has said something: the official CLI falls over when it is
closed before it could say that its standard input has ended."""
FAREWELL_SECONDS = 10.0
"""What a client has to take the last output, and to hang up."""
MOST_STRANGERS = 256
"""Connections that have shown no secret yet."""
MOST_SESSIONS = 2000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds."""

    secret: float = SECRET_SECONDS
    idle: float = IDLE_SECONDS
    settle: float = SETTLE_SECONDS
    shortest: float = SHORTEST_SECONDS
    farewell: float = FAREWELL_SECONDS


class Server:
    """Brings clients together with sessions of the attach socket at `path`."""

    def __init__(
        self, path: Path, limits: Limits | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._limits = limits or Limits()
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._strangers = 0
        self.quiet_since = clock()
        """Since when there was nobody, where there is nobody."""

    @property
    def busy(self) -> bool:
        """Whether anybody is here."""
        return bool(self._tasks)

    async def serve(self, listener: socket.socket, context: ssl.SSLContext) -> asyncio.Server:
        """Begin to accept on a listening socket."""
        return await asyncio.start_server(
            self._accept,
            sock=listener,
            ssl=context,
            ssl_handshake_timeout=self._limits.secret,
            ssl_shutdown_timeout=self._limits.farewell,
        )

    async def close(self) -> None:
        """Cut every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._meet(reader, writer)
        except (OSError, asyncio.IncompleteReadError) as error:
            log.info("a client went away: %s", error)
        except Exception:
            # One client's trouble is not the others'.
            log.exception("a session broke off")
        finally:
            self._tasks.discard(task)
            self.quiet_since = self._clock()
            with contextlib.suppress(OSError, TimeoutError):
                writer.close()
                await asyncio.wait_for(writer.wait_closed(), self._limits.farewell)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._strangers >= MOST_STRANGERS or len(self._tasks) > MOST_SESSIONS:
            log.warning("a client was turned away: %d are here", len(self._tasks))
            return
        self._strangers += 1
        try:
            async with asyncio.timeout(self._limits.secret):
                asked, first = await _secret(reader)
        except (TimeoutError, BadRequest, EOFError):
            return
        finally:
            self._strangers -= 1
        # What goes wrong the client is told.
        attachment, plumbing = Attachment(self._path, asked.token, self._clock), Plumbing.of(asked)
        try:
            writer.write(GREETING)
            await writer.drain()
            relay = _Relay(reader, writer, plumbing, self._limits, self._clock)
            await attachment.begin(plumbing.theirs, terminal=asked.terminal)
            plumbing.hand_over()
            if first:
                await plumbing.write(first)
            await relay.run(attachment.wait())
        except HostdError as error:
            await _complain(writer, error.message)
        except TimeoutError:
            await _complain(writer, UNEXPECTED)
        finally:
            attachment.close()
            plumbing.close()


class _Relay:
    """Copies both ways until the command has ended, the client has gone, or nothing moved for too long."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        plumbing: Plumbing,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._plumbing = plumbing
        self._limits = limits
        self._clock = clock
        self._begun = self._moved = clock()
        self._heard = asyncio.Event()

    async def run(self, ended: Coroutine[Any, Any, None]) -> None:
        """Raises what *ended*, which waits for the command's end, raises."""
        output, ending = asyncio.create_task(self._print()), asyncio.create_task(ended)
        others = [asyncio.create_task(work) for work in (self._type(), self._idle())]
        try:
            await asyncio.wait((ending, *others), return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                await self._settle(output)
                await self._hear()
                ending.result()
        finally:
            for task in (output, ending, *others):
                task.cancel()
            await asyncio.gather(output, ending, *others, return_exceptions=True)

    async def _type(self) -> None:
        while data := await self._reader.read(PIECE):
            self._moved = self._clock()
            self._heard.set()
            await self._plumbing.write(data)

    async def _print(self) -> None:
        while data := await self._plumbing.read():
            self._moved = self._clock()
            self._writer.write(data)
            await self._writer.drain()

    async def _idle(self) -> None:
        while (left := self._moved + self._limits.idle - self._clock()) > 0:
            await asyncio.sleep(left)
        log.info("a session ends, as nothing was typed or printed for %d s", self._limits.idle)

    async def _hear(self) -> None:
        left = self._begun + self._limits.shortest - self._clock()
        if left > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), left)

    async def _settle(self, output: asyncio.Task[None]) -> None:
        """Wait until all that was printed is out; what others hold open is not waited for when nothing comes."""
        self._moved = self._clock()
        while not output.done() and (left := self._moved + self._limits.settle - self._clock()) > 0:
            await asyncio.wait((output,), timeout=left)


async def _secret(reader: asyncio.StreamReader) -> tuple[Asked, bytes]:
    said = b""
    while (found := parse(said)) is None:
        piece = await reader.read(PIECE)
        if not piece:
            raise EOFError
        said += piece
        if len(said) > LONGEST and b"\n" not in said[:LONGEST]:
            raise BadRequest("This is no secret of a session.")
    return found


async def _complain(writer: asyncio.StreamWriter, message: str) -> None:
    """Tell who waits for a dyno why there is none."""
    text = message.replace("\n", "\r\n ▸    ")
    writer.write(f" ▸    {text}\r\n".encode())
    await writer.drain()
