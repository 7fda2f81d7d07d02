"""Who listens, and whether a dyno may be called up."""

import asyncio
import os
import socket

from hostd.manager.dyno import Place
from hostd.manager.probe import accepts, listeners, wait_accepting

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4E21 00000000:0000 0A 00000000:00000000 00:00000000 00000000 200001        0 1 1 0 100 0 0 10 0
   1: 00000000:4E22 00000000:0000 0A 00000000:00000000 00:00000000 00000000 200002        0 2 1 0 100 0 0 10 0
   2: 0100007F:4E22 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 200003        0 3 1 0 20 4 0 10 -1
   3: 00000000000000000000000000000000:4E21 00000000000000000000000000000000:0000 0A 0:0 0:0 0 200009 0 4 1
"""


def test_listeners_are_told_by_port_and_state():
    assert listeners(TABLE, 0x4E22) == {200002}
    assert listeners(TABLE, 0x4E21) == {200001, 200009}
    assert listeners(TABLE, 1) == set()


async def test_only_the_apps_own_listener_counts():
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = Place("127.0.0.1", server.getsockname()[1])
        assert await accepts(place, os.getuid())
        assert not await accepts(place, os.getuid() + 1)
        assert not await wait_accepting(place, os.getuid() + 1, 0.06)
    assert not await accepts(place, os.getuid())


async def test_it_waits_until_somebody_listens():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        place = Place("127.0.0.1", server.getsockname()[1])
        waiting = asyncio.create_task(wait_accepting(place, os.getuid(), 10))
        assert not await accepts(place, os.getuid())
        server.listen()
        assert await waiting
