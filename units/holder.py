"""Keeps descriptors open for those who come and go: `python -m units.holder`, as hostd-networks.service does.

A unit enters its network namespace by a path each time it starts, also when systemd starts it again while hostd is
down. The path leads to a descriptor of this process, which does nothing else, and so has no reason to end. It needs no
rights, and imports next to nothing.

A message is `keep`, with a descriptor, answered by the process's id and the number under which it is kept; `drop` and
such a number, which is closed; or `only` and numbers: all others are closed. `units.keeping` is the other side.
"""

import array
import os
import select
import socket

MESSAGE = 1 << 20
"""Bytes of the longest message."""
_LISTENER = 3
"""The first descriptor that systemd hands over (sd_listen_fds(3))."""


class Holder:
    """The descriptors, and those who are connected."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._clients: dict[int, socket.socket] = {}
        self._kept: set[int] = set()
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)

    def serve(self) -> None:
        """Serve for ever."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Wait until somebody wants something, and do it."""
        for number, _ in self._poll.poll():
            if number == self._listener.fileno():
                client, _ = self._listener.accept()
                self._clients[client.fileno()] = client
                self._poll.register(client, select.POLLIN)
            else:
                self._hear(self._clients[number])

    def _hear(self, client: socket.socket) -> None:
        try:
            message, descriptors = _receive(client)
            if not message:
                raise ConnectionResetError
            client.send(self._answer(message.decode().split(), descriptors))
        except (OSError, ValueError):
            self._poll.unregister(client)
            self._clients.pop(client.fileno()).close()

    def _answer(self, words: list[str], descriptors: list[int]) -> bytes:
        match words:
            case ["keep"] if len(descriptors) == 1:
                self._kept.add(descriptors[0])
                return f"{os.getpid()} {descriptors[0]}".encode()
            case ["drop", number] if not descriptors:
                self._close(self._kept & {int(number)})
                return b"done"
            case ["only", *numbers] if not descriptors:
                self._close(self._kept - set(map(int, numbers)))
                return b"done"
        for descriptor in descriptors:
            os.close(descriptor)
        raise ValueError(words)

    def _close(self, descriptors: set[int]) -> None:
        self._kept -= descriptors
        for descriptor in descriptors:
            os.close(descriptor)


def _receive(client: socket.socket) -> tuple[bytes, list[int]]:
    """A message, and the descriptors that came with it (unix(7), SCM_RIGHTS)."""
    numbers = array.array("i")
    message, ancillary, _, _ = client.recvmsg(MESSAGE, socket.CMSG_SPACE(4 * numbers.itemsize))
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return message, list(numbers)


if __name__ == "__main__":
    Holder(socket.socket(fileno=_LISTENER)).serve()
