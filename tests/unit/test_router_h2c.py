"""HTTP/2 in clear text, by prior knowledge, beside HTTP/1.1 on the same port: who is taken for what."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from h2_rig import PREFACE, Rig2, get, rig2, settings
from router_rig import QUICK, Wire, ok
from router_rig import get as get1

from router.table import App, State, Table


@asynccontextmanager
async def dialled(router: Rig2) -> AsyncIterator[Wire]:
    """A client that may say anything."""
    wire = Wire(*await asyncio.open_connection("127.0.0.1", router.port))
    try:
        yield wire
    finally:
        await wire.close()


async def in_pieces(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Say a byte at a time."""
    for number in range(len(data)):
        writer.write(data[number : number + 1])
        await asyncio.sleep(0.001)


async def test_a_request_is_logged_and_passed_on_as_of_http():
    async with rig2(ok, protocol="http") as router, router.client() as client:
        assert (await client.get("/a")).body == b"ok"
        assert "method=GET path=\"/a\" host=hello.localhost" in await router.rig.logged("protocol=http")
        (call,) = router.rig.dynos[0].calls
        assert call.headers("x-forwarded-proto") == ["http"]
        assert call.headers("x-forwarded-port") == [str(router.port)]
        assert call.headers("via") == ["2.0 hostd-router"]


async def test_what_a_client_says_of_the_scheme_is_not_believed():
    async with rig2(ok, protocol="http") as router, router.client() as client:
        assert (await client.get(scheme="https")).status == 200
        assert router.rig.dynos[0].calls[0].headers("x-forwarded-proto") == ["http"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "PROPFIND"])
@pytest.mark.parametrize("pieces", [False, True])
async def test_http_1_is_spoken_as_before(method, pieces):
    request = f"{method} / HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: 0\r\n\r\n".encode()
    async with rig2(ok, protocol="http") as router, dialled(router) as client:
        if pieces:
            await in_pieces(client.writer, request)
        else:
            await client.send(request)
        assert (await client.answer()).status == 200
        assert (await client.get("/again")).status == 200
        first, second = router.rig.dynos[0].calls
        assert (first.line, second.line) == (f"{method} / HTTP/1.1", "GET /again HTTP/1.1")
        assert first.headers("via") == ["1.1 hostd-router"]


async def test_the_preface_may_come_in_pieces():
    async with rig2(ok, protocol="http") as router, router.client(greeted=False) as client:
        await in_pieces(client.writer, PREFACE + settings())
        await client.until(lambda: client.acknowledged)
        assert (await client.get()).status == 200


@pytest.mark.parametrize("first", [PREFACE[:-1] + b"X", PREFACE[:16] + get1()])
async def test_what_is_nearly_the_preface_is_refused(first):
    async with rig2(ok, protocol="http") as router, dialled(router) as client:
        await client.send(first)
        answer = await client.answer()
        assert (answer.status, answer.header("connection")) == (400, "close")
        assert await client.ended()
        await router.rig.logged("code=H26")
        assert not router.rig.dynos[0].connections


@pytest.mark.parametrize("together", [False, True])
async def test_the_preface_comes_first_or_not_at_all(together):
    """Behind a proxy that speaks HTTP/1.1 to us it would be somebody else's connection."""
    whole = PREFACE + settings()
    async with rig2(ok, protocol="http") as router, dialled(router) as client:
        if together:
            await client.send(get1() + whole)
            assert (await client.answer()).status == 200
        else:
            assert (await client.get()).status == 200
            await client.send(whole)
        assert (await client.answer()).status == 400
        assert await client.ended()
        assert len(router.rig.dynos[0].calls) == 1


@pytest.mark.parametrize("first", [b"P", PREFACE[:-1]])
async def test_who_begins_and_does_not_go_on_is_told(first):
    async with rig2(ok, settings=QUICK, protocol="http") as router, dialled(router) as client:
        await client.send(first)
        assert (await client.answer()).status == 408
        assert await client.ended()
        assert "status=408" in await router.rig.logged("code=H26")


async def test_who_says_nothing_is_sent_away():
    async with rig2(ok, settings=replace(QUICK, client_idle=0.1), protocol="http") as router, dialled(router) as client:
        assert await client.ended()
        assert not router.plane.clients
        assert router.rig.lines == []


async def test_who_leaves_without_a_word_is_forgotten():
    async with rig2(ok, protocol="http") as router:
        async with dialled(router) as client:
            await client.send(b"PRI")
        async with asyncio.timeout(5):
            while router.plane.clients:
                await asyncio.sleep(0.005)


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("POST", 308)])
async def test_an_app_for_https_only_says_so(method, status):
    async with rig2(ok, protocol="http") as router, router.client() as client:
        spots = (router.rig.dynos[0].dyno,)
        app = App("a", "hello", ("hello.localhost",), State.UP, spots, https_only=True)
        router.plane.swap(Table(99, "localhost", (app,)))
        router.plane.https_port = 443
        answer = await client.get("/a?b", method=method, scheme="https")
        assert (answer.status, answer.final["location"]) == (status, "https://hello.localhost/a?b")
        assert not router.rig.dynos[0].connections
        assert f"status={status}" in await router.rig.logged("protocol=http")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(("option", "version"), [
    ("--http2-prior-knowledge", "2"), ("--http2", "1.1"), ("--http1.1", "1.1"),
])  # fmt: skip
async def test_curl(option, version):
    """--http2 offers to switch (Upgrade: h2c), which RFC 9113 has taken out, and is answered as if it did not."""
    async with rig2(ok, protocol="http") as router:
        process = await asyncio.create_subprocess_exec(
            "curl", "--silent", option, "--resolve", f"hello.localhost:{router.port}:127.0.0.1", "--noproxy", "*",
            "--data", "x=y", "--write-out", " %{http_version} %{response_code}",
            f"http://hello.localhost:{router.port}/", stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert output.decode() == f"ok {version} 200"
        (call,) = router.rig.dynos[0].calls
        assert not call.headers("upgrade") and not call.headers("http2-settings")


async def test_a_message_of_another_app_is_no_fault_without_tls():
    async with rig2(ok, protocol="http") as router, router.client() as client:
        spots = (router.rig.dynos[0].dyno,)
        apps = tuple(App(name, name, (f"{name}.localhost",), State.UP, spots) for name in ("hello", "other"))
        router.plane.swap(Table(99, "localhost", apps))
        for name in ("hello", "other"):
            assert (await client.answer(client.ask(get(host=f"{name}.localhost")))).status == 200
