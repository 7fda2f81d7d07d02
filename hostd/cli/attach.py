"""The attach socket, from the client's side: our descriptors go over to hostd, news of the dyno come back."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hostd.cli.client import Client, path
from hostd.cli.command import Refused
from hostd.errors import Unavailable
from hostd.places import ATTACH_SOCKET

if TYPE_CHECKING:
    from hostd.cli.call import Call

UP_SECONDS = 90.0
"""How long a one-off dyno may take to start."""
PIECE = 4096
SSH_PORT = 22


def must_be_local(call: Call, app: str, *, terminal: bool = False) -> None:
    """Raise Refused, before anything is begun, where no descriptor can be handed over: far from the server."""
    if not call.client.door.is_local:
        doors = call.client.get(path("hostd", "doors"))
        port = "" if doors["ssh_port"] == SSH_PORT else f" -p {doors['ssh_port']}"
        raise Refused(
            f"{call.command.name} reaches into a dyno, which takes ssh. With your key: "
            f"ssh{' -t' if terminal else ''}{port} git@{doors['domain']} {call.command.name} -a {app} ..."
        )


class Attachment:
    """A session on the attach socket. Closing it before the end stops the dyno."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._rest = b""
        self.status: int | None = None
        self.lost = False

    @classmethod
    def open(cls, client: Client, token: str, descriptors: Sequence[int], *, tty: bool) -> Attachment:
        """Hand over one descriptor of a terminal, or three of pipes and files."""
        return cls._asked(client, {"token": token, "tty": tty}, descriptors)

    @classmethod
    def rejoin(cls, client: Client, token: str) -> Attachment:
        """Go back to the session that was opened with this token."""
        return cls._asked(client, {"token": token, "resume": True}, ())

    @classmethod
    def _asked(cls, client: Client, request: dict[str, object], descriptors: Sequence[int]) -> Attachment:
        sock = client.connect(ATTACH_SOCKET, UP_SECONDS)
        try:
            socket.send_fds(sock, [json.dumps(request).encode() + b"\n"], list(descriptors))
        except OSError as error:
            sock.close()
            raise Unavailable(f"hostd did not take the terminal over: {error}") from error
        return cls(sock)

    @staticmethod
    def forwarded(client: Client, token: str) -> socket.socket:
        """The connection to a dyno's port that the token stands for; raises Refused or Unavailable."""
        with contextlib.closing(Attachment._asked(client, {"token": token, "forward": True}, ())) as asked:
            try:
                line, descriptors, _, _ = socket.recv_fds(asked._sock, PIECE, 1)
            except OSError as error:
                raise Unavailable(f"hostd did not make the connection: {error}") from error
        if descriptors:
            return socket.socket(fileno=descriptors[0])
        if not line:
            raise Unavailable("The connection to hostd broke before it had connected. Try it again.")
        raise Refused(str(json.loads(line).get("error")))

    def wait_until_up(self) -> None:
        """Wait until the dyno runs; raises Refused or Unavailable if it does not."""
        try:
            while not self.lost:
                message = self._message()
                if message is None:
                    continue
                if "error" in message:
                    raise Refused(str(message["error"]))
                self._note(message)
                if message.get("state") == "up" or self.status is not None:
                    self._sock.settimeout(0)
                    return
        except TimeoutError:
            raise Unavailable(f"The dyno did not start within {UP_SECONDS:.0f} s.") from None
        raise Unavailable("The connection to hostd broke before the dyno had started. Run it again.")

    def fileno(self) -> int:
        """For selectors: readable when there is news."""
        return self._sock.fileno()

    def read(self) -> None:
        """Take in what has come: `status` is set once the command has ended, `lost` if hostd went away."""
        while not self.lost:
            message = self._message()
            if message is None:
                return
            self._note(message)

    def wait(self) -> int | None:
        """Wait for the end and return the exit status; None if hostd goes away first."""
        self._sock.settimeout(None)
        while not self.lost and self.status is None:
            self.read()
        return self.status

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def _note(self, message: dict[str, object]) -> None:
        if isinstance(status := message.get("exit"), int):
            self.status = status

    def _message(self) -> dict[str, object] | None:
        """The next message; None if no whole one is there."""
        if b"\n" not in self._rest:
            try:
                data = self._sock.recv(PIECE)
            except BlockingIOError:
                return None
            except ConnectionError:
                data = b""
            self.lost = not data
            self._rest += data
        line, newline, rest = self._rest.partition(b"\n")
        if not newline:
            return None
        self._rest = rest
        message = json.loads(line)
        return message if isinstance(message, dict) else {}
