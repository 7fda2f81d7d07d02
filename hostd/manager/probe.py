"""Does a dyno accept connections yet? The question Heroku asks before it calls a web dyno up."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path

from hostd.manager.dyno import Place

_LISTEN = "0A"
_POLL_SECONDS = 0.05
_CONNECT_SECONDS = 1.0


async def accepts(place: Place) -> bool:
    """True if a TCP connection to *place* is accepted now; nobody but the dyno can listen there."""
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(place.address, place.port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


def listens_to_itself(pid: int, port: int) -> bool:
    """True if somebody in the network of a process listens on a port of the loopback address, where only it can ask."""
    tables = (Path(f"/proc/{pid}/net/{name}") for name in ("tcp", "tcp6"))
    return any(on_loopback(table.read_text(), port) for table in tables if table.exists())


def on_loopback(table: str, port: int) -> bool:
    """The same, from the text of /proc/net/tcp or tcp6 (proc(5)): addresses are words of the machine's byte order."""
    for words in (line.split() for line in table.splitlines()):
        if len(words) > 3 and words[3] == _LISTEN:
            packed, _, number = words[1].rpartition(":")
            address = b"".join(bytes.fromhex(packed[i : i + 8])[::-1] for i in range(0, len(packed), 8))
            if int(number, 16) == port and ipaddress.ip_address(address).is_loopback:
                return True
    return False


async def wait_accepting(place: Place, seconds: float) -> bool:
    """Ask every 50 ms until *place* accepts; False after *seconds*.

    There is no event to wait for: a dyno tells nobody that it has begun to listen.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await accepts(place):
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        return False
    return True
