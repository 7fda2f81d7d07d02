"""Whether a dyno may be called up."""

import asyncio
import socket

from hostd.manager.dyno import Place
from hostd.manager.probe import accepts, wait_accepting


async def test_it_waits_until_somebody_listens():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        place = Place("127.0.0.1", server.getsockname()[1])
        waiting = asyncio.create_task(wait_accepting(place, 10))
        assert not await accepts(place)
        server.listen()
        assert await waiting


async def test_it_does_not_wait_for_ever():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        assert not await wait_accepting(Place("127.0.0.1", server.getsockname()[1]), 0.06)
