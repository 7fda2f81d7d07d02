"""HTTP/2 as a client meets it: what is spoken, answers, pages and codes."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest
from h2_dynos import never, telling
from h2_rig import Wire2, data, get, reset, rig2, trusting
from router_rig import PATIENT, QUICK, Call, Wire, ok
from router_rig import get as get1

from router.table import App, State, Table

INTERNAL, REFUSED = 2, 7


# What is spoken


@pytest.mark.parametrize(("offered", "chosen"), [
    (("h2", "http/1.1"), "h2"), (("http/1.1", "h2"), "h2"), (("http/1.1",), "http/1.1"), (("spdy/3",), None),
])  # fmt: skip
async def test_http_2_is_spoken_with_whoever_does(offered, chosen):
    async with rig2(ok) as router:
        reader, writer = await asyncio.open_connection("127.0.0.1", router.port, ssl=trusting(*offered))
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
        if chosen == "h2":
            wire2 = Wire2(reader, writer)
            await wire2.greet()
            assert (await wire2.get()).status == 200
        else:
            assert (await Wire(reader, writer).ask(get1())).status == 200
        writer.transport.abort()


async def test_a_request_is_logged_as_others_are():
    async with rig2(ok) as router, router.client() as client:
        answer = await client.get("/a?b=c", ("x-request-id", "0123456789abcdef0123"))
        assert (answer.status, answer.body) == (200, b"ok")
        line = await router.rig.logged("at=info")
        assert re.fullmatch(
            r'.*at=info method=GET path="/a\?b=c" host=hello\.localhost request_id=0123456789abcdef0123 '
            r'fwd="127\.0\.0\.1" dyno=web\.1 connect=\d+ms service=\d+ms status=200 bytes=2 protocol=https', line
        ), line
        assert router.rig.dynos[0].calls[0].headers("via") == ["2.0 hostd-router"]


async def test_requests_are_answered_at_once_and_not_in_turn():
    gate = asyncio.Event()
    there = 0

    async def behaviour(call: Call) -> None:
        nonlocal there
        there += 1
        if call.line.startswith("GET /slow"):
            await gate.wait()
        await call.answer(call.line.split()[1].encode())

    async with rig2(behaviour) as router, router.client() as client:
        slow = [client.ask(get(f"/slow/{number}")) for number in range(99)]
        assert (await client.get("/quick")).body == b"/quick"
        while there < 100:
            await asyncio.sleep(0.005)
        gate.set()
        for number, stream in enumerate(slow):
            assert (await client.answer(stream)).body == f"/slow/{number}".encode()
        assert client.settings[3] == 100


async def test_one_more_than_may_be_is_refused_and_may_be_asked_again():
    async with rig2(never, settings=replace(PATIENT, max_streams=3)) as router, router.client() as client:
        held = [client.ask(get(f"/{number}")) for number in range(3)]
        refused = client.ask(get("/3"))
        assert (await client.answer(refused)).code == REFUSED
        client.say(reset(held[0]))
        again = client.ask(get("/4", host="nobody"))
        assert (await client.answer(again)).status == 404
        assert "GET /3 HTTP/1.1" not in [call.line for call in router.rig.dynos[0].calls]


# Answers

_OK = {":status": "200", "content-length": "2"}


@pytest.mark.parametrize(("told", "heads", "body"), [
    (b"HTTP/1.1 200 OK|Content-Length: 2||ok", [_OK], b"ok"),
    (b"HTTP/1.1 200 OK|X-Upper: y|Content-Length: 2||ok", [{**_OK, "x-upper": "y"}], b"ok"),
    (b"HTTP/1.1 200 OK|X:  a\tb \t|Content-Length: 2||ok", [{**_OK, "x": "a\tb"}], b"ok"),
    (b"HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok|0||", [{":status": "200"}], b"ok"),
    (b"HTTP/1.1 200 OK|Transfer-Encoding: chunked|Trailer: X, Set-Cookie||2|ok|0|X: y|Set-Cookie: a=b||",
     [{":status": "200", "trailer": "X"}, {"x": "y"}], b"ok"),
    (b"HTTP/1.1 200 OK|Transfer-Encoding: chunked||0|X: y||", [{":status": "200"}, {"x": "y"}], b""),
    (b"HTTP/1.1 200 OK||until the end", [{":status": "200"}], b"until the end"),
    (b"HTTP/1.0 200 OK|Content-Length: 2||ok", [_OK], b"ok"),
    (b"HTTP/1.1 200 OK|Content-Length: 0||", [{":status": "200", "content-length": "0"}], b""),
    (b"HTTP/1.1 204 No Content||", [{":status": "204"}], b""),
    (b"HTTP/1.1 304 Not Modified|Content-Length: 5||", [{":status": "304", "content-length": "5"}], b""),
    (b"HTTP/1.1 200 OK|Connection: close, x|X: y|Keep-Alive: 1|Content-Length: 2||ok", [_OK], b"ok"),
    (b"HTTP/1.1 103 Early Hints|Link: </x>||HTTP/1.1 200 OK|Content-Length: 2||ok",
     [{":status": "103", "link": "</x>"}, _OK], b"ok"),
    (b"HTTP/1.1 426 Upgrade Required|Connection: Upgrade|Upgrade: foo|Content-Length: 0||",
     [{":status": "426", "content-length": "0"}], b""),
])  # fmt: skip
async def test_an_answer(told, heads, body):
    async with rig2(telling(told)) as router, router.client() as client:
        answer = await client.get()
        for name in ("via", "date"):
            assert next(head for head in answer.heads if head.get(":status", "0") >= "200").pop(name)
        assert (answer.heads, answer.body, answer.code) == (heads, body, None)
        await router.rig.logged(f"bytes={len(body)}")


async def test_cookies_that_are_set_stay_apart():
    told = b"HTTP/1.1 200 OK|Set-Cookie: a=b|Content-Length: 2|Set-Cookie: c=d||ok"
    async with rig2(telling(told)) as router, router.client() as client:
        fields = (await client.get()).fields
        assert [value for name, value in fields if name == "set-cookie"] == ["a=b", "c=d"]


@pytest.mark.parametrize("size", [0, 100, 2**20])
async def test_who_would_remember_less_is_told_more(size):
    async with rig2(ok) as router, router.client(HEADER_TABLE_SIZE=size) as client:
        # It is judged by hpack whether what the router refers to is still remembered.
        client._decoder.max_allowed_table_size = size
        for _ in range(3):
            assert (await client.get()).final["content-length"] == "2"


async def test_head_has_a_length_and_no_body():
    async with rig2(telling(b"HTTP/1.1 200 OK|Content-Length: 5||")) as router, router.client() as client:
        answer = await client.get(method="HEAD")
        assert (answer.status, answer.final["content-length"], answer.body) == (200, "5", b"")
        assert answer.sizes == []


@pytest.mark.parametrize(("told", "status", "log"), [
    (b"nonsense||", 503, "code=H17"),
    (b"HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: websocket||", 503, "code=H17"),
    (b"HTTP/1.1 200 OK|Content-Length: 2|Content-Length: 3||ok", 502, "code=H25"),
    (b"", 503, "code=H13"),
])  # fmt: skip
async def test_an_answer_that_is_none(told, status, log):
    async with rig2(telling(told)) as router, router.client() as client:
        stream = client.ask(get("/", method="POST"))
        answer = await client.answer(stream)
        assert (answer.status, answer.code) == (status, None)
        assert "no-store" in answer.final["cache-control"]
        await router.rig.logged(log)
        assert (await client.get(host="nobody")).status == 404


@pytest.mark.parametrize("told", [
    b"HTTP/1.1 200 OK|Content-Length: 9||part", b"HTTP/1.1 200 OK|Transfer-Encoding: chunked||4|part|",
])  # fmt: skip
async def test_h18_an_answer_that_breaks_off_is_no_whole_one(told):
    async with rig2(telling(told)) as router, router.client() as client:
        answer = await client.get()
        assert (answer.ended, answer.code) == (False, INTERNAL)
        await router.rig.logged("code=H18")
        assert (await client.get(host="nobody")).status == 404


async def test_expecting_to_be_told_to_go_on():
    async def behaviour(call: Call) -> None:
        assert call.headers("expect") == ["100-continue"]
        await call.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await call.answer(await call.body())

    async with rig2(behaviour) as router, router.client() as client:
        fields = get("/", ("expect", "100-continue"), ("content-length", "5"), method="POST")
        stream = client.ask(fields, end=False)
        await client.until(lambda: stream in client.answers and client.answers[stream].heads)
        assert client.answers[stream].heads[0] == {":status": "100"}
        client.say(data(stream, b"hello", end=True))
        assert (await client.answer(stream)).body == b"hello"


@pytest.mark.parametrize(("accept", "kind"), [("text/html", "text/html"), ("application/json", "application/json")])
async def test_pages(accept, kind):
    async with rig2(ok) as router, router.client() as client:
        for state, status, log in ((State.MAINTENANCE, 503, "code=H80"), (State.CRASHED, 503, "code=H10")):
            router.rig.swap(state=state)
            answer = await client.get("/", ("accept", accept))
            assert (answer.status, answer.final["content-type"].split(";")[0]) == (status, kind)
            assert len(answer.body) == int(answer.final["content-length"])
            assert "connection" not in answer.final
            await router.rig.logged(log)


async def test_a_page_says_when_a_method_is_not_allowed():
    async with rig2(ok) as router, router.client() as client:
        answer = await client.answer(client.ask([(":method", "CONNECT"), (":authority", "hello.localhost")]))
        assert (answer.status, "GET" in answer.final["allow"]) == (405, True)


async def test_who_waits_for_an_app_to_start_is_served_with_what_was_sent_meanwhile():
    async def behaviour(call: Call) -> None:
        await call.answer(b"%d" % len(await call.body()))

    async with rig2() as router, router.client() as client:
        router.rig.swap(state=State.STARTING)
        dyno = await router.rig.dyno(behaviour)
        stream = client.ask(get("/", method="POST"), [b"a" * 16_000] * 4)
        other = client.ask(get("/", ("content-length", "48000"), method="POST"), [b"a" * 16_000] * 3)
        assert (await client.get(host="nobody")).status == 404
        router.rig.swap(dyno)
        assert (await client.answer(stream)).body == b"64000"
        assert (await client.answer(other)).body == b"48000"


async def test_h20_who_waits_too_long_is_told():
    async with rig2(settings=QUICK) as router, router.client() as client:
        router.rig.swap(state=State.STARTING)
        assert (await client.get()).status == 503
        await router.rig.logged("code=H20")


async def test_h12_a_dyno_that_does_not_answer():
    async with rig2(never, settings=QUICK) as router, router.client() as client:
        assert (await client.get()).status == 503
        await router.rig.logged("code=H12")


async def test_h31_another_app_on_the_same_certificate_is_asked_on_a_connection_of_its_own():
    async with rig2(ok) as router:
        spots = (router.rig.dynos[0].dyno,)
        first = App("a", "hello", ("hello.localhost", "www.localhost"), State.UP, spots)
        second = App("b", "other", ("other.localhost",), State.UP, spots, hsts="max-age=60")
        router.plane.swap(Table(99, "localhost", (first, second)))
        async with router.client("hello.localhost") as client:
            assert (await client.get(host="www.localhost")).status == 200
            assert (await client.get(host="other.localhost")).status == 421
            assert (await client.get(host="hello.localhost")).status == 200
        await router.rig.logged("code=H31")
        async with router.client("other.localhost") as client:
            answer = await client.get(host="other.localhost")
            assert (answer.status, answer.final["strict-transport-security"]) == (200, "max-age=60")
