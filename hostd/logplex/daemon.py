"""`hostd-logplex`: the process. Its listening socket comes from systemd (`hostd-logplex.socket`)."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import signal
import socket
import sys
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path

from hostd.errors import HostdError, Unavailable, to_terminal
from hostd.journals import namespace
from hostd.listening import inherited, notify
from hostd.logplex.counts import Counts
from hostd.logplex.drains.door import serve as serve_drains
from hostd.logplex.drains.fleet import Fleet
from hostd.logplex.drains.places import Places
from hostd.logplex.key import load_key
from hostd.logplex.reading import FIELDS, Trusted, is_believed
from hostd.logplex.server import Server
from hostd.logplex.streams import Openers, Streams
from hostd.logplex.suppressed import MESSAGE_ID
from hostd.logplex.tails import Tails
from units.followed_journal import FollowedJournal
from units.journal import Reader, Writer
from units.journal_header import UnknownFormat
from units.kept_journal import KeptJournal
from units.live_journal import LiveJournal, has_files
from units.ticking import Ticker

SWITCH_SECONDS = 0.001
ROUTER_USER = "hostd-router"
GONE_SECONDS = 2.0
"""Between two looks at whether apps that are tailed are still there."""
STATE = Path("/var/lib/hostd-logplex")
"""What outlives the process: how far each drain came (StateDirectory= of its unit)."""

_log = logging.getLogger(__name__)


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        key, listeners = load_key(), _listeners()
    except HostdError as error:
        text, code = to_terminal(error)
        print(text, file=sys.stderr)
        sys.exit(code)
    asyncio.run(_serve(key, *listeners))


async def _serve(key: bytes, listener: socket.socket, door: socket.socket) -> None:
    # Searches run in threads of their own, and must not keep the loop waiting for Python's lock.
    sys.setswitchinterval(SWITCH_SECONDS)
    trusted = platform_uids().__contains__
    ticker = Ticker()
    openers = Openers(
        indexed=partial(open_journal, trusted),
        kept=partial(open_kept, trusted, ticker),
        live=partial(follow_journal, trusted, ticker),
    )
    counts = Counts()
    streams = Streams(openers, trusted, counts.hear)
    server = Server(streams, key, counts)
    accepting = await server.serve(listener)
    watching = asyncio.create_task(end_gone(streams.tails))
    fleet = Fleet(
        open_journal=partial(follow_journal, trusted, ticker),
        trusted=trusted,
        places=Places(STATE),
        tell=partial(tell, counts),
    )
    await fleet.start()
    asking = await serve_drains(fleet, door)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    notify("READY=1")
    await ended.wait()
    watching.cancel()
    accepting.close()
    asking.close()
    server.close()
    await fleet.close()


async def end_gone(tails: Tails) -> None:
    """See now and then whether apps that are tailed are still there; for ever."""
    while True:
        await asyncio.sleep(GONE_SECONDS)
        tails.end_gone(lambda app_id: has_files(namespace(app_id)))


LOSSES = {"MESSAGE_ID": MESSAGE_ID}
"""What journald says of lines that it dropped: wanted whatever else is."""


def open_journal(trusted: Trusted, app_id: str, matches: Mapping[str, str]) -> Reader:
    """The journal of an app, narrowed to entries with these values; what strangers sent comes empty."""
    believed = partial(is_believed, trusted=trusted)
    return Reader(namespace(app_id), fields=FIELDS, matches=matches, besides=LOSSES, believed=believed)


def open_kept(trusted: Trusted, ticker: Ticker, app_id: str) -> KeptJournal:
    """What is kept of an app's journal, to be looked through; what strangers sent comes empty."""
    believed = partial(is_believed, trusted=trusted)
    return KeptJournal(namespace(app_id), fields=FIELDS, believed=believed, ticker=ticker)


def follow_journal(trusted: Trusted, ticker: Ticker, app_id: str) -> LiveJournal | FollowedJournal:
    """The journal of an app, to be read forward as it grows; what strangers sent comes empty. Raises OSError."""
    believed = partial(is_believed, trusted=trusted)
    journal = LiveJournal(namespace(app_id), fields=FIELDS, believed=believed, ticker=ticker)
    try:
        journal.check()
    except UnknownFormat as error:
        say_unknown(str(error))
        return FollowedJournal(namespace(app_id), fields=FIELDS, believed=believed)
    return journal


@cache
def say_unknown(error: str) -> None:
    """Say once in hostd's own log what is not known of journald's files."""
    _log.warning("%s: it is read by libsystemd, which takes six times as long. Is there a newer hostd?", error)


def tell(counts: Counts, app_id: str, text: str) -> None:
    """Write a line of the logplex's own to an app's log, and count it. Raises JournalUnavailable."""
    counts.hear(app_id, text)
    writer = Writer(namespace(app_id))
    try:
        writer.send(text, HOSTD_APP=app_id, HOSTD_SOURCE="heroku", HOSTD_PROCESS="logplex")
    finally:
        writer.close()


def platform_uids() -> frozenset[int]:
    """The uids whose own statements about apps are believed: root, the router's, and this process's."""
    try:
        return frozenset({0, os.getuid(), pwd.getpwnam(ROUTER_USER).pw_uid})
    except KeyError:
        return frozenset({0, os.getuid()})


def _listeners() -> tuple[socket.socket, socket.socket]:
    """The sockets of streams and of questions about drains."""
    sockets = inherited()
    for each in sockets.values():
        each.setblocking(False)
    try:
        return sockets["logplex"], sockets["drains"]
    except KeyError as missing:
        raise Unavailable(
            f"hostd-logplex is started by systemd, with two sockets; {missing} is not there: "
            "systemctl start hostd-logplex.socket hostd-logplex-drains.socket"
        ) from None


if __name__ == "__main__":
    main()
