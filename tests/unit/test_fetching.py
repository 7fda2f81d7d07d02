"""Fetching pages for app owners: what is fetched, and where hostd does not go for anybody."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest
from aiohttp import web
from tls_kit import make

from hostd.fetching import MOST_BYTES, PageFetcher, Unfetchable
from hostd.reach import is_own, is_public

PAGE = "<h1>Zur\u00fcck in f\u00fcnf Minuten</h1>"
PAGE_BYTES = PAGE.encode()


@asynccontextmanager
async def serving(handler, tls=None):
    """A server on loopback, and its port."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def fetched(handler, **more):
    async with serving(handler) as port:
        return await PageFetcher([port], **more).fetch(f"http://127.0.0.1:{port}/page?secret=1")


async def refused(handler, **more):
    with pytest.raises(Unfetchable) as error:
        await fetched(handler, **more)
    assert "secret" not in str(error.value)
    return str(error.value)


def answers(body=PAGE_BYTES, status=200, kind="text/html", **headers):
    async def handler(request):
        return web.Response(body=body, status=status, headers={"Content-Type": kind, **headers})

    return handler


async def test_a_page_is_fetched_as_utf8():
    assert (await fetched(answers())).decode() == PAGE
    latin = answers(PAGE.encode("latin-1"), kind="text/html; charset=ISO-8859-1")
    assert (await fetched(latin)).decode() == PAGE


@pytest.mark.parametrize("charset", [
    "UTF-8", "utf8", "utf-16", "utf-16le", "UTF-16BE", "us-ascii", "iso-8859-1", "latin1", "ISO-8859-2", "iso-8859-15",
    "windows-1250", "Windows-1252", "cp1258", "Shift_JIS", "euc-jp", "EUC-KR", "gb18030", "GBK", "gb2312", "Big5",
    "KOI8-R",
])  # fmt: skip
async def test_a_page_may_have_any_encoding_that_pages_have(charset):
    page = "<h1>Down</h1>"
    assert (await fetched(answers(page.encode(charset), kind=f"text/html; charset={charset}"))).decode() == page


async def test_what_is_asked_says_what_is_wanted():
    seen = {}

    async def handler(request):
        seen.update(request.headers)
        return web.Response(text=PAGE, content_type="text/html")

    await fetched(handler)
    assert seen["User-Agent"] == "hostd" and seen["Accept-Encoding"] == "identity"
    assert "Cookie" not in seen and "Authorization" not in seen


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (answers(status=503), "its server answers with status 503"),
        (answers(kind="application/pdf"), "it is no plain HTML but application/pdf"),
        (answers(**{"Content-Encoding": "gzip"}), "it is no plain HTML"),
        (answers(b"\xff\xfe"), "it is not text in UTF-8"),
        (answers(kind="text/html; charset=klingon"), "its encoding, 'klingon', is none that pages have: make it UTF-8"),
        (answers(kind="text/html; charset=punycode"), "its encoding, 'punycode', is none"),
        (answers(kind="text/html; charset=idna"), "its encoding, 'idna', is none"),
        (answers(kind="text/html; charset=unicode_escape"), "its encoding, 'unicode_escape', is none"),
        (answers(b"\xff", kind="text/html; charset=utf-8"), "it is not text in utf-8"),
        (answers(b"x" * (MOST_BYTES + 1)), "it is longer than 256 KiB"),
    ],
)
async def test_what_is_no_page_is_refused_with_a_reason(handler, why):
    assert why in await refused(handler)


async def test_a_page_without_end_is_refused():
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    assert "longer than" in await refused(handler)


async def test_a_server_that_does_not_answer_is_given_up():
    async def handler(request):
        await asyncio.Event().wait()

    assert "it took longer than 0.1 seconds" in await refused(handler, seconds=0.1)


NO_PAGES = ("", "shop.de/page", "ftp://shop.de/", "file:///etc/passwd", "http://", "http://[", "javascript:x")


@pytest.mark.parametrize("url", NO_PAGES)
async def test_what_is_no_address_of_the_web_is_refused(url):
    with pytest.raises(Unfetchable):
        await PageFetcher([80]).fetch(url)


async def test_a_certificate_must_be_valid(tmp_path):
    made = make("localhost")
    (tmp_path / "pair.pem").write_text(made.pem + made.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "pair.pem")
    async with serving(answers(), context) as port:
        with pytest.raises(Unfetchable, match="certificate is not valid"):
            await PageFetcher([port]).fetch(f"https://localhost:{port}/")


async def test_nothing_listens():
    async with serving(answers()) as port:
        fetcher = PageFetcher([port])
    with pytest.raises(Unfetchable, match="its server cannot be reached"):
        await fetcher.fetch(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0.0.0.0"])
async def test_no_other_port_of_this_server_is_asked(host):
    calls = []

    async def handler(request):
        calls.append(request)
        return web.Response(text=PAGE, content_type="text/html")

    async with serving(handler) as port:
        with pytest.raises(Unfetchable):
            await PageFetcher([1]).fetch(f"http://{host}:{port}/")
    assert calls == []


async def test_a_redirect_leads_no_further_inside_than_an_address():
    inner_calls = []

    async def inner(request):
        inner_calls.append(request)
        return web.Response(text=PAGE, content_type="text/html")

    async with serving(inner) as inside:

        async def outer(request):
            return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{inside}/"})

        assert "at a port that is not the router's" in await refused(outer)
    assert inner_calls == []


async def test_redirects_are_followed_but_not_for_ever():
    async def handler(request):
        left = int(request.query.get("left", 9))
        if not left:
            return web.Response(text=PAGE, content_type="text/html")
        return web.Response(status=302, headers={"Location": f"/?left={left - 1}"})

    async with serving(handler) as port:
        fetcher = PageFetcher([port])
        assert await fetcher.fetch(f"http://127.0.0.1:{port}/?left=2")
        with pytest.raises(Unfetchable, match="redirected more than 3 times"):
            await fetcher.fetch(f"http://127.0.0.1:{port}/?left=9")


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "10.83.0.7", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0"),
        *("127.0.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1", "255.255.255.255", "224.0.0.1"),
        *("::", "::1", "fe80::1", "fc00::1", "fd00::1", "ff02::1", "ff0e::1", "2001:db8::1"),
        *("::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:a00:1::1"),
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_internal_addresses_are_not_public(address):
    assert not is_public(ip_address(address))
    assert PageFetcher([80], own=lambda _: False).judge(ip_address(address), 80) == "it is at an internal address"


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111"])
def test_the_internet_is_public_at_the_ports_of_the_web(address):
    fetcher = PageFetcher([8160], own=lambda _: False)
    assert is_public(ip_address(address))
    assert [fetcher.judge(ip_address(address), port) for port in (80, 443)] == [None, None]
    for port in (22, 25, 8160):
        assert f"its port is {port}" in str(fetcher.judge(ip_address(address), port))


def test_this_server_is_asked_at_its_router_only_even_at_its_public_address():
    fetcher = PageFetcher([80, 443], own=lambda address: str(address) == "1.1.1.1")
    assert fetcher.judge(ip_address("1.1.1.1"), 443) is None
    assert "on this server" in str(fetcher.judge(ip_address("1.1.1.1"), 8080))


def test_own_addresses_are_known():
    assert all(map(is_own, map(ip_address, ("127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"))))
    assert not is_own(ip_address("1.1.1.1"))
