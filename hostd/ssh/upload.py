"""A push's conversation with hostd: the commit's files go up while the build's output comes down."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hostd.cli.client import ACCEPT, API_SOCKET, Client, path
from hostd.errors import HostdError, NotFound, Unavailable, from_api

PIECE = 64 * 1024
LONGEST_TRAILER = 256 * 1024
RECONNECT_SECONDS = 60.0
"""How long we ask how a push ended after the connection broke."""
ASK_AGAIN_SECONDS = 0.5
_NEVER = threading.Event()


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
    """Send the tar stream that *archive* writes up, and the output on as it comes.

    Raises the HostdError hostd refuses with, and BrokenOff if the connection ended early.
    """
    sock = client.connect(API_SOCKET, None)
    with sock:
        try:
            sock.sendall(_head(path("hostd", "pushes", **query)))
            threading.Thread(target=_send, args=(sock, archive), daemon=True).start()
            response = http.client.HTTPResponse(sock, method="POST")
            response.begin()
            if response.status >= 300:
                raise _refusal(response.status, response.read())
            trailer = Trailer()
            while piece := response.read1(PIECE):
                if certain := trailer.feed(piece):
                    output(certain)
            return trailer.outcome()
        except (ConnectionError, http.client.HTTPException) as error:
            raise BrokenOff from error


def ask(client: Client, push_id: str, clock: Callable[[], float] = time.monotonic) -> Outcome:
    """How a push ended whose connection broke; waits while it still runs. Raises HostdError if nobody can tell."""
    deadline = clock() + RECONNECT_SECONDS
    while True:
        try:
            found = client.get(path("hostd", "pushes", push_id))
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


def _head(target: str) -> bytes:
    lines = (
        f"POST {target} HTTP/1.1",
        "Host: hostd",
        f"Accept: {ACCEPT}",
        "Content-Type: application/x-tar",
        "Transfer-Encoding: chunked",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _send(sock: socket.socket, archive: subprocess.Popen[bytes]) -> None:
    """Send the tree in chunks. If hostd does not want it all, its answer says why."""
    assert archive.stdout is not None
    try:
        while piece := archive.stdout.read(PIECE):
            sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        if archive.wait() == 0:
            sock.sendall(b"0\r\n\r\n")
        else:
            # Half a tree must not look like a whole one.
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _refusal(status: int, text: bytes) -> HostdError:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    return from_api(status, body if isinstance(body, dict) else None)
