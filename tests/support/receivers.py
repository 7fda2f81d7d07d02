"""Receivers of alerts, outside the platform: an https server with a certificate of its own, and a mail server."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.unit.tls_kit import make


@dataclass
class Hooks:
    """An https server; `got` is what was posted, by path. It answers 500 at paths that are `broken`."""

    port: int
    certificate: str
    broken: set[str] = field(default_factory=set)
    got: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}"


@dataclass
class Mailbox:
    """A mail server, which takes every mail."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"


@contextmanager
def hooks(folder: Path) -> Iterator[Hooks]:
    """An https server on loopback for `localhost`."""
    made = make("localhost", starts=datetime(2020, 1, 1, tzinfo=UTC), ends=datetime(2120, 1, 1, tzinfo=UTC))
    pem = folder / "receiver.pem"
    pem.write_text(made.pem + made.key_pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.got.setdefault(self.path, []).append(json.loads(body))
            self.send_response(500 if self.path in known.broken else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    known = Hooks(server.server_address[1], made.pem)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A mail server on loopback, in a thread with a loop of its own."""
    box, loop, ready = Mailbox(), asyncio.new_event_loop(), threading.Event()

    async def serve() -> asyncio.Server:
        return await loop.create_server(lambda: SMTP(box, hostname="mail.test", loop=loop), "127.0.0.1", 0)

    def run() -> None:
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(serve())
        box.port = server.sockets[0].getsockname()[1]
        loop.call_soon(ready.set)
        loop.run_forever()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
