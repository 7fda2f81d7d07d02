"""Does a dyno accept connections yet? The question Heroku asks before it calls a web dyno up."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hostd.manager.dyno import Place

_POLL_SECONDS = 0.05
_CONNECT_SECONDS = 1.0
_SOCKETS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"


async def accepts(place: Place, uid: int) -> bool:
    """True if a TCP connection to *place* is accepted now, and only *uid* listens on its port.

    Dynos share the machine's network: another app's process may have taken the port first, and must not be
    sent the requests that are meant for this one.
    """
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(place.address, place.port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return listeners("".join(table.read_text() for table in _SOCKETS if table.exists()), place.port) == {uid}


async def wait_accepting(place: Place, uid: int, seconds: float) -> bool:
    """Ask every 50 ms until *place* accepts for *uid*; False after *seconds*.

    There is no event to wait for: a dyno tells nobody that it has begun to listen.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await accepts(place, uid):
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        return False
    return True


def listeners(table: str, port: int) -> set[int]:
    """Who listens on a port, by uid, on any address, from the text of /proc/net/tcp (proc(5))."""
    found = set()
    for line in table.splitlines():
        words = line.split()
        if len(words) > 7 and words[3] == _LISTEN and int(words[1].rpartition(":")[2], 16) == port:
            found.add(int(words[7]))
    return found
