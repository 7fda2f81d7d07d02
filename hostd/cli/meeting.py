"""A dyno's terminal or pipes from far away: the rendezvous, over TLS, where hostd brings client and dyno together."""

from __future__ import annotations

import os
import select
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hostd.cli.client import Client, path
from hostd.cli.command import Refused
from hostd.cli.output import ENDED
from hostd.cli.remote import Remote, reach
from hostd.errors import Unavailable

SCHEME = "rendezvous"
GREETING = b"rendezvous\r\n"
END_OF_INPUT = b"\x04"
"""With this a client without a terminal says that its input has ended."""
PIECE = 64 * 1024
UP_SECONDS = 120.0
"""How long a dyno may take to start."""
ENDED_SECONDS = 30.0
"""How long it may take until hostd says how the command ended."""
ASK_AGAIN_SECONDS = 0.2
_BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL
_NEVER = threading.Event()


def meet(client: Client, attach_url: str) -> ssl.SSLSocket:
    """Connect to a session, show its secret, and wait until its command runs. Raises Unavailable or Refused."""
    place = urlsplit(attach_url)
    if place.scheme != SCHEME or not place.hostname or not place.port:
        raise Refused("This server gives no way into a dyno but ssh: ssh -t git@HOST run -a APP COMMAND")
    door = client.door
    assert isinstance(door, Remote)
    try:
        plain = reach(place.hostname, place.port)
        try:
            plain.settimeout(UP_SECONDS)
            sock = _trust(client, door).wrap_socket(plain, server_hostname=place.hostname)
        except BaseException:
            plain.close()
            raise
    except ssl.SSLCertVerificationError as error:
        raise door.failed(error, "") from error
    except OSError as error:
        raise Unavailable(
            f"The server's port for terminals, {place.hostname}:{place.port}, cannot be reached: "
            f"{error.strerror or error}. With your key: ssh -t git@HOST run -a APP COMMAND"
        ) from error
    try:
        query = f"?{place.query}" if place.query else ""
        sock.sendall(f"{place.path.lstrip('/')}{query}\r\n".encode())
        _greeted(sock)
    except OSError as error:
        sock.close()
        raise Unavailable(f"The session did not begin: {error.strerror or error}. Run it again.") from error
    except BaseException:
        sock.close()
        raise
    return sock


@dataclass(slots=True)
class Meeting:
    """Copies our input to a session and what comes to our output, until the session ends. One thread, never blocked."""

    sock: ssl.SSLSocket
    source: int
    sink: int
    _pending: bytes = field(default=b"")
    _reads: bool = field(default=True)

    def run(self) -> None:
        """Raises BrokenPipeError if the reader of our output has gone."""
        self.sock.setblocking(False)
        while True:
            if not self._receive() or not self._send():
                return
            poll = select.poll()
            poll.register(self.sock, select.POLLIN | (select.POLLOUT if self._pending else 0))
            if self._reads and not self._pending:
                poll.register(self.source, select.POLLIN)
            poll.register(self.sink, 0)
            ready = dict(poll.poll())
            if ready.get(self.sink, 0) & _BROKEN:
                raise BrokenPipeError
            if self.source in ready:
                self._read()

    def _read(self) -> None:
        try:
            self._pending = os.read(self.source, PIECE)
        except OSError:
            # A terminal whose other side is closed reads as EIO.
            self._pending = b""
        if not self._pending:
            self._reads = False
            self._pending = END_OF_INPUT

    def _send(self) -> bool:
        """Send what is pending, as much as goes; False if nobody is there."""
        try:
            while self._pending:
                self._pending = self._pending[self.sock.send(self._pending) :]
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        except OSError:
            return False
        return True

    def _receive(self) -> bool:
        """Print what has come; False at the end."""
        while True:
            try:
                piece = self.sock.recv(PIECE)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return True
            except OSError:
                return False
            if not piece:
                return False
            while piece:
                piece = piece[os.write(self.sink, piece) :]


def status_of(
    client: Client,
    app: str,
    dyno: str,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = _NEVER.wait,
) -> int:
    """The exit status of a one-off dyno whose session has ended. Raises Refused if nobody knows it."""
    deadline = clock() + ENDED_SECONDS
    while True:
        found: dict[str, Any] = client.get(path("apps", app, "dynos", dyno))
        status = (found.get("extended") or {}).get("exit_status")
        if isinstance(status, int):
            return status
        if found.get("state") in (*ENDED, "crashed") or clock() > deadline:
            raise Refused(f"The session with {dyno} has ended; how its command did is not known.")
        pause(ASK_AGAIN_SECONDS)


def _trust(client: Client, door: Remote) -> ssl.SSLContext:
    """Whom to believe: for https whom all believe; on this machine, or through a tunnel, the server's own authority."""
    context = ssl.create_default_context()
    if door.address.scheme == "http":
        context = ssl.create_default_context(cadata=client.get(path("hostd", "doors"))["authority"])
    return context


def _greeted(sock: ssl.SSLSocket) -> None:
    said = b""
    while len(said) < len(GREETING):
        piece = sock.recv(len(GREETING) - len(said))
        if not piece:
            raise Unavailable("The server ended the session before it began. Run it again.")
        said += piece
    if said != GREETING:
        raise Unavailable("That is no rendezvous of hostd.")
