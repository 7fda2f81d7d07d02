"""Whether a dyno may be called up."""

import asyncio
import os
import socket

from hostd.manager.dyno import Place
from hostd.manager.probe import accepts, listens_to_itself, on_loopback, wait_accepting

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4E21 00000000:0000 0A 00000000:00000000 00:00000000 00000000 200001        0 1 1 0 100 0 0 10 0
   1: 00000000:4E22 00000000:0000 0A 00000000:00000000 00:00000000 00000000 200002        0 2 1 0 100 0 0 10 0
   2: 0100007F:4E22 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 200003        0 3 1 0 20 4 0 10 -1
"""
TABLE_6 = """\
   0: 00000000000000000000000001000000:4E21 00000000000000000000000000000000:0000 0A 0:0 0:0 0 200009 0 4 1
   1: 00000000000000000000000000000000:4E22 00000000000000000000000000000000:0000 0A 0:0 0:0 0 200009 0 4 1
"""


def test_who_listens_where_nobody_else_can_ask():
    assert [on_loopback(TABLE, port) for port in (0x4E21, 0x4E22, 1)] == [True, False, False]
    assert [on_loopback(TABLE_6, port) for port in (0x4E21, 0x4E22, 1)] == [True, False, False]
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert listens_to_itself(os.getpid(), server.getsockname()[1])
    assert not listens_to_itself(0, 1)


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
