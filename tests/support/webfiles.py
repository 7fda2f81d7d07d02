"""A web server with files and git repositories in a directory; asks for a password below /private/.

Paths below /smart/ are served by git itself (git-http-backend(1)), all else as plain files. Run as
`python -m tests.support.webfiles DIRECTORY ADDRESS PORT` it serves until it is killed.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any

USER, PASSWORD = "somebody", "pass word/1"
SMART = "/smart"


class Files(SimpleHTTPRequestHandler):
    """Notes what was asked for, and lets only the right user see what is private."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if "/private/" in self.path and self.headers.get("Authorization") != f"Basic {wanted}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="tests"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path.startswith(f"{SMART}/"):
            self._git()
        else:
            super().do_GET()

    do_POST = do_GET  # noqa: N815 - the name that http.server asks for

    def _git(self) -> None:
        path, _, query = self.path.removeprefix(SMART).partition("?")
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": self.directory,
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        done = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Silent."""


class Server(ThreadingHTTPServer):
    """Asks nobody for its own name, which takes 10 s where nobody answers."""

    def server_bind(self) -> None:
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


def server(directory: Path, address: str, port: int, asked: list[str]) -> Server:
    """A server of the directory that listens already."""

    class Here(Files):
        def __init__(self, *arguments: Any) -> None:
            self.asked = asked
            super().__init__(*arguments, directory=str(directory))

    return Server((address, port), Here)


@contextmanager
def serving(directory: Path, address: str = "127.0.0.1") -> Iterator[tuple[str, list[str]]]:
    """Yield the URL of the directory and the paths that were asked for."""
    asked: list[str] = []
    with server(directory, address, 0, asked) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        try:
            yield f"http://{address}:{files.server_port}", asked
        finally:
            files.shutdown()


if __name__ == "__main__":
    with server(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), []) as files:
        print("ready", flush=True)
        files.serve_forever()
