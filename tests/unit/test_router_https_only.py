"""From http to https: who is sent there, and what HSTS says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from https_rig import ONE, Secure, made, put_default, serving
from router_rig import Call, Wire, get

from router.table import App, State, Table


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[Secure]:
    put_default(tmp_path, made("localhost"))
    async with serving(tmp_path) as started:
        yield started


async def plain(secure: Secure, request: bytes) -> tuple[int, str, str]:
    wire = Wire(*await asyncio.open_connection("127.0.0.1", secure.plain_port))
    answer = await wire.ask(request)
    await wire.close()
    return answer.status, answer.header("location"), answer.header("connection")


@pytest.mark.parametrize(("request_", "port", "status", "location"), [
    (get("/a?b=%20c"), 443, 301, "https://hello.localhost/a?b=%20c"),
    (get("/"), 8443, 301, "https://hello.localhost:8443/"),
    (get("http://hello.localhost/x"), 443, 301, "https://hello.localhost/x"),
    (get("/").replace(b"localhost\r", b"LocalHost:8080\r"), 443, 301, "https://hello.localhost/"),
    (get("/").replace(b"GET", b"PUT"), 443, 308, "https://hello.localhost/"),
    (b"OPTIONS * HTTP/1.1\r\nHost: hello.localhost\r\n\r\n", 443, 308, "https://hello.localhost/"),
])  # fmt: skip
async def test_a_request_over_http_is_sent_to_https(secure, request_, port, status, location):
    secure.plane.https_port = port
    secure.swap(hosts=("hello.localhost",), https_only=True)
    assert (await plain(secure, request_))[:2] == (status, location)


async def test_an_upload_over_http_is_not_taken_in(secure):
    secure.plane.https_port = 443
    secure.swap(hosts=("hello.localhost",), https_only=True)
    request = b"POST / HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: 100000\r\n\r\n"
    assert await plain(secure, request) == (308, "https://hello.localhost/", "close")


async def test_nobody_is_sent_to_https_that_is_not_served(secure):
    secure.swap(hosts=("hello.localhost",), https_only=True)
    assert (await plain(secure, get()))[0] == 200


async def test_over_https_nobody_is_sent_anywhere_and_hsts_is_said(secure):
    secure.plane.https_port = 443
    secure.swap(hosts=("hello.localhost",), https_only=True, hsts="max-age=60; includeSubDomains")
    wire = await secure.dial("hello.localhost")
    answer = await wire.get()
    await wire.close()
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.header("strict-transport-security") == "max-age=60; includeSubDomains"


async def test_hsts_is_not_said_over_http(secure):
    secure.swap(hosts=("hello.localhost",), hsts="max-age=60")
    wire = Wire(*await asyncio.open_connection("127.0.0.1", secure.plain_port))
    assert (await wire.get()).header("strict-transport-security") == ""
    await wire.close()


async def test_what_the_dyno_says_of_hsts_stands(secure):
    async def own(call: Call) -> None:
        await call.answer(extra="strict-Transport-security: max-age=5\r\n")

    secure.fake.behaviour = own
    secure.swap(hosts=("hello.localhost",), hsts="max-age=60")
    wire = await secure.dial("hello.localhost")
    assert (await wire.get()).header("strict-transport-security") == "max-age=5"
    await wire.close()


def test_the_table_brings_it_back():
    app = App("a", "hello", ("a.test", "*.b.test"), State.UP, (), {"*.b.test": ONE}, True, "max-age=1; preload")
    table = Table(1, "localhost", (app, App("b", "other", ("c.test",), State.UP)))
    assert Table.parse(table.to_json()) == table
    assert app.certificate("x.b.test") == ONE
    assert app.certificate("a.test") == ""
