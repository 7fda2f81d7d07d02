"""Every way a request fails: the page, the status and the log line, each provoked over real sockets."""

import asyncio
import json
import socket
from contextlib import closing

import pytest
from router_rig import QUICK, Call, get, ok, post, rig

from router.table import Dyno, State


async def silent(call: Call) -> None:
    await asyncio.sleep(30)


async def hang_up(call: Call) -> None:
    call.writer.close()


def unused_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_an_unknown_host_is_told_so_and_logged_for_no_app():
    async with rig(ok) as router, router.client() as client:
        answer = await client.ask(b"GET /x HTTP/1.1\r\nHost: nobody.example\r\n\r\n")
        assert answer.status == 404
        assert b"There is no app here" in answer.body
        assert 'desc="No such app" method=GET path="/x" host=nobody.example' in await router.logged("at=error")
        assert (await client.get()).status == 200


async def test_before_the_first_table_no_host_is_unknown():
    async with rig(settings=QUICK) as router, router.client() as client:
        assert (await client.get()).status == 503
        assert "code=H99" in await router.logged("at=error")
        assert not router.plane.held


async def test_a_request_that_comes_shortly_before_the_first_table_is_answered():
    async with rig() as router, router.client() as client, router.client() as other:
        await client.send(get())
        await other.send(get().replace(b"hello", b"nobody"))
        while len(router.plane.held) < 2:
            await asyncio.sleep(0.005)
        router.swap(await router.dyno(ok))
        assert ((await client.answer()).status, (await other.answer()).status) == (200, 404)


@pytest.mark.parametrize(
    ("state", "expected", "level"),
    [
        (State.CRASHED, 'code=H10 desc="App crashed"', "error"),
        (State.NONE, 'code=H14 desc="No web processes running"', "error"),
        (State.MAINTENANCE, 'code=H80 desc="Maintenance mode"', "info"),
    ],
)
async def test_states_of_an_app(state, expected, level):
    async with rig() as router, router.client() as client:
        router.swap(state=state)
        answer = await client.get("/p")
        assert answer.status == 503
        assert answer.header("content-type") == "text/html; charset=utf-8"
        line = await router.logged(expected)
        assert line.startswith(f"at={level} {expected} method=GET path=\"/p\" host=hello.localhost request_id=")
        assert line.endswith('fwd="127.0.0.1" dyno= connect= service= status=503 bytes= protocol=http')


async def test_errors_are_json_for_clients_that_ask_for_it():
    async with rig() as router, router.client() as client:
        router.swap(state=State.CRASHED)
        answer = await client.get(extra="Accept: application/vnd.heroku+json; version=3\r\n")
        assert answer.header("content-type") == "application/json"
        document = json.loads(answer.body)
        assert (document["id"], document["code"]) == ("unavailable", "H10")
        assert document["request_id"] in await router.logged("H10")
        head = await client.ask(b"HEAD / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")
        assert (head.status, head.body) == (503, b"")


async def test_h12_no_answer_in_time():
    async with rig(silent, settings=QUICK) as router, router.client() as client:
        assert (await client.get()).status == 503
        line = await router.logged('at=error code=H12 desc="Request timeout"')
        assert "dyno=web.1 connect=" in line
        assert "status=503 bytes=0" in line


async def test_h13_closed_without_an_answer():
    async with rig(hang_up) as router, router.client() as client:
        assert (await client.get()).status == 503
        assert (await client.ask(post(b"x"))).status == 503
        await router.logged('at=error code=H13 desc="Connection closed without response" method=POST')
        calls = [call.line for call in router.dynos[0].calls]
        assert calls == ["GET / HTTP/1.1", "GET / HTTP/1.1", "POST / HTTP/1.1"]


