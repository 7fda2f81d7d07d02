"""HTTP/2 over time: bodies both ways, windows, resets, time-outs, and what a client may not do."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from time import monotonic

import pytest
from h2_dynos import called, gone, left, never, sending
from h2_rig import data, get, raw, reset, rig2, settings, window
from router_rig import PATIENT, QUICK, Call, ok

from router.settings import Settings

NO_ERROR, PROTOCOL, INTERNAL, CANCEL = 0, 1, 2, 8
MIB = 1024 * 1024


# Bodies and windows


async def test_a_large_body_either_way():
    async def behaviour(call: Call) -> None:
        body = await call.body()
        await call.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        await call.send(body)

    async with rig2(behaviour) as router, router.client(INITIAL_WINDOW_SIZE=2**24) as client:
        client.say(window(0, 2**24))
        stream = client.ask(get("/", method="POST"), end=False)
        for number in range(300):
            at = number * 16_384
            # What the client may send grows as the dyno takes what came.
            await client.until(lambda at=at: min(
                client.room.get(0, 0) + 65_535, client.room.get(stream, 0) + client.settings[4]) >= at + 16_384)
            client.say(data(stream, b"%07d," % number * 2048, end=number == 299))
            await client.writer.drain()
        answer = await client.answer(stream)
        assert answer.body == b"".join(b"%07d," % number * 2048 for number in range(300))
        assert max(answer.sizes) <= 16_384


async def test_a_dyno_that_does_not_read_holds_back_its_own_request_only():
    async def behaviour(call: Call) -> None:
        if call.line.startswith("POST"):
            await asyncio.sleep(3600)
        await call.answer()

    async with rig2(behaviour, settings=Settings()) as router, router.client() as client:
        stream = client.ask(get("/", method="POST"), end=False)
        sent = 0
        quiet = 0
        while quiet < 20 and sent < 64 * MIB:
            if min(client.room.get(0, 0) + 65_535, client.room.get(stream, 0) + client.settings[4]) - sent < 16_384:
                quiet += 1
                assert (await client.get("/other")).status == 200
                continue
            quiet = 0
            client.say(data(stream, b"x" * 16_384))
            sent += 16_384
            await client.writer.drain()
        assert sent < 64 * MIB
        (held,) = [each for each in router.plane.clients for each in each._streams.values()]
        assert len(held._held) <= Settings().stream_window


async def test_bodies_nobody_takes_leave_room_for_others():
    async with rig2(ok) as router, router.client() as client:
        for _ in range(40):
            room = client.room.get(0, 0)
            stream = client.ask(get("/", method="POST", host="nobody"), [b"x" * 16_000] * 4, end=False)
            assert (await client.answer(stream)).status == 404
            assert client.room.get(0, 0) >= room
        # 2.5 MB came, and more than one connection's window was given back.
        await client.until(lambda: client.room[0] > 2 * MIB)


async def test_an_answer_waits_for_the_clients_window_and_the_dyno_with_it():
    async with rig2(sending(8 * MIB), settings=Settings()) as router, router.client() as client:
        stream = client.ask(get())
        await client.until(lambda: stream in client.answers and len(client.answers[stream].body) == 65_535)
        (connection,) = router.plane.clients
        for _ in range(20):
            assert (await client.get(host="nobody", method="HEAD")).status == 404
            client.say(raw(6, 0, 0, bytes(8)))
            await client.until(lambda: client.pings)
            client.pings.clear()
            assert sum(each._waiting for each in connection._streams.values()) < MIB
        assert len(client.answers[stream].body) == 65_535
        client.say(window(0, 30 * MIB), window(stream, 30 * MIB))
        answer = await client.answer(stream)
        assert (len(answer.body), answer.code) == (8 * MIB, None)
        await router.rig.logged(f"status=200 bytes={8 * MIB}")


async def test_a_window_of_a_stream_does_not_hold_up_another():
    async with rig2(sending(200_000), settings=Settings()) as router, router.client() as client:
        client.say(window(0, 10 * MIB))
        one, two = client.ask(get("/1")), client.ask(get("/2"))
        client.say(window(two, MIB))
        assert len((await client.answer(two)).body) == 200_000
        assert len(client.answers[one].body) == 65_535
        client.say(window(one, MIB))
        assert len((await client.answer(one)).body) == 200_000


async def test_windows_may_shrink_below_nothing():
    async with rig2(sending(100_000), settings=Settings()) as router, router.client() as client:
        stream = client.ask(get())
        await client.until(lambda: stream in client.answers and len(client.answers[stream].body) == 65_535)
        client.say(settings(INITIAL_WINDOW_SIZE=10), window(0, MIB), window(stream, 65_535))
        await client.until(lambda: len(client.answers[stream].body) == 65_545)
        client.say(settings(INITIAL_WINDOW_SIZE=MIB))
        assert len((await client.answer(stream)).body) == 100_000


async def test_answers_share_the_connection_frame_by_frame():
    async with rig2(sending(MIB), settings=Settings()) as router, router.client(INITIAL_WINDOW_SIZE=2**24) as client:
        streams = [client.ask(get(f"/{number}")) for number in range(4)]
        client.say(window(0, 2**24))
        await client.until(lambda: any(client.answers[stream].ended for stream in streams if stream in client.answers))
        assert all(len(client.answers[stream].body) > MIB // 4 for stream in streams)


_EMPTY = get("/", ("content-length", "0"), method="POST")


async def test_a_request_that_is_to_have_no_body_waits_until_it_has_none():
    async with rig2(ok) as router, router.client() as client:
        stream = client.ask(_EMPTY, end=False)
        assert (await client.get("/before")).status == 200
        (dyno,) = router.rig.dynos
        assert [call.line for call in dyno.calls] == ["GET /before HTTP/1.1"]
        client.say(data(stream, b"", end=True))
        assert (await client.answer(stream)).status == 200
        assert dyno.calls[1].line == "POST / HTTP/1.1"


async def test_no_dyno_hears_of_a_body_longer_than_none():
    async with rig2(ok) as router, router.client() as client:
        stream = client.ask(_EMPTY, [b"x"])
        assert (await client.answer(stream)).status == 400
        await router.rig.logged("code=H26")
        assert not router.rig.dynos[0].connections


async def test_h27_and_h28_of_a_request_that_never_begins():
    async with rig2(ok, settings=QUICK) as router, router.client() as client:
        taken_back, silent = client.ask(_EMPTY, end=False), client.ask(_EMPTY, end=False)
        client.say(reset(taken_back))
        assert (await client.answer(silent)).code == CANCEL
        for code in ("H27", "H28"):
            assert "host=hello.localhost" in await router.rig.logged(f"code={code}")
        assert not router.rig.dynos[0].connections
        assert (await client.get()).status == 200


@pytest.mark.parametrize("fields", [(), (("content-length", "200000"),)])
async def test_an_answer_before_the_end_of_an_upload_ends_the_upload_and_not_the_connection(fields):
    async def behaviour(call: Call) -> None:
        await call.answer(b"early")
        await gone(call)

    async with rig2(behaviour) as router, router.client() as client:
        stream = client.ask(get("/", *fields, method="POST"), [b"x"], end=False)
        answer = await client.answer(stream)
        await client.until(lambda: client.code(stream))
        assert (answer.status, answer.body, answer.ended, answer.code) == (200, b"early", True, NO_ERROR)
        # The client has not heard of that yet.
        client.say(data(stream, b"x" * 1000), data(stream, b"x", end=True))
        assert (await client.get()).body == b"early"


async def test_what_nobody_takes_of_an_upload_may_still_come_for_a_while():
    async def behaviour(call: Call) -> None:
        await call.answer(b"early")
        await gone(call)

    async with rig2(behaviour, settings=Settings()) as router, router.client() as client:
        stream = client.ask(get("/", ("content-length", "800000"), method="POST"), end=False)
        assert (await client.answer(stream)).body == b"early"
        for number in range(50):
            room = number * 16_000 + 16_000 - client.settings[4]
            await client.until(lambda room=room: client.room.get(stream, 0) >= room)
            client.say(data(stream, b"x" * 16_000, end=number == 49))
        assert (await client.get(host="nobody")).status == 404
        assert client.answers[stream].code is None
        (connection,) = router.plane.clients
        assert connection.idle


# Who leaves, and who is slow


async def test_h27_a_request_that_the_client_takes_back():
    async with rig2(never) as router, router.client() as client:
        stream = client.ask(get())
        call = await called(router)
        client.say(reset(stream))
        await left(call)
        await router.rig.logged('sock=client at=warning code=H27 desc="Client Request Interrupted" method=GET')
        assert (await client.get(host="nobody")).status == 404
        assert router.plane.table.apps[0].id in router.plane.last_request


async def test_h27_in_the_middle_of_an_answer_and_of_an_upload():
    async def behaviour(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart")
        await gone(call)

    async with rig2(behaviour) as router, router.client() as client:
        stream = client.ask(get("/", method="POST"), [b"x"], end=False)
        await client.until(lambda: stream in client.answers and client.answers[stream].body == b"part")
        client.say(reset(stream))
        line = await router.rig.logged("code=H27")
        assert "status=499 bytes=4" in line
        await left(await called(router))


async def test_h27_of_all_when_the_connection_breaks():
    async with rig2(never) as router:
        async with router.client() as client:
            for number in range(3):
                client.ask(get(f"/{number}"))
            await called(router, 3)
        for number in range(3):
            await router.rig.logged(f'code=H27 desc="Client Request Interrupted" method=GET path="/{number}"')
        for call in router.rig.dynos[0].calls:
            await left(call)
        assert not router.plane.clients


async def test_a_reset_that_comes_too_late_is_nothing():
    async with rig2(ok) as router, router.client() as client:
        for _ in range(3):
            stream = client.ask(get())
            assert (await client.answer(stream)).status == 200
            client.say(window(stream, 5), reset(stream))
        assert (await client.get()).status == 200


async def test_h28_a_client_that_takes_nothing():
    async with rig2(sending(MIB), settings=QUICK) as router, router.client(INITIAL_WINDOW_SIZE=0) as client:
        stream = client.ask(get())
        assert (await client.answer(stream)).code == INTERNAL
        line = await router.rig.logged("code=H28")
        assert "status=499" in line
        assert (await client.get(host="nobody", method="HEAD")).status == 404


async def test_h28_a_client_that_takes_a_byte_at_a_time():
    slow = replace(QUICK, body_rate=4000)
    async with rig2(sending(MIB), settings=slow) as router, router.client(INITIAL_WINDOW_SIZE=0) as client:
        stream = client.ask(get())
        while not client.code(stream):
            client.say(window(stream, 1))
            await asyncio.sleep(0.02)
            client.say(raw(6, 0, 0, bytes(8)))
            await client.until(lambda: client.pings)
            client.pings.clear()
        await router.rig.logged("code=H28")


async def test_a_client_that_is_slow_but_not_too_slow_gets_all():
    async with rig2(sending(300_000), settings=QUICK) as router, router.client(INITIAL_WINDOW_SIZE=0) as client:
        stream = client.ask(get())
        for _ in range(10):
            client.say(window(stream, 30_000), window(0, 30_000))
            await asyncio.sleep(0.1)
        answer = await client.answer(stream)
        assert (len(answer.body), answer.code) == (300_000, None)
        await router.rig.logged("status=200 bytes=300000")


async def test_a_small_answer_that_is_never_taken_is_not_kept_for_ever():
    async with rig2(ok, settings=QUICK) as router, router.client(INITIAL_WINDOW_SIZE=0) as client:
        stream = client.ask(get())
        answer = await client.answer(stream)
        assert (answer.status, answer.body, answer.code) == (200, b"", CANCEL)
        await router.rig.logged("status=200 bytes=2")


async def test_h28_a_client_that_sends_nothing():
    async with rig2(never, settings=QUICK) as router, router.client() as client:
        stream = client.ask(get("/", method="POST"), [b"x"], end=False)
        assert (await client.answer(stream)).code == CANCEL
        await router.rig.logged("code=H28")


@pytest.mark.thorough
async def test_a_client_that_makes_us_talk_and_does_not_listen_is_heard_no_further():
    async with rig2(ok, settings=replace(PATIENT, trifles=10**9)) as router, router.client() as client:
        (connection,) = router.plane.clients
        client.reader._transport.pause_reading()
        # Or the kernel takes ten megabytes of answers first.
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ping = raw(6, 0, 0, bytes(8)) * 1000
        async with asyncio.timeout(20):
            while not connection.outlet.deaf:
                client.say(ping)
                await asyncio.sleep(0)
        assert connection.transport.get_write_buffer_size() < 2 * MIB
        client.reader._transport.resume_reading()
        async with asyncio.timeout(20):
            while connection.outlet.deaf:
                await client.until(lambda: client.pings)
                client.pings.clear()


async def test_who_brings_much_at_once_waits_for_its_next_turn():
    async with rig2(ok, protocol="http") as router, router.client() as client, router.client() as other:
        asked = get(host="nobody", scheme="http")
        assert (await client.get("/first", scheme="http")).status == 200
        one, two = sorted(router.plane.clients, key=lambda each: -each._highest)
        told = [number.to_bytes(8) for number in range(1000)]
        one.data_received(b"".join(raw(6, 0, 0, each) for each in told))
        two.data_received(b"".join(other.head(number, asked) for number in range(1, 121, 2)))
        assert not any(each.idle or each.transport.is_reading() for each in (one, two))
        # It is not the client who keeps us waiting.
        one.check(monotonic() + 1000)
        assert len(two._streams) < 20
        await client.until(lambda: len(client.pings) == 1000)
        assert client.pings == told
        assert [(await other.answer(number)).status for number in range(1, 121, 2)] == [404] * 60
        assert (await client.get("/last", scheme="http")).status == 200
        assert one.transport.is_reading() and two.transport.is_reading() and one.idle


async def test_what_waits_for_its_turn_is_not_taken_after_the_end():
    ping, nothing = raw(6, 0, 0, bytes(8)), window(0, 0)
    async with rig2(ok, protocol="http") as router:
        async with router.client() as client, router.client() as gone:
            one, two = router.plane.clients
            for connection in (one, two):
                connection.data_received(ping * 1000 + nothing + ping * 1000)
            assert await client.ended() == await gone.ended() == PROTOCOL
            assert len(client.pings) == len(gone.pings) == 1000
        async with router.client() as client:
            (connection,) = router.plane.clients
            connection.data_received(ping * 1000 + nothing)
            connection.transport.abort()
            await client.end()
        async with asyncio.timeout(5):
            while router.plane.turns._waiting:
                await asyncio.sleep(0)
        assert sum("a window grows by nothing" in line for line in router.rig.lines) == 2
