"""Requests and answers passing through: framing, streaming, pipelining, upgrades, back-pressure."""

import asyncio

import pytest
from router_rig import Call, get, ok, post, rig


async def test_a_request_reaches_the_dyno_with_the_headers_of_a_gateway():
    async with rig(ok) as router, router.client() as client:
        answer = await client.get("/a?b=%2F", "X-Forwarded-For: 9.9.9.9\r\nX-Request-Id: 0123456789-abcdefghij\r\n")
        call = router.dynos[0].calls[0]
        assert (answer.status, answer.body) == (200, b"ok")
        assert answer.header("via") == "1.1 hostd-router"
        assert call.line == "GET /a?b=%2F HTTP/1.1"
        assert call.headers("host") == ["hello.localhost"]
        assert call.headers("x-forwarded-for") == ["9.9.9.9, 127.0.0.1"]
        assert call.headers("x-forwarded-proto") == ["http"]
        assert call.headers("x-forwarded-port") == [str(router.port)]
        assert call.headers("x-request-id") == ["0123456789-abcdefghij"]
        assert len(call.headers("x-request-start")[0]) == 13
        assert call.headers("via") == ["1.1 hostd-router"]
        line = await router.logged("path=")
        assert line.startswith(
            'at=info method=GET path="/a?b=%2F" host=hello.localhost request_id=0123456789-abcdefghij '
            'fwd="9.9.9.9, 127.0.0.1" dyno=web.1 connect='
        )
        assert line.endswith("status=200 bytes=2 protocol=http")


async def test_connections_are_kept_on_both_sides():
    async with rig(ok) as router:
        for _ in range(2):
            async with router.client() as client:
                for _ in range(3):
                    assert (await client.get()).status == 200
        assert (len(router.dynos[0].calls), router.dynos[0].connections) == (6, 1)


async def test_pipelined_requests_are_answered_one_by_one_in_order():
    running = 0

    async def echo(call: Call) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.002)
        running -= 1
        await call.answer(call.line.encode())

    async with rig(echo) as router, router.client() as client:
        await client.send(b"".join(get(f"/{number}") for number in range(30)))
        for number in range(30):
            assert (await client.answer()).body == f"GET /{number} HTTP/1.1".encode()


@pytest.mark.thorough
async def test_thousands_of_pipelined_requests_wait_unparsed():
    async with rig(ok) as router, router.client() as client:
        await client.send(get() * 2000 + get(extra="Host: again\r\n"))
        for _ in range(2000):
            assert (await client.answer()).status == 200
        assert (await client.answer()).status == 400


async def test_pipelined_requests_to_nowhere_do_not_exhaust_the_stack():
    async with rig(ok) as router, router.client() as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: nowhere\r\n\r\n" * 1500)
        for _ in range(1500):
            assert (await client.answer()).status == 404


async def test_a_chunked_body_is_framed_anew_each_way():
    async def echo(call: Call) -> None:
        body = await call.body()
        assert call.headers("transfer-encoding") == ["chunked"]
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n")
        for start in range(0, len(body), 3):
            piece = body[start : start + 3]
            await call.send(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece))
            await asyncio.sleep(0.002)
        await call.send(b"0\r\nX: y\r\n\r\n")

    async with rig(echo) as router, router.client() as client:
        request = b"POST / HTTP/1.1\r\nHost: hello.localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        for _ in range(2):
            answer = await client.ask(request + b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: x\r\n\r\n")
            assert (answer.body, answer.header("transfer-encoding")) == (b"hello world", "chunked")
        assert router.dynos[0].connections >= 1


async def test_a_request_may_arrive_byte_by_byte():
    async with rig(ok) as router, router.client() as client:
        for byte in post(b"abc"):
            await client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.answer()).status == 200


async def test_an_answer_without_length_becomes_chunked_and_the_client_stays():
    async def old_style(call: Call) -> None:
        await call.send(b"HTTP/1.0 200 OK\r\n\r\nhello")
        call.writer.close()

    async with rig(old_style) as router, router.client() as client:
        for _ in range(3):
            answer = await client.get()
            assert (answer.body, answer.header("transfer-encoding")) == (b"hello", "chunked")


