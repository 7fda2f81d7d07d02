"""A web server with files in a directory, for repositories and tarballs; asks for a password below /private/."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USER, PASSWORD = "somebody", "pass word/1"


class _Files(SimpleHTTPRequestHandler):
    """Notes what was asked for, and lets only the right user see what is private."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.path.startswith("/private/") and self.headers.get("Authorization") != f"Basic {wanted}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="tests"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def serving(directory: Path, address: str = "127.0.0.1") -> Iterator[tuple[str, list[str]]]:
    """Yield the URL of the directory and the paths that were asked for."""
    asked: list[str] = []

    class Here(_Files):
        def __init__(self, *arguments: object) -> None:
            self.asked = asked
            super().__init__(*arguments, directory=str(directory))  # type: ignore[arg-type]

    with ThreadingHTTPServer((address, 0), Here) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{address}:{server.server_port}", asked
        finally:
            server.shutdown()
