"""The client of hostd's HTTP API: small, standard library only, patient while hostd restarts.

It comes in by a door: the unix sockets of this machine, or another machine's API over https (`hostd.cli.remote`).

Failures come out as `hostd.errors`: what the API refused, or that it does not answer.
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from hostd import places
from hostd.errors import Forbidden, HostdError, Internal, Unauthorized, Unavailable, from_api
from hostd.places import API_SOCKET

USER_HEADER = "Hostd-User"
ADDRESS = "HOSTD_ADDRESS"
"""The variable that says from which address a command came over ssh."""
ADDRESS_HEADER = "Hostd-Address"
RELEASE_HEADER = "Hostd-Release"
WARNING_HEADER = "Warning-Message"
ACCEPT = "application/vnd.heroku+json; version=3"

ANSWER_SECONDS = 300.0
"""How long an answer may take: stopping a dyno takes up to 30 s, and a restart waits for several."""
PATIENCE_SECONDS = 5.0
"""How long to try again while nobody accepts, as when hostd restarts without systemd holding its socket."""
PAUSE_SECONDS = 0.1
_NEVER = threading.Event()


class ConnectionLost(Unavailable):
    """The connection broke after a request was sent: whether it was carried out is not known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said: the JSON (or the text, if it was no JSON), and the headers."""

    status: int
    headers: http.client.HTTPMessage
    data: Any

    @property
    def release(self) -> int | None:
        """The number of the release that the call made."""
        return int(text) if (text := self.headers.get(RELEASE_HEADER)) else None


def run_dir(env: Mapping[str, str]) -> Path:
    """Where hostd's sockets are."""
    return Path(places.run_dir(env))


def path(*segments: str | int, **query: str | int | None) -> str:
    """A request path; whatever a segment holds, it stays one segment."""
    joined = "".join(f"/{quote(str(segment), safe='~')}" for segment in segments)
    # "." and ".." are the two texts that quoting leaves with a meaning of their own.
    joined = joined.replace("/..", "/%2E%2E").replace("/.", "/%2E")
    known = {key: value for key, value in query.items() if value is not None}
    return f"{joined}?{urlencode(known)}" if known else joined


class Door(Protocol):
    """A way to hostd."""

    @property
    def host(self) -> str:
        """What stands in the header Host."""

    @property
    def is_local(self) -> bool:
        """True for this machine's sockets: who is at the other end is known, and nothing goes over a network."""

    def connect(self, socket_name: str, timeout: float | None) -> socket.socket:
        """A connection to one of hostd's sockets; raises OSError, and Refused for one that this door does not have."""

    def headers(self, user: str | None) -> dict[str, str]:
        """What tells hostd who asks."""

    def failed(self, error: OSError, socket_name: str) -> HostdError:
        """What to tell of a connection that could not be made."""


class Sockets:
    """The door of this machine: the unix sockets in a directory."""

    host = "hostd"
    is_local = True

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def connect(self, socket_name: str, timeout: float | None) -> socket.socket:
        """A connection to a socket of that name."""
        return connect(self.directory / socket_name, timeout)

    def headers(self, user: str | None) -> dict[str, str]:
        """The user whom root or git speaks for."""
        return {USER_HEADER: user} if user else {}

    def failed(self, error: OSError, socket_name: str) -> HostdError:
        """Not there, or not for this user."""
        if error.errno in (errno.EACCES, errno.EPERM):
            return Forbidden(_NOT_YOURS)
        return Unavailable(f"hostd does not answer on {self.directory / socket_name}: systemctl status hostd")


