"""`hostd-logplex`: the process. Its listening socket comes from systemd (`hostd-logplex.socket`)."""

from __future__ import annotations

import asyncio
import logging
import pwd
import signal
import socket
import sys
from collections.abc import Mapping
from functools import partial

from hostd.errors import HostdError, Unavailable, to_terminal
from hostd.journals import namespace
from hostd.listening import inherited, notify
from hostd.logplex.key import load_key
from hostd.logplex.reading import FIELDS, Trusted, is_believed
from hostd.logplex.server import Server
from hostd.logplex.streams import Streams
from units.journal import Reader

ROUTER_USER = "hostd-router"


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        key, listener = load_key(), _listener()
    except HostdError as error:
        text, code = to_terminal(error)
        print(text, file=sys.stderr)
        sys.exit(code)
    asyncio.run(_serve(key, listener))


async def _serve(key: bytes, listener: socket.socket) -> None:
    trusted = platform_uids().__contains__
    streams = Streams(partial(open_journal, trusted), trusted)
    server = Server(streams, key)
    accepting = await server.serve(listener)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    notify("READY=1")
    await ended.wait()
    accepting.close()
    server.close()


def open_journal(trusted: Trusted, app_id: str, matches: Mapping[str, str]) -> Reader:
    """The journal of an app, narrowed to entries with these values; what strangers sent comes empty."""
    return Reader(namespace(app_id), fields=FIELDS, matches=matches, believed=partial(is_believed, trusted=trusted))


def platform_uids() -> frozenset[int]:
    """The uids whose own statements about apps are believed: root, and the router's."""
    try:
        return frozenset({0, pwd.getpwnam(ROUTER_USER).pw_uid})
    except KeyError:
        return frozenset({0})


def _listener() -> socket.socket:
    sockets = list(inherited().values())
    if len(sockets) != 1:
        raise Unavailable("hostd-logplex is started by systemd with one socket: systemctl start hostd-logplex.socket")
    sockets[0].setblocking(False)
    return sockets[0]


if __name__ == "__main__":
    main()
