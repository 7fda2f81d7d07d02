"""The ways to a receiver, on loopback: what is sent, what each answer means, and what is judged before."""

import asyncio
import json
import socket
import ssl
from ipaddress import ip_network

import pytest
from drains_kit import dialer, item, receiver

from hostd.logplex.drains.buffer import Frame
from hostd.logplex.drains.destinations import destination
from hostd.logplex.drains.failures import Undelivered
from hostd.logplex.drains.posting import seconds_of
from hostd.logplex.drains.syslog import SyslogSender
from hostd.logplex.drains.web import WebSender

FRAME = Frame((item(1), item(2)), id="f1")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def web(port, path="/", seconds=5.0, **more):
    where = destination(f"http://u:p@localhost:{port}{path}")
    return WebSender(where, "d.1", "app-id", dialer(), seconds=seconds, **more)


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


def endpoint(answers, seen=None, connections=None):
    """Answers each request with the next of the answers; the last one again and again. None hangs up."""
    left = list(answers)

    async def serve(reader, writer):
        if connections is not None:
            connections.append(1)
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
            body = await reader.readexactly(length)
            if seen is not None:
                seen.append((head, body))
            answer = left.pop(0) if len(left) > 1 else left[0]
            if answer is None:
                return
            writer.write(answer)
            await writer.drain()
            if b"Content-Length" not in answer and b"chunked" not in answer:
                return

    return serve


async def test_a_batch_is_posted_as_heroku_does():
    seen = []
    async with receiver(endpoint([OK], seen)) as port:
        sender = web(port, "/in?key=1")
        await sender.send(FRAME)
        await sender.close()
    head, body = seen[0]
    lines = head.split("\r\n")
    assert lines[0] == "POST /in?key=1 HTTP/1.1"
    assert set(lines[1:]) >= {
        f"Host: localhost:{port}", "Authorization: Basic dTpw", "Content-Type: application/logplex-1",
        "Logplex-Msg-Count: 2", "Logplex-Frame-Id: f1", "Logplex-Drain-Token: d.1",
    }  # fmt: skip
    assert body.count(b" host app web.1 - line ") == 2


async def test_losses_stand_in_front_and_are_counted_as_a_message():
    seen = []
    async with receiver(endpoint([OK], seen)) as port:
        sender = web(port)
        await sender.send(Frame((item(1),), lost=41, since=1_769_510_888_000_000))
        await sender.close()
    head, body = seen[0]
    assert "Logplex-Msg-Count: 2" in head
    assert b"<172>1 " in body and b"heroku logplex - Error L10 (Drain buffer overflow) -> This drain dropped 41" in body


async def test_a_connection_is_used_again_and_opened_anew_if_it_was_closed():
    connections, seen = [], []
    closing = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with receiver(endpoint([OK, OK, closing, OK, None, OK], seen, connections)) as port:
        sender = web(port)
        for _ in range(5):
            await sender.send(FRAME)
        await sender.close()
    # The fifth met a connection that was closed without an answer: it went over another at once, with its id.
    assert len(connections) == 3 and len(seen) == 6
    assert all("Logplex-Frame-Id: f1" in head for head, _ in seen)


@pytest.mark.parametrize(
    ("answer", "final", "after"),
    [
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", False, None),
        (b"HTTP/1.1 503 Oh\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n", False, 7.0),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nRetry-After: 120\r\n\r\n", False, 120.0),
        (b"HTTP/1.1 408 Slow\r\nContent-Length: 0\r\n\r\n", False, None),
        (b"HTTP/1.1 301 There\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", False, None),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", True, None),
        (b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", True, None),
        (b"HTTP/1.1 413 No\r\n\r\nno length", True, None),
        (b"garbage\r\n\r\n", False, None),
        (b"HTTP/1.1 200 OK\r\nConte", False, None),
        (b"\0" * 100_000, False, None),
        (None, False, None),
    ],
)
async def test_what_is_no_success(answer, final, after):
    async with receiver(endpoint([answer])) as port:
        sender = web(port)
        with pytest.raises(Undelivered) as failed:
            await sender.send(FRAME)
        await sender.close()
    assert (failed.value.final, failed.value.after, failed.value.certificate) == (final, after, False)
    assert "dTpw" not in failed.value.message and f"localhost:{port}" in failed.value.message


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 900_000,
        OK + OK,
    ],
)
async def test_what_is_a_success(answer):
    async with receiver(endpoint([answer])) as port:
        sender = web(port)
        await sender.send(FRAME)
        await sender.send(FRAME)
        await sender.close()