async def test_http_1_0_clients():
    async def chunked(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")

    async with rig(chunked) as router, router.client() as client:
        answer = await client.ask(b"GET / HTTP/1.0\r\nHost: hello.localhost\r\nConnection: keep-alive\r\n\r\n")
        assert (answer.body, answer.header("connection"), answer.header("transfer-encoding")) == (b"hello", "close", "")
        assert await client.ended()
    async with rig(ok) as router, router.client() as client:
        request = b"GET / HTTP/1.0\r\nHost: hello.localhost\r\nConnection: keep-alive\r\n\r\n"
        assert (await client.ask(request)).header("connection") == "keep-alive"
        assert (await client.ask(request.replace(b"keep-alive", b"close"))).header("connection") == "close"
        assert await client.ended()


async def test_answers_without_a_body():
    async def by_path(call: Call) -> None:
        if "/head" in call.line:
            await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
        elif "/304" in call.line:
            await call.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: x\r\n\r\n")
        elif "/204" in call.line:
            await call.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            await call.answer(b"")

    async with rig(by_path) as router, router.client() as client:
        head = await client.ask(b"HEAD /head HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")
        assert (head.status, head.header("content-length")) == (200, "1234")
        assert (await client.get("/304")).header("etag") == "x"
        assert (await client.get("/204")).status == 204
        assert (await client.get("/empty")).body == b""
        assert (await client.ask(b"HEAD /head HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")).status == 200
        assert router.dynos[0].connections == 1


async def test_expect_100_continue_and_early_hints():
    async def polite(call: Call) -> None:
        assert call.headers("expect") == ["100-continue"]
        await call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        await call.answer(await call.body())

    async with rig(polite) as router, router.client() as client:
        await client.send(post(b"", "Expect: 100-continue\r\n").replace(b"Length: 0", b"Length: 5"))
        hints = await client.answer()
        assert (hints.status, hints.header("link")) == (103, "</x>")
        assert (await client.answer()).status == 100
        await client.send(b"hello")
        assert (await client.answer()).body == b"hello"


async def test_a_refused_upload_gets_its_answer_and_the_connection_ends():
    async def refuse(call: Call) -> None:
        await call.answer(b"too big", status="413 Content Too Large")
        call.writer.close()

    async with rig(refuse) as router, router.client() as client:
        await client.send(post(b"", "").replace(b"Length: 0", b"Length: 100000000"))
        answer = await client.answer()
        assert (answer.status, answer.body, answer.header("connection")) == (413, b"too big", "close")


async def test_hop_by_hop_headers_stay_here():
    async def chatty(call: Call) -> None:
        lines = ("Connection: keep-alive, X-Mine", "Keep-Alive: timeout=5", "X-Mine: 1", "X-Yours: 2", "")
        await call.answer(extra="\r\n".join(lines))

    async with rig(chatty) as router, router.client() as client:
        answer = await client.get(
            extra="Connection: keep-alive, X-Secret\r\nX-Secret: 1\r\nTE: trailers\r\nKeep-Alive: 1\r\n"
            "X_Forwarded_For: 6.6.6.6\r\nProxy-Authorization: x\r\nX-Kept: 1\r\n"
        )
        head = router.dynos[0].calls[0].head.lower()
        for gone in (b"x-secret", b"keep-alive", b"6.6.6.6", b"proxy-authorization"):
            assert gone not in head
        assert b"x-kept: 1" in head
        assert (answer.header("x-mine"), answer.header("x-yours"), answer.header("keep-alive")) == ("", "2", "")


async def test_cookies_and_other_repeated_headers_keep_their_order():
    async def cookies(call: Call) -> None:
        await call.answer(extra="Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n")

    async with rig(cookies) as router, router.client() as client:
        answer = await client.get(extra="X-A: 1\r\nX-A: 2\r\n")
        assert answer.header("set-cookie") == "a=1, b=2"
        assert router.dynos[0].calls[0].headers("x-a") == ["1", "2"]


async def test_absolute_form_and_asterisk():
    async with rig(ok) as router, router.client() as client:
        await client.ask(b"GET http://HELLO.localhost:80/x?y HTTP/1.1\r\nHost: other\r\n\r\n")
        await client.ask(b"OPTIONS * HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")
        first, second = router.dynos[0].calls
        assert (first.line, first.headers("host")) == ("GET /x?y HTTP/1.1", ["HELLO.localhost:80"])
        assert second.line == "OPTIONS * HTTP/1.1"


async def test_a_websocket_becomes_a_tunnel():
    async def socket(call: Call) -> None:
        assert call.headers("upgrade") == ["websocket"]
        assert call.headers("connection") == ["Upgrade"]
        await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi ")
        while data := await call.reader.read(65536):
            await call.send(data.upper())
        call.writer.close()

    async with rig(socket) as router, router.client() as client:
        await client.send(get(extra="Connection: Upgrade\r\nUpgrade: websocket\r\n") + b"first")
        assert (await client.head()).startswith(b"HTTP/1.1 101 ")
        assert await client.reader.readexactly(8) == b"hi FIRST"
        await client.send(b"abc" * 50_000)
        assert await client.reader.readexactly(150_000) == b"ABC" * 50_000
        backend = next(iter(router.plane.backends.values()))
        assert (backend.in_flight, len(backend.tunnels)) == (0, 1)
        client.writer.close()
        assert "status=101 bytes=150008" in await router.logged("at=info")
        assert not backend.busy


async def test_an_upgrade_that_the_dyno_declines_is_a_plain_request():
    async with rig(ok) as router, router.client() as client:
        upgrade = get("/1", "Connection: Upgrade\r\nUpgrade: websocket\r\n")
        http2 = get("/2", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n")
        await client.send(upgrade + http2 + get("/3"))
        for _ in range(3):
            assert (await client.answer()).status == 200
        assert router.dynos[0].calls[1].headers("upgrade") == []


async def test_a_slow_reader_holds_the_dyno_back_and_memory_stays_bounded():
    size, sent = 64 * 2**20, 0

    async def flood(call: Call) -> None:
        nonlocal sent
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 2**18):
            await call.send(bytes(2**18))
            sent += 2**18

    async with rig(flood) as router, router.client() as client:
        client.writer.transport.pause_reading()
        await client.send(get())
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.1)
        held = sum(item.transport.get_write_buffer_size() for item in router.plane.clients)
        assert 0 < held < 2**20
        assert sent < size // 2
        client.writer.transport.resume_reading()
        await client.head()
        left = size
        while left:
            left -= len(await client.reader.read(2**20))
    assert sent == size


