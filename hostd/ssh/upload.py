"""A deploy's conversation with hostd: the source goes up while the build's output comes down."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hostd.cli.client import Client, path
from hostd.errors import HostdError, NotFound, Unavailable, from_api
from hostd.places import API_SOCKET

PIECE = 64 * 1024
LONGEST_TRAILER = 256 * 1024
RECONNECT_SECONDS = 60.0
"""How long we ask how a push ended after the connection broke."""
ASK_AGAIN_SECONDS = 0.5
_NEVER = threading.Event()

Feed = Callable[[Callable[[bytes], None]], None]
"""Writes a whole source, piece by piece, with the function it is given. What it raises ends the deploy."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a push ended: `released` with a version, or else a reason."""

    released: bool
    version: int | None = None
    reason: str | None = None

    @classmethod
    def of(cls, ended: Mapping[str, Any]) -> Outcome:
        """From the JSON of the API."""
        return cls(ended.get("status") == "released", ended.get("version"), ended.get("reason"))


class BrokenOff(Exception):  # noqa: N818 - says what happened
    """The connection to hostd ended before the outcome came."""


class Trailer:
    """Parts the output from what ends it, a NUL and a line of JSON, wherever the pieces are cut.

    Only the very end counts: what looks like it before was printed by the build, and is output.
    """

    def __init__(self) -> None:
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Take in a piece; return what is certainly output."""
        data = self._held + piece
        begin = data.rfind(b"\0{")
        if begin < 0:
            begin = len(data) - data.endswith(b"\0")
        if len(data) - begin > LONGEST_TRAILER:
            begin = len(data)
        self._held = data[begin:]
        return data[:begin]

    def outcome(self) -> Outcome:
        """What the end says; raises BrokenOff if there was none."""
        try:
            ended = json.loads(self._held[1:]) if self._held.endswith(b"\n") else None
        except ValueError:
            ended = None
        if not isinstance(ended, dict):
            raise BrokenOff
        return Outcome.of(ended)


def push(
    client: Client, query: Mapping[str, str], archive: subprocess.Popen[bytes], output: Callable[[bytes], None]
) -> Outcome:
    """Push the tar stream that *archive* writes; see `converse`."""

    def feed(write: Callable[[bytes], None]) -> None:
        assert archive.stdout is not None
        while piece := archive.stdout.read(PIECE):
            write(piece)
        if archive.wait() != 0:
            raise BrokenOff

    return converse(client, path("hostd", "pushes", **query), feed, output)


def converse(
    client: Client, target: str, feed: Feed, output: Callable[[bytes], None], kind: str = "application/x-tar"
) -> Outcome:
    """POST what *feed* writes, and hand the output on as it comes.

    Raises the HostdError hostd refuses with, what *feed* raises, and BrokenOff if the connection ended early.
    """
    with client.connect(API_SOCKET, None) as sock:
        sender = _Sender(sock, feed)
        try:
            sock.sendall(_head(target, kind, client.headers()))
            # Python's TLS connections are not for two threads at once; hostd says nothing before it has the source.
            (sender.start if client.door.is_local else sender.run)()
            with http.client.HTTPResponse(sock, method="POST") as response:
                response.begin()
                if response.status >= 300:
                    raise _refusal(response.status, response.read())
                trailer = Trailer()
                while piece := response.read1(PIECE):
                    if certain := trailer.feed(piece):
                        output(certain)
                return trailer.outcome()
        except (ConnectionError, http.client.HTTPException, BrokenOff) as error:
            raise sender.failure or BrokenOff from error


def ask(client: Client, push_id: str, clock: Callable[[], float] = time.monotonic, app: str = "") -> Outcome:
    """How a push ended whose connection broke; waits while it still runs. Raises HostdError if nobody can tell.

    `app`: whose build it is, for where only builds can be asked for.
    """
    deadline = clock() + RECONNECT_SECONDS
    while True:
        try:
            if client.door.is_local:
                found = client.get(path("hostd", "pushes", push_id))
            else:
                found = _of_build(client, app, push_id)
        except NotFound:
            return Outcome(False, reason="hostd was restarted during the build, which is gone. Push again.")
        except Unavailable:
            if clock() > deadline:
                raise
        else:
            if found["status"] != "running":
                return Outcome.of(found)
            if clock() > deadline:
                raise Unavailable("The connection to hostd broke and the push still runs: look at the releases.")
        _NEVER.wait(ASK_AGAIN_SECONDS)


class _Sender(threading.Thread):
    """Sends a source in chunks. If hostd does not want it all, its answer says why."""

    def __init__(self, sock: socket.socket, feed: Feed) -> None:
        super().__init__(daemon=True)
        self.failure: BaseException | None = None
        self._sock, self._feed = sock, feed

    def run(self) -> None:
        """Send everything, or else break the connection: half a source must not look like a whole one."""
        try:
            self._feed(self._chunk)
            self._sock.sendall(b"0\r\n\r\n")
        except _Gone:
            return
        except BaseException as error:  # noqa: BLE001 - raised where the answer is waited for
            self.failure = error
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def _chunk(self, piece: bytes) -> None:
        try:
            self._sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        except OSError as error:
            raise _Gone from error


class _Gone(Exception):  # noqa: N818 - says what happened
    """hostd has closed the connection."""


def _of_build(client: Client, app: str, build: str) -> dict[str, Any]:
    """A build as what is known of a push."""
    found = client.get(path("apps", app, "builds", build))
    status = {"succeeded": "released", "pending": "running"}.get(found["status"], "rejected")
    more = found["extended"]
    return {"status": status, "version": more["release_version"], "reason": more["reason"]}


def _head(target: str, kind: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"POST {target} HTTP/1.1", f"Content-Type: {kind}", "Transfer-Encoding: chunked"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode()


def _refusal(status: int, text: bytes) -> HostdError:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    return from_api(status, body if isinstance(body, dict) else None)
