"""The logplex's HTTP side: `GET /streams?<signed query>` on a unix socket, answered with a chunked stream.

For hostd: `GET /counts`, what the logplex has said of itself in apps' logs and to their readers;
`DELETE /streams?<signed query>`, which ends the streams of a user who may read a log no more.

Parsed by httptools and written to asyncio's streams: with aiohttp the process would take twice the memory, for one
route. One request per connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus

import httptools

from hostd.errors import BadRequest, Forbidden, HostdError, NotFound, to_api
from hostd.logplex.counts import Counts
from hostd.logplex.rendering import Form
from hostd.logplex.sessions import Ending, Session, verify, verify_ending
from hostd.logplex.streams import Streams

LARGEST_HEAD = 16 * 1024
HEAD_TIMEOUT = 10.0
"""Seconds a client has to send its request."""
EVENTS = "text/event-stream"
JSON = "application/json"
RETRY = b"retry: 10\n\n"
"""Milliseconds after which a reader may come back when a stream ends; without it Heroku's CLI waits three seconds."""

_log = logging.getLogger(__name__)


class Server:
    """Answers log sessions signed with `key`."""

    def __init__(
        self, streams: Streams, key: bytes, counts: Counts | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._streams = streams
        self._key = key
        self._counts = counts or Counts()
        self._clock = clock
        self._connections: set[asyncio.Task[None]] = set()
        self._reading: dict[asyncio.Task[None], Session] = {}
        self._endings: list[Ending] = []
        """What sessions that were not begun yet are refused by, until they would have expired anyhow."""

    async def serve(self, listener: socket.socket) -> asyncio.Server:
        """Begin to accept on a listening unix socket."""
        return await asyncio.start_unix_server(self._accept, sock=listener)

    def close(self) -> None:
        """Cut every connection, so that readers know the stream has not ended and come back."""
        for task in self._connections:
            task.cancel()
        self._streams.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the reader is gone, or we are to go: nobody is left to tell
        except HostdError as error:
            _log.warning("a stream broke off: %s", error.message)  # its reader comes back with the cursor it has
        except Exception:  # noqa: BLE001 - one reader's trouble is not the others'
            _log.exception("a stream broke off")
        finally:
            self._connections.discard(task)
            self._reading.pop(task, None)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await asyncio.wait_for(_read_request(reader), HEAD_TIMEOUT)
            body, kind = self._open(request)
            first = await anext(body, b"")
        except TimeoutError:
            return
        except HostdError as error:
            await _refuse(writer, *to_api(error))
            return
        writer.write(_head(200, kind, "Transfer-Encoding: chunked", "Cache-Control: no-cache"))
        if kind == EVENTS:
            first = RETRY + first
        async with contextlib.aclosing(body):
            await _until_gone(reader, _send(writer, first, body))

    def _open(self, request: Request) -> tuple[AsyncGenerator[bytes, None], str]:
        if (request.method, request.path) == ("GET", "/counts"):
            return _whole(json.dumps(self._counts.document()).encode()), JSON
        if (request.method, request.path) == ("DELETE", "/streams"):
            return _whole(json.dumps({"ended": self._end(verify_ending(request.query, self._key))}).encode()), JSON
        if request.method != "GET" or request.path != "/streams":
            raise NotFound("The logplex has only GET /streams.")
        session = verify(request.query, self._key, self._clock())
        if any(ending.covers(session) for ending in self._endings):
            raise Forbidden("The right to this log session was taken away.")
        task = asyncio.current_task()
        assert task is not None
        self._reading[task] = session
        events = EVENTS in request.headers.get("accept", "")
        body = self._streams.read(session, events=events, after=request.headers.get("last-event-id"))
        plain = "application/x-ndjson" if session.form is Form.JSON else "text/plain; charset=utf-8"
        return body, EVENTS if events else plain

    def _end(self, ending: Ending) -> int:
        """Cut the streams that it covers, and remember it for those that may come; how many there were."""
        now = self._clock()
        self._endings = [*(each for each in self._endings if each.over >= now), ending]
        ended = [task for task, session in self._reading.items() if ending.covers(session)]
        for task in ended:
            # Cut, not ended: the reader asks again, and is told why there is no more.
            task.cancel()
        return len(ended)


class Request:
    """A request's head, filled in by httptools as it parses."""

    def __init__(self) -> None:
        self.method = self.path = self.query = ""
        self.headers: dict[str, str] = {}
        self.complete = False
        self._target = b""

    def on_url(self, piece: bytes) -> None:
        """Collect the request target, which may come in pieces."""
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; names in lower case."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Split the target; nothing after the head is of interest."""
        url = httptools.parse_url(self._target)
        self.path, self.query = (url.path or b"").decode("latin-1"), (url.query or b"").decode("latin-1")
        self.complete = True


async def _read_request(reader: asyncio.StreamReader) -> Request:
    request = Request()
    parser = httptools.HttpRequestParser(request)
    size = 0
    while not request.complete:
        piece = await reader.read(LARGEST_HEAD)
        size += len(piece)
        if not piece:
            raise ConnectionResetError
        if size > LARGEST_HEAD:
            raise BadRequest("The request is too large.")
        try:
            parser.feed_data(piece)
        except httptools.HttpParserError as error:
            raise BadRequest("This is not an HTTP request.") from error
    request.method = parser.get_method().decode("latin-1")
    return request


async def _until_gone(reader: asyncio.StreamReader, sending: asyncio.Task[None]) -> None:
    """Let `sending` go on until it is done or the client hangs up; a silent tail would not notice by itself."""
    gone = asyncio.create_task(_end_of(reader))
    try:
        await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
    finally:
        for task in (gone, sending):
            task.cancel()
        await asyncio.gather(gone, sending, return_exceptions=True)


async def _whole(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


async def _end_of(reader: asyncio.StreamReader) -> None:
    while await reader.read(LARGEST_HEAD):
        pass


def _send(writer: asyncio.StreamWriter, first: bytes, body: AsyncGenerator[bytes, None]) -> asyncio.Task[None]:
    async def send() -> None:
        await _write(writer, first)
        async for piece in body:
            await _write(writer, piece)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return asyncio.create_task(send())


async def _write(writer: asyncio.StreamWriter, piece: bytes) -> None:
    if piece:  # an empty chunk would end the stream
        writer.writelines((f"{len(piece):x}\r\n".encode(), piece, b"\r\n"))
    await writer.drain()


async def _refuse(writer: asyncio.StreamWriter, status: int, error: dict[str, str]) -> None:
    body = json.dumps(error).encode()
    writer.write(_head(status, "application/json", f"Content-Length: {len(body)}") + body)
    await writer.drain()


def _head(status: int, kind: str, *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Type: {kind}", *headers, "Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
