"""Where a request comes from: the door, and the client's address, which the router alone is believed to name."""

from __future__ import annotations

import pwd
import socket
import weakref
from collections.abc import Callable

from aiohttp import web

from units.tcp_owner import owner_of_peer

ROUTER_USER = "hostd-router"


class Origins:
    """Knows which connections are the router's: whose one is does not change."""

    def __init__(self, router: int | None, owner: Callable[[socket.socket], int | None] = owner_of_peer) -> None:
        self._router = router
        self._owner = owner
        self._known: weakref.WeakKeyDictionary[object, bool] = weakref.WeakKeyDictionary()

    @classmethod
    def of_system(cls) -> Origins:
        """With the router of this machine."""
        try:
            return cls(pwd.getpwnam(ROUTER_USER).pw_uid)
        except KeyError:
            return cls(None)

    def __call__(self, request: web.Request) -> tuple[str, str]:
        """The door's name, as `hostd.api.caller.Door` has it, and the client's address."""
        transport = request.transport
        if transport is None:
            return "loopback", "unknown"
        if transport not in self._known:
            peer = transport.get_extra_info("socket")
            self._known[transport] = self._router is not None and self._owner(peer) == self._router
        if self._known[transport]:
            return "router", request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() or "unknown"
        return "loopback", str(request.remote)
