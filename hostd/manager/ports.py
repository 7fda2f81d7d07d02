"""Ports for dynos: one for each, from the host's own range, used again as late as possible."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from hostd.errors import Unavailable
from hostd.manager.dyno import Place


class Ports:
    """Hands out ports of *address* in turn, so that a port just given up is the last to be reused.

    A stale route can then not lead to another app's dyno.
    """

    def __init__(
        self, address: str, first: int, last: int, *, free: Callable[[str, int], bool] | None = None
    ) -> None:
        self._address = address
        self._first, self._last = first, last
        self._next = first
        self._taken: set[int] = set()
        self._free = free or is_free

    def adopt(self, place: Place) -> None:
        """Mark a place as taken by a dyno that already runs."""
        self._taken.add(place.port)
        if self._first <= place.port <= self._last:
            self._next = max(self._next, place.port + 1)

    def take(self) -> Place:
        """Return a place nobody listens on. Raises Unavailable when the range is used up."""
        for offset in range(self._last - self._first + 1):
            port = self._first + (self._next - self._first + offset) % (self._last - self._first + 1)
            if port not in self._taken and self._free(self._address, port):
                self._taken.add(port)
                self._next = port + 1
                return Place(self._address, port)
        raise Unavailable(
            f"every port from {self._first} to {self._last} is in use: "
            "widen dyno_ports in /etc/hostd/hostd.toml and restart hostd"
        )

    def give_back(self, place: Place) -> None:
        """Return a place whose dyno is gone."""
        self._taken.discard(place.port)


def is_free(address: str, port: int) -> bool:
    """True if *port* can be bound on *address* now."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
        return True