async def test_an_endpoint_that_says_nothing_is_given_up():
    async def silent(reader, writer):
        await reader.read()

    async with receiver(silent) as port:
        sender = web(port, seconds=0.2)
        with pytest.raises(Undelivered, match="did not answer within"):
            await sender.send(FRAME)


async def test_an_old_connection_is_not_used_again():
    now, connections = [0.0], []
    async with receiver(endpoint([OK], None, connections)) as port:
        sender = web(port, clock=lambda: now[0])
        for at in (0.0, 50.0, 200.0, 250.0):
            now[0] = at
            await sender.send(FRAME)
        await sender.close()
    assert len(connections) == 2


def test_retry_after_in_seconds_and_as_a_date():
    assert seconds_of("120", lambda: 0) == 120
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT", lambda: 1445412470.0) == 10
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT", lambda: 2e9) == 0
    for text in ("", "soon", "-1", "9" * 400, "1.5", "\u0661"):
        assert seconds_of(text, lambda: 0) is None


async def frames_of(reader, count):
    found = []
    for _ in range(count):
        length = int(await reader.readuntil(b" "))
        found.append((await reader.readexactly(length)).decode())
    return found


async def test_syslog_frames_come_in_order_over_one_connection():
    got, connections = [], []

    async def serve(reader, _writer):
        connections.append(1)
        while True:
            got.extend(await frames_of(reader, 1))

    async with receiver(serve) as port:
        sender = SyslogSender(destination(f"syslog://localhost:{port}"), "d.1", "app-id", dialer())
        for _ in range(3):
            await sender.send(FRAME)
        await until(lambda: len(got) == 6)
        assert [text.rpartition(" ")[2] for text in got] == ["1", "2"] * 3 and len(connections) == 1
        assert got[0].endswith(" d.1 app web.1 - - line 1")
        await sender.close()


@pytest.mark.parametrize(("seconds", "again"), [(1.0, True), (3.0, False)])
async def test_a_syslog_server_that_hung_up_gets_what_is_in_doubt_over_a_new_connection(seconds, again):
    now = iter([0.0, *[seconds] * 9])
    got, connections = [], []

    async def serve(reader, writer):
        connections.append(1)
        got.extend(await frames_of(reader, 2))
        if len(connections) == 1:
            writer.close()
            await writer.wait_closed()
        else:
            got.extend(await frames_of(reader, 2 * again))

    async with receiver(serve) as port:
        where = destination(f"syslog://localhost:{port}")
        sender = SyslogSender(where, "d.1", "app-id", dialer(), clock=lambda: next(now))
        await sender.send(FRAME)
        await until(sender._ended.done)
        await sender.send(Frame((item(3), item(4))))
        await until(lambda: len(got) >= 4 + 2 * again)
        numbers = [text.rpartition(" ")[2] for text in got]
        assert numbers == (["1", "2"] * 2 if again else ["1", "2"]) + ["3", "4"] and len(connections) == 2
        await sender.close()


async def test_a_syslog_frame_that_met_a_reset_is_not_taken():
    async def reset(_reader, writer):
        linger = b"\x01\0\0\0\0\0\0\0"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with receiver(reset) as port:
        sender = SyslogSender(destination(f"syslog://localhost:{port}"), "d.1", "app-id", dialer())
        big = Frame(tuple(item(number, "x" * 9000) for number in range(200)))
        with pytest.raises(Undelivered):
            await sender.send(big)


