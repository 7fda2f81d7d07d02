"""A fake hostd for tests of the command line and of the ssh programs: HTTP on unix sockets, answers from a table.

It is not hostd: it knows no apps and checks nothing. What the real API answers is tested with the real API.
"""

from __future__ import annotations

import io
import json
import os
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from hostd.cli import main
from hostd.cli.call import Surroundings

NOW = 1_447_781_861.0 + 3600
"""One hour after 2015-11-17 17:37:41 UTC."""
_ROOT = Path(__file__).parents[2]
_LEFT_AS_IT_IS = ("PATH", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")
"""What says that nothing compiled is left in the checkout, too."""


def as_a_program(directory: Path, **more: str) -> dict[str, str]:
    """The environment of a command line that is a process of its own, for the hostd in this directory."""
    kept = {name: os.environ[name] for name in _LEFT_AS_IT_IS if name in os.environ}
    return {**kept, "HOSTD_RUN_DIR": str(directory), "PYTHONPATH": str(_ROOT), **more}


@dataclass
class Request:
    """What the client sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]] | Callable[["Handler", Request], None]


@dataclass
class FakeHostd:
    """Answers by `METHOD /path`; several answers under one key are given one after the other, the last for ever."""

    directory: Path
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def on(self, key: str, *answers: Answer) -> FakeHostd:
        self.answers[key] = list(answers)
        return self

    def asked(self, key: str) -> list[Request]:
        return [request for request in self.requests if f"{request.method} {request.target}" == key]

    @contextmanager
    def serving(self, *names: str) -> Iterator[FakeHostd]:
        servers = []
        for name in names or ("hostd.sock",):
            server = Server(str(self.directory / name), Handler)
            server.fake = self
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            servers.append(server)
        try:
            yield self
        finally:
            for server in servers:
                server.shutdown()
                server.server_close()
            for name in names or ("hostd.sock",):
                (self.directory / name).unlink()


    @contextmanager
    def listening(self, context: ssl.SSLContext | None = None) -> Iterator[str]:
        """As the API far away: on a port of the loopback interface, with TLS if it is given a context; the port."""
        server = FarServer(("127.0.0.1", 0), Handler)
        server.fake = self
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield str(server.server_address[1])
        finally:
            server.shutdown()
            server.server_close()


class FarServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    fake: FakeHostd

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust the certificate goes away."""


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    fake: FakeHostd


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        self.client_address = ("unix", 0)
        try:
            super().handle()
        except ConnectionError:
            return

    def answer(self) -> None:
        fake: FakeHostd = self.server.fake  # type: ignore[attr-defined]
        key = f"{self.command} {self.path}"
        known = fake.answers.get(key) or fake.answers.get(key.partition("?")[0])
        answer = known.pop(0) if known and len(known) > 1 else (known or [None])[0]
        streams = callable(answer)
        body = b"" if streams else self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, dict(self.headers.items()), body)
        fake.requests.append(request)
        if answer is None:
            return self.say(404, {"id": "not_found", "message": f"fake: no answer for {key}"}, {})
        if callable(answer):
            return answer(self, request)
        return self.say(answer[0], answer[1], answer[2] if len(answer) == 3 else {})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def say(self, status: int, value: Any, headers: Mapping[str, str]) -> None:
        text = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        for name, content in headers.items():
            self.send_header(name, content)
        self.end_headers()
        self.wfile.write(text)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def read_chunks(self) -> bytes:
        whole = b""
        while line := self.rfile.readline():
            if not (size := int(line, 16)):
                return whole
            whole += self.rfile.read(size)
            self.rfile.readline()
        raise ConnectionResetError("broken off in the middle")

    def log_message(self, *_: Any) -> None:
        return


@dataclass
class Ran:
    """What a command did."""

    status: int
    out: str
    err: str


class FakeTerminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def hostctl(
    directory: Path | None, *words: str, stdin: bytes = b"", user: str | None = None, terminal: bool = False, **env: str
) -> Ran:
    """Run a command in this process against the sockets in *directory*; None: as far from any server."""
    kind = FakeTerminal if terminal else io.TextIOWrapper
    streams = [kind(io.BytesIO(data), encoding="utf-8", write_through=True) for data in (stdin, b"", b"")]
    sockets = {"HOSTD_RUN_DIR": str(directory)} if directory else {}
    around = Surroundings({**sockets, **env}, *streams, user=user, clock=lambda: NOW)
    status = main(list(words), around)
    return Ran(status, *(stream.buffer.getvalue().decode() for stream in streams[1:]))  # type: ignore[attr-defined]


def app(name: str = "hello", owner: str = "you@example.com", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "owner": {"email": owner},
        "web_url": f"http://{name}.localhost/",
        "git_url": f"https://git.localhost:8443/{name}.git",
        "ssh_url": f"ssh://git@localhost:2222/{name}.git",
        "repo_size": 6_291_456,
        "slug_size": 67_584,
        "stack": {"name": "host"},
        "maintenance": False,
        **more,
    }


def dyno(name: str, state: str = "up", since: str = "2015-11-17T17:37:41Z", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": name.partition(".")[0],
        "state": state,
        "updated_at": since,
        "size": "Standard-1X",
        "command": "python app.py",
        "release": {"version": 3},
        "extended": {"exit_status": None, "retry_at": None},
        **more,
    }


def release(version: int, description: str = "Deploy 20a5742", **more: Any) -> dict[str, Any]:
    return {
        "id": f"id-{version}",
        "version": version,
        "description": description,
        "user": {"email": "you@example.com"},
        "created_at": "2015-11-17T17:37:41Z",
        "status": "succeeded",
        "current": False,
        "eligible_for_rollback": version > 1,
        **more,
    }