async def test_h15_silence_in_the_middle_of_an_answer():
    async def stall(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        await asyncio.sleep(30)

    async with rig(stall, settings=QUICK) as router, router.client() as client:
        await client.send(get())
        await client.head()
        assert await client.reader.read() == b"part"
        assert "bytes=4" in await router.logged('at=error code=H15 desc="Idle connection"')


async def test_h15_a_tunnel_where_nobody_speaks():
    async def socket_server(call: Call) -> None:
        await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        await asyncio.sleep(30)

    async with rig(socket_server, settings=QUICK) as router, router.client() as client:
        await client.send(get(extra="Connection: Upgrade\r\nUpgrade: x\r\n"))
        await client.head()
        assert await client.ended()
        await router.logged("code=H15")


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello there\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    ],
)
async def test_h17_an_answer_that_is_not_http(garbage):
    async def speak(call: Call) -> None:
        await call.send(garbage)
        await asyncio.sleep(30)

    async with rig(speak, settings=QUICK) as router, router.client() as client:
        assert (await client.get()).status == 503
        await router.logged('at=error code=H17 desc="Poorly formatted HTTP response"')


async def test_h18_an_answer_broken_off():
    async def break_off(call: Call) -> None:
        chunked = "/chunked" in call.line
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 100"
        await call.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + (b"4\r\npart\r\n" if chunked else b"part"))
        call.writer.close()

    async with rig(break_off) as router:
        for path, seen in (("/", b"part"), ("/chunked", b"4\r\npart\r\n")):
            async with router.client() as client:
                await client.send(get(path))
                await client.head()
                assert await client.reader.read() == seen
            line = await router.logged(f'method=GET path="{path}"')
            assert line.startswith('sock=backend at=error code=H18 desc="Server Request Interrupted"')


