"""Downloads of sources: over https, bounded, and not from where only this server can reach."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tls_kit import make

from hostd.deploys.downloading import MOST_REDIRECTS, Downloads
from hostd.errors import Conflict, HostdError, Invalid

HANDLER = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
CONTENT = b"archive" * 1000
CERTIFICATE = make("localhost", starts=datetime(2020, 1, 1, tzinfo=UTC), ends=datetime(2120, 1, 1, tzinfo=UTC))


def trust() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=CERTIFICATE.pem)


@asynccontextmanager
async def serving(tmp_path: Path, handler: HANDLER, **more: Any) -> AsyncIterator[tuple[Downloads, str]]:
    """Downloads that trust a server on loopback, and its address."""
    (tmp_path / "pem").write_text(CERTIFICATE.pem + CERTIFICATE.key_pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "pem")
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    known: dict[str, Any] = {"internal": [ip_network("127.0.0.0/8")], "trust": trust}
    try:
        yield Downloads(tmp_path / "uploads", (443,), **{**known, **more}), f"https://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
    assert not list((tmp_path / "uploads").iterdir())


async def fetched(downloads: Downloads, url: str, checksum: str | None = None) -> bytes:
    async with downloads.fetched(url, checksum) as pieces:
        return b"".join([piece async for piece in pieces])


async def refused(downloads: Downloads, url: str, kind: type[HostdError] = Conflict) -> str:
    with pytest.raises(kind) as error:
        await fetched(downloads, url)
    assert "secret" not in str(error.value)
    return str(error.value)


async def test_an_archive_comes_as_it_is_and_is_held_against_its_checksum(tmp_path: Path) -> None:
    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=CONTENT, headers={"Content-Encoding": "gzip"})

    async with serving(tmp_path, handler) as (downloads, url):
        digest = hashlib.sha256(CONTENT).hexdigest()
        assert await fetched(downloads, url) == CONTENT
        assert await fetched(downloads, url, f"SHA256:{digest.upper()}") == CONTENT
        with pytest.raises(Invalid, match=digest):
            await fetched(downloads, url, "0" * 64)


async def test_redirects_are_followed_with_credentials_for_the_first_alone(tmp_path: Path) -> None:
    seen: list[tuple[str, bool]] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append((request.path, "Authorization" in request.headers))
        if request.path == "/a":
            return web.Response(status=302, headers={"Location": "/b"})
        return web.Response(body=CONTENT)

    async with serving(tmp_path, handler) as (downloads, url):
        assert await fetched(downloads, f"{url.replace('//', '//kate:secret@')}/a") == CONTENT
    assert seen == [("/a", True), ("/b", False)]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://localhost/x", "without https"),
        ("https://10.1.2.3/x", "internal address"),
        ("https://169.254.169.254/latest", "internal address"),
        ("file:///etc/shadow", "without https"),
        ("/secret", f"more than {MOST_REDIRECTS} times"),
        ("https://[::1", "cannot be asked"),
    ],
)
async def test_redirects_are_judged(tmp_path: Path, location: str, said: str) -> None:
    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": location})

    async with serving(tmp_path, handler) as (downloads, url):
        assert said in await refused(downloads, url)


async def test_what_is_too_large_missing_or_broken_off_leaves_nothing(tmp_path: Path) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/missing":
            return web.Response(status=404)
        response = web.StreamResponse(headers={"Content-Length": "9999999"})
        await response.prepare(request)
        await response.write(CONTENT)
        assert request.transport is not None
        request.transport.close()
        return response

    async with serving(tmp_path, handler) as (downloads, url):
        assert "status 404" in await refused(downloads, f"{url}/missing?secret=1")
        assert "cannot be asked" in await refused(downloads, f"{url}/cut?secret=1")
    async with serving(tmp_path, handler, largest=5000) as (downloads, url):
        assert "larger than" in await refused(downloads, url)


async def test_a_server_that_nobody_trusts_is_not_asked(tmp_path: Path) -> None:
    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=CONTENT)

    async with serving(tmp_path, handler, trust=ssl.create_default_context) as (downloads, url):
        assert "certificate is not valid" in await refused(downloads, url)
    async with serving(tmp_path, handler, internal=[]) as (downloads, url):
        assert "on this server" in await refused(downloads, url)


@pytest.mark.parametrize(
    ("address", "port", "allowed"),
    [
        ("127.0.0.1", 443, True),
        ("127.0.0.1", 22, False),
        ("10.1.2.3", 443, False),
        ("169.254.169.254", 443, False),
        ("64:ff9b::a01:203", 443, False),
        ("93.184.216.34", 443, True),
        ("93.184.216.34", 8443, True),
        ("192.168.7.1", 443, True),
    ],
)
def test_addresses_are_judged(tmp_path: Path, address: str, port: int, allowed: bool) -> None:
    downloads = Downloads(
        tmp_path, (443,), [ip_network("192.168.7.0/24")], own=lambda it: it == ip_address("127.0.0.1")
    )
    assert (downloads.judge(ip_address(address), port) is None) == allowed
