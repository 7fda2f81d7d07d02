import asyncio
import json
import socket
import time
from contextlib import asynccontextmanager

import pytest
from kept_fakes import APP, OTHER, Store, session, trusted

from hostd.logplex.counts import Counts
from hostd.logplex.rendering import Form
from hostd.logplex.server import Server
from hostd.logplex.sessions import sign
from hostd.logplex.streams import Openers, Streams

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
    counts = Counts()
    streams = Streams(Openers(store.open, store.open_kept, store.follow), trusted, counts.hear)
    server = Server(streams, KEY, counts)
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


async def counted(path):
    """What hostd is told that was said to readers."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET /counts HTTP/1.1\r\nHost: x\r\n\r\n")
    body = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.close()
    return json.loads(body.split(b"\r\n")[1])["apps"]


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
        await until(lambda: store.opened == store.closed == 1)
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


async def some(client, count):
    """So many lines of a tail."""
    got = []
    while len(got) < count:
        got += said(await client.chunk())
    return got


async def test_a_tail_begins_at_a_time(tmp_path):
    async with logplex(tmp_path) as (store, ask, _path, _server):
        entries = [store.write(f"line {number}", process="web.1") for number in range(5)]
        since = entries[3].realtime_us
        client = await ask(tail=True, lines=None, since=since)
        store.write("new", process="run.1")
        assert await some(client, 3) == ["line 3", "line 4", "new"]
        none = await ask(tail=True, lines=None, since=entries[4].realtime_us, only=("nobody",))
        store.write("wanted", process="nobody")
        assert await some(none, 1) == ["wanted"]
        assert said(await (await ask(lines=1, since=since, until=entries[4].realtime_us)).rest()) == ["line 4"]


async def test_a_search_says_how_far_it_is_and_its_tail_goes_on(tmp_path, monkeypatch):
    from hostd.logplex import search

    monkeypatch.setattr(search, "PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr("hostd.logplex.history.SLICE_SECONDS", 0.0)
    async with logplex(tmp_path) as (store, ask, _path, _server):
        store.write("needle 1")
        for number in range(3000):
            store.write(f"hay {number}")
        client = await ask("Accept: text/event-stream\r\n", tail=True, grep="needle")
        store.write("needle 2")
        body = ""
        while "needle 2" not in body:
            body += await client.chunk()
        events = [event for event in body.split("\n\n") if event]
        assert any(event.startswith("event: progress\ndata: Searching at 2026-") for event in events)
        assert [event.rpartition(": ")[2] for event in events if event.startswith("id: ")] == ["needle 1", "needle 2"]


async def test_a_pattern_that_runs_away_ends_its_stream_with_the_reason(tmp_path):
    async with logplex(tmp_path) as (store, ask, _path, server):
        client = await ask(tail=True, grep="(a+)+$")
        events = await ask("Accept: text/event-stream\r\n", tail=True, grep="(a+)+$")
        other = await ask(tail=True)
        await until(lambda: server._streams.tails._count == 3)
        store.write("a" * 60 + "b")
        assert "Error: The search was stopped" in (await client.rest())
        assert "event: failure\ndata: The search was stopped" in (await events.rest())
        assert await some(other, 1) == ["a" * 60 + "b"]
        kept = await ask(grep="(a+)+$")
        assert "Error: The search was stopped" in await kept.rest()


async def test_a_pattern_that_cannot_be_read_is_refused(tmp_path):
    async with logplex(tmp_path) as (_store, ask, _path, _server):
        client = await ask(grep="(a")
        assert client.status == 422


async def test_whoever_comes_back_too_late_is_told(tmp_path):
    async with logplex(tmp_path) as (store, ask, path, _server):
        entries = [store.write(f"line {number}") for number in range(10)]
        store.vacuum(5)
        back = await ask(f"Accept: text/event-stream\r\nLast-Event-ID: {entries[2].cursor}\r\n", tail=True)
        rows = []
        while len(rows) < 6:
            rows += [row for row in (await back.chunk()).splitlines() if row.startswith("data: ")]
        assert "Error L11 (Tail buffer overflow) -> This tail session dropped some messages since" in rows[0]
        assert said("\n".join(row.removeprefix("data: ") for row in rows[1:])) == [f"line {n}" for n in range(5, 10)]
        assert await counted(path) == {APP: {"L11": 1}}


async def test_json_lines(tmp_path):
    async with logplex(tmp_path) as (store, ask, _path, _server):
        store.write("a\nb")
        client = await ask(form=Form.JSON)
        assert client.headers["content-type"] == "application/x-ndjson"
        assert json.loads(await client.rest())["message"] == "a\nb"


async def test_a_journal_that_cannot_be_opened_is_l15(tmp_path):
    async with logplex(tmp_path) as (store, ask, path, _server):
        store.unreadable = True
        for tail in (True, False):
            client = await ask(tail=tail)
            assert client.status == 503
            assert "L15" in (await client.reader.read()).decode()
        assert await counted(path) == {APP: {"L15": 2}}


async def test_a_tail_too_many_is_refused_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("hostd.logplex.tails.MOST_TAILS", 2)
    async with logplex(tmp_path) as (_store, ask, path, server):
        assert [(await ask(tail=True)).status for _ in range(2)] == [200, 200]
        await until(lambda: server._streams.tails._count == 2)
        for _ in range(3):
            client = await ask(tail=True)
            assert client.status == 503 and "L15" in (await client.reader.read()).decode()
        assert (await ask()).status == 200
        assert await counted(path) == {APP: {"L15": 3}}


async def test_a_search_ends_when_its_reader_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("hostd.logplex.history.SLICE_SECONDS", 0.0)
    async with logplex(tmp_path) as (store, ask, _path, _server):
        for number in range(2000):
            store.write(f"hay {number}")
        monkeypatch.setattr("kept_fakes.FakeReader.read_back", lambda self, limit: store.entries[:limit])
        client = await ask(grep="needle")
        assert client.status == 200 and store.closed == 0
        client.writer.close()
        await until(lambda: store.closed == store.opened == 1)


async def test_what_was_written_between_history_and_tail_comes_once(tmp_path):
    """The follower is ahead of what was read, or behind it."""
    async with logplex(tmp_path) as (store, ask, _path, _server):
        for number in range(3000):
            store.write(str(number))
        first = await ask(tail=True, lines=0)
        clients = []
        for number in range(3000, 3020):
            store.write(str(number))
            clients.append(await ask(tail=True, lines=3))
            store.write(f"{number}b")
        store.write("END")
        whole = [text for number in range(3000, 3020) for text in (str(number), f"{number}b")] + ["END"]
        assert await some(first, len(whole)) == whole
        for client in clients:
            got = []
            while got[-1:] != ["END"]:
                got += said(await client.chunk())
            assert len(got) == len(set(got)) and got[2:] == whole[-len(got[2:]) :]