async def test_h18_whoever_cannot_tell_by_its_framing_that_an_answer_is_broken_off_is_reset():
    async def break_off(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n")
        await seen.wait()
        call.writer.close()

    seen = asyncio.Event()
    async with rig(break_off) as router, router.client() as client:
        await client.send(b"GET / HTTP/1.0\r\nHost: hello.localhost\r\n\r\n")
        await client.head()
        assert await client.reader.readexactly(4) == b"part"
        seen.set()
        with pytest.raises(ConnectionResetError):
            await client.reader.read()


async def test_h19_connecting_takes_too_long():
    with closing(socket.socket()) as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        others = [socket.socket() for _ in range(4)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", port))
        async with rig(settings=QUICK) as router, router.client() as client:
            router.swap(Dyno("web.1", "127.0.0.1", port))
            assert (await client.get()).status == 503
            await router.logged('at=error code=H19 desc="Backend connection timeout"')
        for other in others:
            other.close()


async def test_h20_an_app_that_never_starts():
    async with rig(settings=QUICK) as router, router.client() as client:
        router.swap(state=State.STARTING)
        assert (await client.get()).status == 503
        await router.logged('at=error code=H20 desc="App boot timeout"')
        assert not router.plane.held


async def test_h21_nothing_listens():
    async with rig(settings=QUICK) as router, router.client() as client:
        router.swap(Dyno("web.1", "127.0.0.1", unused_port()))
        assert (await client.get()).status == 503
        assert "dyno=web.1" in await router.logged('at=error code=H21 desc="Backend connection refused"')


async def test_h27_the_client_leaves_first():
    async with rig(silent) as router:
        for _ in range(2):
            async with router.client() as client:
                await client.send(get())
                while not router.dynos[0].calls:
                    await asyncio.sleep(0.005)
        line = await router.logged('sock=client at=warning code=H27 desc="Client Request Interrupted"')
        assert "status=499" in line
        while any(backend.busy for backend in router.plane.backends.values()):
            await asyncio.sleep(0.005)


async def test_h27_while_the_app_starts():
    async with rig() as router:
        router.swap(state=State.STARTING)
        async with router.client() as client:
            await client.send(get())
            while not router.plane.held:
                await asyncio.sleep(0.005)
        await router.logged("code=H27")
        assert not router.plane.held


async def test_h28_an_upload_that_stalls():
    async with rig(ok, settings=QUICK) as router, router.client() as client:
        await client.send(post(b"", "").replace(b"Length: 0", b"Length: 10") + b"half")
        assert await client.ended()
        await router.logged('code=H28 desc="Client Connection Idle"')


async def test_h28_a_client_that_stops_reading():
    async def flood(call: Call) -> None:
        await call.answer(bytes(16 * 2**20))

    async with rig(flood, settings=QUICK) as router, router.client() as client:
        client.writer.transport.pause_reading()
        await client.send(get())
        await router.logged("code=H28")


async def test_h99_a_fault_of_our_own():
    async with rig(ok) as router, router.client() as client:
        router.plane._routes.clear()
        assert (await client.get()).status == 503
        await router.logged('at=error code=H99 desc="Platform error"')


async def test_a_head_that_never_ends_its_arrival():
    async with rig(ok, settings=QUICK) as router, router.client() as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: hel")
        answer = await client.answer()
        assert (answer.status, answer.header("connection")) == (408, "close")


async def test_a_slow_but_living_download_is_not_cut():
    async def flood(call: Call) -> None:
        await call.answer(bytes(8 * 2**20))

    async with rig(flood, settings=QUICK) as router, router.client() as client:
        await client.send(get())
        await client.head()
        for _ in range(4):
            client.writer.transport.pause_reading()
            await asyncio.sleep(0.12)
            client.writer.transport.resume_reading()
            await client.reader.readexactly(2 * 2**20)
        await router.logged("at=info")


HOST = b"Host: hello.localhost\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3, 3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: \r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length : 3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: hello.localhost\n\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET http://u@hello.localhost/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET ftp://hello.localhost/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"NONSENSE / HTTP/1.1\r\n" + HOST + b"\r\n", 501),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
        (b"GET /\r\n\r\n", 400),
        (b"CONNECT hello.localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Expect: a-miracle\r\nContent-Length: 1\r\n\r\nx", 417),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 2000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 300_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
    ids=lambda value: value[:70].decode("latin-1").replace("\r\n", "|") if isinstance(value, bytes) else None,
)
async def test_requests_that_are_refused(request_bytes, status):
    async with rig(ok) as router, router.client() as client:
        client.writer.write(request_bytes)
        answer = await client.answer()
        assert (answer.status, answer.header("connection")) == (status, "close")
        assert await client.ended()
        assert f"status={status}" in await router.logged("at=error")
        assert len(router.dynos[0].calls) <= 1


async def test_h26_is_logged_for_the_app_whose_host_was_named():
    async with rig(ok) as router, router.client() as client:
        await client.send(get("/1", "A: b\r\n") + b"GET /2 HTTP/1.1\r\nX: y\r\n" + HOST + b"Z: z\r\nX Y: z\r\n\r\n")
        assert [(await client.answer()).status for _ in range(2)] == [200, 400]
        _, line = router.lines
        assert set(router.plane.journal._boxes) == {"", "id-of-hello"}
    assert line.startswith('at=error code=H26 desc="Request Error" cause="bad header: Invalid header token" method=GET')
    assert 'path="/2" host=hello.localhost request_id=' in line


async def test_what_came_before_a_broken_request_is_answered():
    async with rig(ok) as router, router.client() as client:
        await client.send(get() + b"broken\r\n\r\n")
        assert (await client.answer()).status == 200
        assert (await client.answer()).status == 400
        assert await client.ended()


async def test_a_bad_chunk_in_the_middle_of_an_upload_reaches_no_dyno_as_a_whole_request():
    whole: list[bytes] = []

    async def collect(call: Call) -> None:
        whole.append(await call.body())

    async with rig(collect) as router, router.client() as client:
        await client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await asyncio.sleep(0.05)
        await client.send(b"-1\r\n")
        assert (await client.answer()).status == 400
        assert await client.ended()
        assert whole == []
        assert all(not backend.busy for backend in router.plane.backends.values())


async def test_log_lines_cannot_be_forged():
    async with rig(ok) as router, router.client() as client:
        await client.get('/"x\\')
        await client.get(extra='X-Forwarded-For: 1" at=info "\tx\xe9\r\n')
        assert 'path="/\\"x\\\\"' in await router.logged("path=")
        assert 'fwd="1\\" at=info \\"\\x09x\\xc3\\xa9, 127.0.0.1"' in await router.logged('fwd="1\\')
