import asyncio
import json
import socket
import time
from contextlib import asynccontextmanager

import pytest
from kept_fakes import OTHER, Store, session, trusted

from hostd.logplex.server import Server
from hostd.logplex.sessions import sign
from hostd.logplex.streams import Streams

KEY = b"k" * 32


class Client:
    """A raw HTTP client that shows what comes, as it comes."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.status, self.headers = 0, {}

    @classmethod
    async def open(cls, path, query, headers="", target="/streams"):
        client = cls(*await asyncio.open_unix_connection(path))
        client.writer.write(f"GET {target}?{query} HTTP/1.1\r\nHost: logplex\r\n{headers}\r\n".encode())
        head = (await client.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        client.status = int(head[0].split()[1])
        client.headers = dict(row.lower().split(": ", 1) for row in head[1:] if row)
        return client

    async def chunk(self):
        size = int(await asyncio.wait_for(self.reader.readline(), 2), 16)
        return (await self.reader.readexactly(size + 2))[:-2].decode()

    async def rest(self):
        parts = []
        while part := await self.chunk():
            parts.append(part)
        return "".join(parts)


@asynccontextmanager
async def logplex(tmp_path):
    store, clients = Store(), []
    streams = Streams(store.open, store.follow, trusted)
    server = Server(streams, KEY)
    path = str(tmp_path / "logplex.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    accepting = await server.serve(listener)

    async def ask(headers="", **changes):
        clients.append(await Client.open(path, sign(session(**changes), KEY), headers))
        return clients[-1]

    try:
        yield store, ask, path, server
    finally:
        accepting.close()
        server.close()
        for client in clients:
            client.writer.close()
        await asyncio.gather(*(client.writer.wait_closed() for client in clients), return_exceptions=True)


async def until(holds):
    """Turn the loop until it holds."""
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline, "this should have come true"
        await asyncio.sleep(0.001)


def said(text):
    return [row.partition(": ")[2] for row in text.splitlines()]


async def test_history_ends_the_stream(tmp_path):
    async with logplex(tmp_path) as (store, ask, _path, _server):
        for number in range(5):
            store.write(f"line {number}")
        client = await ask(lines=2)
        assert (client.status, client.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert said(await client.rest()) == ["line 3", "line 4"]
        assert await client.reader.read() == b""
        assert store.opened == store.closed == 1
        assert await (await ask(app=OTHER)).rest() == ""


async def test_lines_are_counted_as_they_are_shown(tmp_path):
    async with logplex(tmp_path) as (store, ask, _path, _server):
        store.write("a\nb\nc")
        store.write("x" * 25_000)
        for lines, lengths in ((0, []), (1, [5000]), (2, [10_000, 5000]), (4, [1, 10_000, 10_000, 5000])):
            assert [len(text) for text in said(await (await ask(lines=lines)).rest())] == lengths


async def test_a_tail_has_history_then_live_lines_each_once(tmp_path):
    async with logplex(tmp_path) as (store, ask, _path, _server):
        store.write("old")
        client = await ask(tail=True)
        store.write("new", process="worker.1")
        store.write("other", app=OTHER)
        got = said(await client.chunk())
        while len(got) < 2:
            got += said(await client.chunk())
        assert got == ["old", "new"]
        client.writer.close()
        await until(lambda: store.opened == store.closed)  # nobody listens: the journal is let go


async def test_a_tail_of_an_empty_journal_opens_at_once(tmp_path):
    async with logplex(tmp_path) as (store, ask, _path, _server):
        client = await ask(tail=True)
        assert client.status == 200
        store.write("first")
        assert said(await client.chunk()) == ["first"]


async def test_no_gap_and_no_repeat_while_lines_pour_in(tmp_path):
    async with logplex(tmp_path) as (store, ask, _path, _server):
        for number in range(300):
            store.write(str(number))
        done = asyncio.Event()

        async def pour():
            for number in range(300, 3000):
                store.write(str(number))
                if number % 10 == 0:
                    await asyncio.sleep(0)
            done.set()

        pouring = asyncio.create_task(pour())
        clients = []
        for _ in range(5):
            clients.append(await ask(tail=True, lines=200))
            await asyncio.sleep(0.002)
        await pouring

        async def all_of(client):
            got = []
            while not got or got[-1] != 2999:
                got += [int(text) for text in said(await client.chunk())]
            return got

        for got in await asyncio.gather(*map(all_of, clients)):
            assert got == list(range(got[0], 3000))


async def test_server_sent_events_can_be_resumed(tmp_path):
    async with logplex(tmp_path) as (store, ask, _path, _server):
        for number in range(4):
            store.write(f"line {number}")
        store.write("two\nlines")
        events = "Accept: text/event-stream\r\n"
        client = await ask(events, lines=3)
        assert client.headers["content-type"] == "text/event-stream"
        body = await client.rest()
        first, second, third, _ = body.split("\n\n")
        assert first == "retry: 10"
        assert second.splitlines()[1].startswith("data: 2026-") and second.endswith("line 3")
        assert [row.partition(": ")[0] for row in third.splitlines()] == ["id", "data", "data"]
        seen = second.splitlines()[0].removeprefix("id: ")
        store.write("line 5")
        back = await ask(f"{events}Last-Event-ID: {seen}\r\n", lines=1)
        data = [row for row in (await back.rest()).splitlines() if row.startswith("data")]
        assert [row.rpartition(": ")[2] for row in data] == ["two", "lines", "line 5"]
        ignored = await ask("Last-Event-ID: nonsense\r\n", lines=1)
        assert said(await ignored.rest()) == ["line 5"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /streams?app=x&signature=00 HTTP/1.1\r\n\r\n", 403),
        (b"GET /other HTTP/1.1\r\n\r\n", 404),
        (b"POST /streams HTTP/1.1\r\n\r\n", 404),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 400),
        (b"GET /streams HTTP/1.1\r\n\r\n", 403),
    ],
)
async def test_refusals(tmp_path, request_, status):
    async with logplex(tmp_path) as (_store, _ask, path, _server):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(request_)
        head, _, body = (await asyncio.wait_for(reader.read(), 2)).partition(b"\r\n\r\n")
        assert int(head.split()[1]) == status
        assert json.loads(body)["message"]
        writer.close()


async def test_an_expired_session_is_refused(tmp_path):
    async with logplex(tmp_path) as (_store, ask, _path, _server):
        client = await ask(expires=int(time.time()) - 1)
        assert client.status == 403


async def test_when_the_logplex_goes_the_stream_is_cut_not_ended(tmp_path):
    async with logplex(tmp_path) as (store, ask, _path, server):
        store.write("line")
        client = await ask(tail=True)
        await client.chunk()
        server.close()
        assert await asyncio.wait_for(client.reader.read(), 2) == b""  # and no last chunk


async def test_a_broken_journal_cuts_streams_and_new_ones_work(tmp_path, caplog):
    async with logplex(tmp_path) as (store, ask, _path, server):
        store.write("line")
        client = await ask(tail=True)
        await client.chunk()
        await until(lambda: server._streams.tails._followers)
        store.broken = True
        store.write("lost on this connection")
        assert await asyncio.wait_for(client.reader.read(), 2) == b""
        assert "cannot be followed" in caplog.text
        store.broken = False
        again = await ask(tail=True)
        assert said(await again.chunk()) == ["line", "lost on this connection"]
