"""Where the lines arrive: a tail of the logplex, a drain's HTTP(S) endpoint, a syslog server; each in a thread."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kit import Api

Feed = Callable[[bytes], None]
PIECE = 1 << 20
OVERFLOW = re.compile(rb"Error L1[0-5] [^\n]*")


class Tail:
    """Follows an app's log as `hostctl logs --tail` does; `said` are the logplex's own errors."""

    def __init__(self, api: Api, app: str, feed: Feed) -> None:
        self.said: list[str] = []
        session = api.ask("POST", f"/apps/{app}/log-sessions", {"lines": 0, "tail": True})
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(api.path("/run/hostd/logplex.sock")))
        target = session["logplex_url"].removeprefix("http://logplex")
        self._socket.sendall(f"GET {target} HTTP/1.1\r\nHost: logplex\r\n\r\n".encode())
        self._thread = threading.Thread(target=self._read, args=(feed,))
        self._thread.start()

    def _read(self, feed: Feed) -> None:
        while piece := self._socket.recv(PIECE):
            feed(piece)
            if b"heroku[logplex]" in piece:
                self.said += [error.decode() for error in OVERFLOW.findall(piece)]

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


class Endpoint:
    """A server in a thread of its own: takes batches by HTTP, or any stream, and feeds what they hold."""

    def __init__(self, feed: Feed, *, http: bool, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.requests = 0
        self._feed, self._http, self._tls = feed, http, tls
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        self._ready.wait()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls, limit=PIECE)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await (self._take_requests(reader, writer) if self._http else self._take(reader))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the sender is gone
        finally:
            writer.close()

    async def _take(self, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(PIECE):
            self._feed(piece)

    async def _take_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            match = re.search(rb"(?i)content-length: *(\d+)", head)
            self._feed(await reader.readexactly(int(match[1]) if match else 0))
            self.requests += 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()


@contextmanager
def drained(api: Api, app: str, url: str) -> Iterator[Callable[[], dict[str, Any]]]:
    """The app with a drain to a URL, and what the drain says of itself when it is asked."""
    drain = api.ask("POST", f"/apps/{app}/log-drains", {"url": url})

    def status() -> dict[str, Any]:
        found: dict[str, Any] = api.ask("GET", f"/apps/{app}/log-drains/{drain['id']}")["extended"]["status"]
        return found

    try:
        yield status
    finally:
        api.ask("DELETE", f"/apps/{app}/log-drains/{drain['id']}")


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of its own for `localhost`, and a server's context with it."""
    certificate, key = folder / "localhost.pem", folder / "localhost.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context
