"""Does a dyno accept connections yet? The question Heroku asks before it calls a web dyno up."""

from __future__ import annotations

import asyncio

from hostd.manager.dyno import Place

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
