"""What a dyno is told of a request, and what the log says of it, whichever way the request comes."""

import asyncio
import re
from time import time

import pytest
from h2_rig import get as get2
from h2_rig import rig2, trusting
from router_rig import Call, Wire, get, rig

KNOWN = "0123456789-abcdefghij"
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
WAYS = ["http/1.1", "http/1.0", "https/1.1", "https/2.0", "ws/1.1", "wss/1.1"]


async def serve(call: Call) -> None:
    if call.headers("upgrade"):
        await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi")
        await call.reader.read(2)
        call.writer.close()
    else:
        await call.answer(b"ok")


async def asked(way: str, path: str, *fields: tuple[str, str]) -> tuple[Call, str, int]:
    """Ask for a path, in one of the ways. Returns what the dyno got, the line in the log, and the port asked."""
    scheme, version = way.split("/")
    if way == "https/2.0":
        async with rig2(serve) as router, router.client() as two:
            assert (await two.answer(two.ask(get2(path, *fields)))).status == 200
            return router.rig.dynos[0].calls[0], await router.rig.logged("path="), router.port
    extra = "".join(f"{name}: {value}\r\n" for name, value in fields) + UPGRADE * scheme.startswith("ws")
    request = get(path, extra).replace(b"HTTP/1.1", b"HTTP/" + version.encode())
    if scheme in ("http", "ws"):
        async with rig(serve) as router, router.client() as client:
            await talk(client, request, scheme)
            return router.dynos[0].calls[0], await router.logged("path="), router.port
    async with rig2(serve) as router:
        made = await open_secure(router.port)
        await talk(made, request, scheme)
        await made.close()
        return router.rig.dynos[0].calls[0], await router.rig.logged("path="), router.port


async def open_secure(port: int) -> Wire:
    context = trusting("http/1.1")
    return Wire(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="hello.localhost"))


async def talk(client: Wire, request: bytes, scheme: str) -> None:
    await client.send(request)
    if scheme.startswith("ws"):
        assert b" 101 " in await client.head()
        assert await client.reader.readexactly(2) == b"hi"
        await client.send(b"ho")
        assert await client.reader.read() == b""
    else:
        assert (await client.answer()).status == 200


@pytest.mark.parametrize("way", WAYS)
async def test_a_dyno_is_told_where_a_request_comes_from_and_so_is_the_log(way):
    before = int(time() * 1000)
    call, line, port = await asked(way, "/a%2Fb?c=%20", ("x-forwarded-for", "192.0.2.7"), ("x-request-id", KNOWN))
    after = int(time() * 1000)
    scheme, version = way.split("/")
    protocol = "https" if scheme in ("https", "wss") else "http"
    assert call.line == "GET /a%2Fb?c=%20 HTTP/1.1"
    assert call.headers("x-forwarded-for") == ["192.0.2.7, 127.0.0.1"]
    assert call.headers("x-forwarded-proto") == [protocol]
    assert call.headers("x-forwarded-port") == [str(port)]
    assert call.headers("x-request-id") == [KNOWN]
    assert call.headers("via") == [f"{version} hostd-router"]
    (start,) = call.headers("x-request-start")
    assert before <= int(start) <= after
    status, sent = (101, 2) if scheme.startswith("ws") else (200, 2)
    assert re.fullmatch(
        rf'at=info method=GET path="/a%2Fb\?c=%20" host=hello\.localhost request_id={KNOWN} '
        rf'fwd="192\.0\.2\.7, 127\.0\.0\.1" dyno=web\.1 connect=\d+ms service=\d+ms status={status} bytes={sent} '
        rf"protocol={protocol}",
        line,
    ), line


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("given", "kept"),
    [("a" * 19, False), ("a" * 20, True), ("a" * 200, True), ("a" * 201, False), ("a" * 20 + "_", False)],
    ids=["19", "20", "200", "201", "sign"],
)
async def test_a_request_id_of_20_to_200_characters_is_kept(way, given, kept):
    call, line, _ = await asked(way, "/", ("x-request-id", given))
    (identity,) = call.headers("x-request-id")
    assert (identity == given) is kept
    assert kept or re.fullmatch("[0-9a-f]{32}", identity)
    assert f" request_id={identity} " in line


@pytest.mark.parametrize("way", WAYS)
async def test_what_only_the_router_can_know_is_not_believed(way):
    forged = [("x-forwarded-proto", "gopher"), ("x-forwarded-port", "1"), ("x-request-start", "1")]
    call, _, port = await asked(way, "/", *forged, ("via", "1.1 other"))
    assert call.headers("x-forwarded-proto") == ["https" if way[:5] == "https" or way[:3] == "wss" else "http"]
    assert call.headers("x-forwarded-port") == [str(port)]
    assert len(call.headers("x-request-start")) == 1 and call.headers("x-request-start") != ["1"]
    assert call.headers("via") == ["1.1 other", f"{way.split('/')[1]} hostd-router"]
