"""A small HTTP server that answers Prometheus with what hostd says, and nobody with anything else."""

from __future__ import annotations

import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hostd.cli.command import Refused
from hostd.errors import HostdError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PATIENCE = 10.0
"""Seconds that a client may take to send its request."""


def serve(address: str, port: int, scrape: Callable[[], bytes], say: Callable[[str], None]) -> None:
    """Answer `/metrics` until Ctrl-C. Raises Refused when nobody can listen there."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self._answer(404, "text/plain", b"Here is only /metrics.\n")
                return
            try:
                body = scrape()
            except HostdError as error:
                self._answer(503, "text/plain", f"{error.message}\n".encode())
                return
            self._answer(200, CONTENT_TYPE, body)

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: it asks every few seconds."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

    try:
        server = Server((address, port), Handler)
    except OSError as error:
        raise Refused(f"Cannot listen on {address}:{port}: {error.strerror or error}.") from error
    say(f"Answering Prometheus at http://{address}:{server.server_address[1]}/metrics (Ctrl-C ends)")
    with server:
        server.serve_forever()