async def test_a_syslog_server_that_reads_nothing_is_given_up():
    async def stuck(_reader, _writer):
        await asyncio.Event().wait()

    async with receiver(stuck) as port:
        sender = SyslogSender(destination(f"syslog://localhost:{port}"), "d.1", "app-id", dialer(), seconds=0.3)
        big = Frame(tuple(item(number, "x" * 9000) for number in range(900)))
        with pytest.raises(Undelivered, match="took nothing"):
            await sender.send(big)


async def test_nobody_there():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Undelivered, match="cannot be reached"):
        await dialer().connect(destination(f"syslog://localhost:{port}"))


async def test_tls_to_a_server_that_cannot_be_trusted_or_speaks_none(tmp_path):
    from hostd.install.certificate import self_signed
    from hostd.ledger.database import utc_now

    chain, key = self_signed("localhost", utc_now())
    (tmp_path / "both.pem").write_bytes(chain + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "both.pem")

    async def silent(reader, _writer):
        await reader.read()

    async with receiver(silent, ssl=context) as port:
        with pytest.raises(Undelivered) as refused:
            await dialer().connect(destination(f"syslog+tls://localhost:{port}"))
        assert refused.value.certificate and "self-signed" in refused.value.message

    async def plain(_reader, writer):
        writer.write(b"220 welcome\r\n")
        await writer.drain()

    async with receiver(plain) as port:
        with pytest.raises(Undelivered, match="does not speak TLS") as refused:
            await dialer().connect(destination(f"syslog+tls://localhost:{port}"))
        assert not refused.value.certificate


async def test_hostds_question_is_answered_after_the_document_was_read(tmp_path):
    from hostd.logplex.drains.choices import Choice
    from hostd.logplex.drains.document import Document, Wanted, write
    from hostd.logplex.drains.door import serve
    from hostd.logplex.drains.fleet import Fleet
    from hostd.logplex.drains.places import Places
    from tests.unit.logplex_fakes import APP, START, Store, trusted
    from tests.unit.test_drains_feeds import Journal

    store, got = Store(), []

    async def take(reader, _writer):
        while True:
            got.extend(await frames_of(reader, 1))

    (tmp_path / "places").mkdir()
    fleet = Fleet(
        open_journal=lambda _app: Journal(store, {}), trusted=trusted, places=Places(tmp_path / "places"),
        tell=lambda _app, _text: None, path=tmp_path / "run/drains.json", clock=lambda: START / 1e6,
    )  # fmt: skip
    await fleet.start()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "door"))
    listener.listen()
    door = await serve(fleet, listener)

    async def asked():
        reader, writer = await asyncio.open_unix_connection(tmp_path / "door")
        text = await reader.read()
        writer.close()
        return json.loads(text)

    async with receiver(take) as port:
        assert await asked() == {}
        wanted = Wanted("one", APP, f"syslog://127.0.0.1:{port}", "d.1", Choice(), START / 1e6)
        bad = Wanted("two", APP, "nonsense://", "d.2", Choice(), START / 1e6)
        networks = (ip_network("127.0.0.1/32"),)
        write(Document((wanted, bad), networks), tmp_path / "run/drains.json", None)
        store.write("hello")
        assert set(await asked()) == {"one"}
        async with asyncio.timeout(10):
            while (await asked())["one"]["delivered"] < 1:
                await asyncio.sleep(0)
        assert got[0].endswith("- - hello")
        (tmp_path / "run/drains.json").write_text("{damaged")
        assert set(await asked()) == {"one"}
        write(Document((), networks), tmp_path / "run/drains.json", None)
        assert await asked() == {}
        assert list((tmp_path / "places").iterdir()) == []
    door.close()
    await fleet.close()
    assert store.closed == 1 and store.grown == []
