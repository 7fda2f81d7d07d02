"""WebSockets over HTTP/2 (RFC 8441): a stream and a dyno's connection that become a tunnel, and how it ends."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace

import pytest
from h2_dynos import called, gone, left, telling
from h2_rig import Fields, data, get, reset, rig2, window
from router_rig import PATIENT, QUICK, Call, ok

from router.settings import Settings

PROTOCOL, NO_ERROR, CALM = 1, 0, 11
MIB = 1024 * 1024
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n"


def socket(path: str = "/", *extra: tuple[str, str]) -> Fields:
    """What asks for a socket."""
    return [(":protocol", "websocket"), *get(path, ("sec-websocket-version", "13"), *extra, method="CONNECT")]


async def echo(call: Call) -> None:
    """A dyno that switches and sends back what it gets."""
    await call.send(SWITCH + b"Sec-WebSocket-Protocol: chat\r\n\r\n")
    while piece := await call.reader.read(65536):
        await call.send(piece)
    call.writer.close()


async def opened(client, fields: Fields | None = None) -> int:
    """A socket that is open."""
    stream = client.ask(fields or socket(), end=False)
    await client.until(lambda: stream in client.answers and client.answers[stream].heads)
    assert client.answers[stream].status == 200
    return stream


async def heard(client, stream: int, size: int) -> bytes:
    """The first so many bytes of what the dyno says."""
    await client.until(lambda: stream in client.answers and len(client.answers[stream].body) >= size)
    return bytes(client.answers[stream].body)


@pytest.mark.parametrize("protocol", ["https", "http"])
async def test_bytes_go_both_ways_until_the_client_ends(protocol):
    async with rig2(echo, protocol=protocol) as router, router.client() as client:
        assert client.settings[8] == 1
        stream = await opened(client, socket("/chat?room=1", ("sec-websocket-protocol", "chat"), ("origin", "https://a")))
        assert client.answers[stream].final == {
            ":status": "200", "sec-websocket-protocol": "chat", "date": client.answers[stream].final["date"],
        }  # fmt: skip
        call = await called(router)
        assert call.line == "GET /chat?room=1 HTTP/1.1"
        asked = {name: call.headers(name) for name in (
            "connection", "upgrade", "origin", "sec-websocket-protocol", "sec-websocket-version", "via", ":protocol",
            "transfer-encoding", "x-forwarded-proto")}  # fmt: skip
        assert asked == {
            "connection": ["Upgrade"], "upgrade": ["websocket"], "origin": ["https://a"], ":protocol": [],
            "sec-websocket-protocol": ["chat"], "sec-websocket-version": ["13"], "via": ["2.0 hostd-router"],
            "transfer-encoding": [], "x-forwarded-proto": [protocol],
        }  # fmt: skip
        assert len(base64.b64decode(call.headers("sec-websocket-key")[0])) == 16
        (backend,) = [each for each in router.plane.backends.values() if each.live]
        assert (len(backend.tunnels), backend.in_flight) == (1, 0)
        client.say(data(stream, b"hello, "), data(stream, b"", end=False), data(stream, b"world"))
        assert await heard(client, stream, 12) == b"hello, world"
        # Others are served meanwhile.
        assert (await client.get(host="nobody")).status == 404
        client.say(data(stream, b"!", end=True))
        # What the dyno has to say to that is still heard; then it has had its time.
        answer = await client.answer(stream)
        assert (answer.body, answer.ended, answer.code) == (b"hello, world!", True, None)
        await left(call)
        assert 'path="/chat?room=1" host=hello.localhost' in await router.rig.logged("status=101 bytes=")
        assert not backend.tunnels


async def test_each_socket_has_a_key_of_its_own_whatever_the_client_says():
    async with rig2(echo) as router, router.client() as client:
        for _ in range(2):
            await opened(client, socket("/", ("sec-websocket-key", "mine")))
        keys = [call.headers("sec-websocket-key") for call in router.rig.dynos[0].calls]
        assert all(len(each) == 1 and each != ["mine"] for each in keys)
        assert keys[0] != keys[1]


async def test_the_dyno_ends_it_when_the_client_has_said_its_last():
    async def behaviour(call: Call) -> None:
        await call.send(SWITCH + b"\r\n")
        assert await call.reader.readexactly(5) == b"close"
        await call.send(b"closed")
        call.writer.close()

    async with rig2(behaviour, settings=Settings()) as router, router.client() as client:
        stream = await opened(client)
        client.say(data(stream, b"close", end=True))
        assert (await client.answer(stream)).body == b"closed"
        await router.rig.logged("status=101 bytes=6")


async def test_the_dyno_ends_it():
    async def behaviour(call: Call) -> None:
        await call.send(SWITCH + b"\r\nfirst words")
        call.writer.close()

    async with rig2(behaviour) as router, router.client() as client:
        stream = await opened(client)
        answer = await client.answer(stream)
        assert (answer.body, answer.ended) == (b"first words", True)
        await router.rig.logged("status=101 bytes=11")
        # The client may say that it has heard, and is not heeded.
        client.say(data(stream, b"x", end=True))
        assert (await client.get(host="nobody")).status == 404


async def test_what_is_said_before_the_dyno_has_switched_is_for_it():
    gate = asyncio.Event()

    async def behaviour(call: Call) -> None:
        await gate.wait()
        await echo(call)

    async with rig2(behaviour) as router, router.client() as client:
        stream = client.ask(socket(), [b"early "], end=False)
        await called(router)
        assert (await client.get(host="nobody")).status == 404
        gate.set()
        client.say(data(stream, b"and late"))
        assert await heard(client, stream, 14) == b"early and late"


@pytest.mark.parametrize(("told", "status", "body"), [
    (b"HTTP/1.1 403 Forbidden|Content-Length: 2||no", 403, b"no"),
    (b"HTTP/1.1 302 Found|Location: /x|Content-Length: 0||", 302, b""),
    (b"HTTP/1.1 426 Upgrade Required|Upgrade: other|Connection: Upgrade|Content-Length: 0||", 426, b""),
])  # fmt: skip
async def test_a_dyno_that_does_not_want_to(told, status, body):
    async with rig2(telling(told)) as router, router.client() as client:
        stream = client.ask(socket(), [b"early"], end=False)
        answer = await client.answer(stream)
        assert (answer.status, answer.body, answer.ended) == (status, body, True)
        await router.rig.logged(f"status={status}")
        assert (await client.get(host="nobody")).status == 404


@pytest.mark.parametrize("told", [
    b"HTTP/1.1 200 OK|Content-Length: 2||ok", b"HTTP/1.1 204 No Content||", b"HTTP/1.1 200 OK||until the end",
    b"HTTP/1.1 101 Switching Protocols|Upgrade: other|Connection: Upgrade||",
])  # fmt: skip
async def test_a_dyno_that_knows_no_sockets_opens_none(told):
    """A 200 would say that it has."""
    async with rig2(telling(told)) as router, router.client() as client:
        assert (await client.answer(client.ask(socket(), end=False))).status == 503
        await router.rig.logged("code=H17")
        assert (await client.get(host="nobody")).status == 404


async def test_the_client_takes_it_back():
    async with rig2(echo) as router, router.client() as client:
        stream = await opened(client)
        client.say(reset(stream))
        await left(await called(router))
        await router.rig.logged("status=101")
        early = client.ask(socket(), end=False)
        client.say(reset(early))
        await router.rig.logged("code=H27")


async def test_all_end_with_the_connection():
    async with rig2(echo) as router:
        async with router.client() as client:
            for _ in range(3):
                await opened(client)
        for call in router.rig.dynos[0].calls:
            await left(call)
        assert sum("status=101" in line for line in router.rig.lines) == 3


async def test_h15_a_socket_in_which_nobody_speaks():
    async with rig2(echo, settings=replace(QUICK, idle=0.6)) as router, router.client() as client:
        stream = await opened(client)
        for _ in range(8):
            client.say(data(stream, b"ping"))
            await asyncio.sleep(0.1)
        assert (await client.answer(stream)).ended
        assert client.answers[stream].body == b"ping" * 8
        await router.rig.logged("code=H15")
        await left(await called(router))
        assert (await client.get(host="nobody")).status == 404


async def test_a_dyno_that_does_not_read_holds_the_client_back():
    async def behaviour(call: Call) -> None:
        await call.send(SWITCH + b"\r\n")
        await asyncio.sleep(3600)

    async with rig2(behaviour, settings=Settings()) as router, router.client() as client:
        stream = await opened(client)
        sent = quiet = 0
        while quiet < 20 and sent < 64 * MIB:
            if min(client.room.get(0, 0) + 65_535, client.room.get(stream, 0) + client.settings[4]) - sent < 16_384:
                quiet += 1
                assert (await client.get(host="nobody")).status == 404
                continue
            quiet = 0
            client.say(data(stream, b"x" * 16_384))
            sent += 16_384
            await client.writer.drain()
        assert sent < 64 * MIB


async def test_a_client_that_does_not_read_holds_the_dyno_back():
    async def behaviour(call: Call) -> None:
        await call.send(SWITCH + b"\r\n")
        for number in range(512):
            await call.send(b"%07d," % number * 2048)
        await gone(call)

    async with rig2(behaviour, settings=Settings()) as router, router.client() as client:
        stream = await opened(client)
        await heard(client, stream, 65_535)
        (connection,) = router.plane.clients
        for _ in range(20):
            assert (await client.get(host="nobody", method="HEAD")).status == 404
            assert sum(each._waiting for each in connection._streams.values()) < MIB
        client.say(window(0, 30 * MIB), window(stream, 30 * MIB))
        whole = await heard(client, stream, 512 * 16_384)
        assert whole == b"".join(b"%07d," % number * 2048 for number in range(512))


async def test_many_small_messages_are_no_abuse():
    few = replace(PATIENT, trifles=100, trifle_rate=0.0)
    async with rig2(echo, settings=few) as router, router.client() as client:
        stream = await opened(client)
        for number in range(50):
            client.say(*[data(stream, b"a small message.")] * 10)
            await heard(client, stream, (number + 1) * 160)
        assert not client.went_away


async def test_a_message_in_crumbs_is_abuse():
    few = replace(PATIENT, trifles=100, trifle_rate=0.0)
    async with rig2(echo, settings=few) as router, router.client() as client:
        stream = await opened(client)
        client.say(*[data(stream, b"x")] * 200)
        assert await client.ended() == CALM


async def test_a_tunnel_has_no_trailers():
    async with rig2(echo) as router, router.client() as client:
        stream = await opened(client)
        client.say(client.head(stream, [("x", "y")]))
        assert (await client.answer(stream)).code == PROTOCOL
        await left(await called(router))
        await router.rig.logged("status=101")


async def test_it_is_closed_with_its_dyno():
    async with rig2(echo) as router, router.client() as client:
        stream = await opened(client)
        router.rig.swap(await router.rig.dyno(ok))
        assert await router.plane.drained({f"127.0.0.1:{router.rig.dynos[0].port}"}, 0.05) == (0, 1)
        assert (await client.answer(stream)).ended
        assert (await client.get()).status == 200


async def test_it_is_cut_when_the_worker_ends():
    async with rig2(echo) as router, router.client() as client:
        await opened(client)
        (connection,) = router.plane.clients
        connection.cut()
        await client.end()
        assert client.went_away[-1][1] == NO_ERROR
        await left(await called(router))
        await router.rig.logged("status=101")