@pytest.mark.thorough
async def test_a_slow_dyno_holds_the_uploader_back():
    go = asyncio.Event()

    async def slow(call: Call) -> None:
        await go.wait()
        await call.answer(str(len(await call.body())).encode())

    size = 32 * 2**20
    async with rig(slow) as router, router.client() as client:
        sending = asyncio.create_task(client.send(post(bytes(size))))
        await asyncio.sleep(0.2)
        assert not sending.done()
        upstream = next(iter(router.plane.clients)).exchange.upstream
        assert upstream.transport.get_write_buffer_size() < 2**20
        go.set()
        await sending
        assert (await client.answer()).body == str(size).encode()


async def test_a_client_that_pipelines_and_never_reads_is_not_served_on_and_on():
    async def large(call: Call) -> None:
        await call.answer(bytes(2**18))

    async with rig(large) as router, router.client() as client:
        client.writer.transport.pause_reading()
        client.writer.write(get() * 300)
        await asyncio.sleep(0.3)
        assert len(router.dynos[0].calls) < 150
        assert sum(item.transport.get_write_buffer_size() for item in router.plane.clients) < 2**20


async def test_bytes_after_an_answer_never_reach_the_next_request():
    async def say_more(call: Call) -> None:
        stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + stray[: int(call.line.split()[1][1:])])

    async with rig(say_more) as router, router.client() as client:
        for length in (10, 20, 50, 60):
            assert (await client.get(f"/{length}")).body == b"ok"
        assert (await client.ask(b"HEAD /50 HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")).status == 200
        assert (await client.get("/10")).body == b"ok"
        assert router.dynos[0].connections == 6