def connect(socket_path: Path, timeout: float | None) -> socket.socket:
    """A connected unix stream socket; raises OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # A full queue makes a non-blocking connect fail at once; a blocking one with a send timeout waits.
        seconds = timeout or ANSWER_SECONDS
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(seconds), 0))
        sock.connect(os.fspath(socket_path))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 0))
        sock.settimeout(timeout)
    except BaseException:
        sock.close()
        raise
    return sock


class Client:
    """Speaks to hostd through a door, or the sockets in a directory; as that user, if one is given."""

    def __init__(
        self,
        door: Door | Path,
        user: str | None = None,
        *,
        address: str | None = None,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = _NEVER.wait,
    ) -> None:
        self.door: Door = Sockets(door) if isinstance(door, Path) else door
        self._look = _LOOK if self.door.is_local else ""
        self.user = user
        self.address = address
        self.warnings: list[str] = []
        self.answered: Any = None
        """What the last change was answered with."""
        self._patience = patience
        self._clock = clock
        self._pause = pause

    def get(
        self, target: str, *, headers: Mapping[str, str] | None = None, seconds: float = ANSWER_SECONDS
    ) -> Any:
        """GET, asked again if the connection breaks; a list that comes in parts (Next-Range) comes whole."""
        answer = self.request("GET", target, headers=headers, seconds=seconds)
        data = answer.data
        while isinstance(data, list) and (more := answer.headers.get("Next-Range")):
            if headers and "max=" in headers.get("Range", ""):
                break
            answer = self.request("GET", target, headers={**(headers or {}), "Range": more}, seconds=seconds)
            data = data + answer.data
        return data

    def request(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> Answer:
        """Send one request and read its answer, which may take so many seconds.

        Raises the HostdError that the API refused with, Unavailable if nobody answers, and ConnectionLost if
        the connection broke under a request that must not simply be sent twice.
        """
        for last in self._attempts():
            connection = None
            try:
                connection, response = self._send(method, target, body, headers, timeout=seconds)
                text = response.read()
            except (OSError, http.client.HTTPException) as error:
                if method != "GET":
                    raise _lost(method) from error
                if last:
                    raise Unavailable(f"hostd broke off its answer: {error}.{self._look}") from error
            else:
                answer = self._judged(response, text)
                if method != "GET":
                    self.answered = answer.data
                return answer
            finally:
                if connection is not None:
                    connection.close()
        raise AssertionError("unreachable: the last attempt returns or raises")

    def stream(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        socket_name: str = API_SOCKET,
    ) -> http.client.HTTPResponse:
        """An answer to be read as it comes (`read1`), without a time limit; close it when done."""
        try:
            _, response = self._send(method, target, body, headers, timeout=None, socket_name=socket_name)
            if response.status >= 300:
                self._judged(response, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise _lost(method) from error
        return response

    def connect(self, socket_name: str, timeout: float | None = ANSWER_SECONDS) -> socket.socket:
        """A connection to one of hostd's sockets; raises Unavailable or Forbidden, saying what to do."""
        for last in self._attempts():
            try:
                return self.door.connect(socket_name, timeout)
            except ConnectionRefusedError as error:
                # Far away, systemd holds the socket all the time: nobody there is nobody there.
                if last or not self.door.is_local:
                    raise self.door.failed(error, socket_name) from error
            except OSError as error:
                raise self.door.failed(error, socket_name) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _send(
        self,
        method: str,
        target: str,
        body: Any,
        headers: Mapping[str, str] | None,
        *,
        timeout: float | None,
        socket_name: str = API_SOCKET,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(self.door.host, timeout=timeout)
        connection.sock = self.connect(socket_name, timeout)
        try:
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, target, content, self.headers(content, headers))
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def headers(self, content: object = None, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The headers of a request, for JSON if it has a content."""
        headers = {"Host": self.door.host, "Accept": ACCEPT, "Connection": "close", **(more or {})}
        headers |= self.door.headers(self.user)
        if self.address:
            headers[ADDRESS_HEADER] = self.address
        if content is not None:
            headers["Content-Type"] = "application/json"
        return headers

    def _judged(self, response: http.client.HTTPResponse, text: bytes) -> Answer:
        kind = response.headers.get_content_type()
        data: Any = text.decode(errors="replace")
        if kind == "application/json" or kind.endswith("+json"):
            try:
                data = json.loads(text) if text else None
            except ValueError as error:
                raise Internal(f"hostd answered with broken JSON.{self._look}") from error
        if warning := response.headers.get(WARNING_HEADER):
            self.warnings.append(warning)
        if kind == "text/html":
            # A router's page, of hostd or of somebody in between, is for browsers.
            data = f"hostd cannot be reached now: {response.status} {response.reason}. Try it again."
        if response.status == Unauthorized.status and isinstance(data, dict) and getattr(self.door, "token", None):
            next_step = "Your token has expired or was revoked. Log in again: hostctl login, or set another HOSTD_TOKEN"
            data = {**data, "message": f"{data.get('message')} {next_step}"}
        if response.status >= 400:
            raise from_api(response.status, data if isinstance(data, dict) else {"message": data or None})
        return Answer(response.status, response.headers, data)

    def _attempts(self) -> Iterator[bool]:
        """Once per attempt until patience ends, with a pause between them; True for the last."""
        deadline = self._clock() + self._patience
        while self._clock() < deadline:
            yield False
            self._pause(PAUSE_SECONDS)
        yield True


_LOOK = " Look at: systemctl status hostd"
_NOT_YOURS = "Only root may speak to hostd directly: run this as root (sudo hostctl ...), or ssh git@HOST COMMAND."


def _lost(method: str) -> ConnectionLost:
    doubt = "" if method == "GET" else " Whether it was done is not known: look before you repeat it."
    return ConnectionLost(f"The connection to hostd broke before it answered.{doubt}")
