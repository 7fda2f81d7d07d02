"""The router's https: which certificate is shown to whom, what is spoken, what changes without a broken connection."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from https_rig import NOW, ONE, TWO, WILD, Secure, anybody, der, made, put, put_default, serving
from router_rig import get
from tls_kit import DAY, make

from router.openssl import Control, control
from router.table import App, State, Table


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[Secure]:
    put_default(tmp_path, made("localhost"))
    async with serving(tmp_path) as started:
        yield started


async def test_each_name_gets_its_own_certificate_and_every_other_the_default_one(secure):
    one, wild = made("www.example.com"), made("*.example.org")
    put(secure.folder, ONE, one)
    put(secure.folder, WILD, wild)
    secure.swap(
        hosts=("hello.localhost", "www.example.com", "*.example.org"),
        certificates={"www.example.com": ONE, "*.example.org": WILD},
    )
    default = await secure.shown("hello.localhost")
    assert default not in (der(one), der(wild))
    assert await secure.shown("www.example.com") == der(one)
    assert await secure.shown("WWW.Example.Com") == der(one)
    assert await secure.shown("any.example.org") == der(wild)
    assert await secure.shown("deep.any.example.org") == default
    assert await secure.shown("example.org") == default
    assert await secure.shown("nobody.test") == default
    assert await secure.shown(None) == default


async def test_a_connection_keeps_its_certificate_when_another_takes_its_place(secure):
    put(secure.folder, ONE, made("www.example.com"))
    secure.swap(hosts=("www.example.com",), certificates={"www.example.com": ONE})
    wire = await secure.dial("www.example.com")
    request = get().replace(b"hello.localhost", b"www.example.com")
    assert (await wire.ask(request)).status == 200
    two = made("www.example.com")
    put(secure.folder, TWO, two)
    secure.swap(hosts=("www.example.com",), certificates={"www.example.com": TWO})
    (secure.folder / f"{ONE}.pem").unlink()
    assert await secure.shown("www.example.com") == der(two)
    assert (await wire.ask(request)).status == 200
    await wire.close()


async def test_the_default_certificate_is_replaced_even_by_one_with_another_kind_of_key(secure):
    from cryptography.hazmat.primitives.asymmetric import rsa

    before = await secure.shown(None)
    key = rsa.generate_private_key(65537, 2048)
    fresh = make("localhost", key=key, starts=NOW - DAY, ends=NOW + DAY)
    put_default(secure.folder, fresh)
    assert await secure.shown(None) == before
    secure.certificates.refresh()
    assert await secure.shown(None) == der(fresh)


async def test_a_certificate_that_cannot_be_used_is_told_once_and_the_default_one_shown(secure):
    (secure.folder / f"{ONE}.pem").write_text("no certificate")
    secure.swap(hosts=("www.example.com",), certificates={"www.example.com": ONE})
    default = await secure.shown(None)
    assert await secure.shown("www.example.com") == default
    assert await secure.shown("www.example.com") == default
    assert len(secure.said) == 1
    assert "www.example.com" in secure.said[0]


async def test_a_broken_default_certificate_is_told_and_the_old_one_kept(secure):
    before = await secure.shown(None)
    (secure.folder / "cert.pem").write_text("broken")
    secure.certificates.refresh()
    assert await secure.shown(None) == before
    assert "default certificate" in secure.said[0]


async def test_only_so_many_certificates_stay_loaded(tmp_path):
    put_default(tmp_path, made("localhost"))
    names = [f"{number}.example.com" for number in range(6)]
    certificates = {name: f"{number:032}" for number, name in enumerate(names)}
    each = {name: made(name) for name in names}
    for name, certificate in each.items():
        put(tmp_path, certificates[name], certificate)
    async with serving(tmp_path, kept=3) as secure:
        secure.swap(hosts=tuple(names), certificates=certificates)
        for name in [*names, *reversed(names)]:
            assert await secure.shown(name) == der(each[name])
            assert secure.certificates.loaded <= 3


@pytest.mark.parametrize(("version", "welcome"), [
    (ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_versions_of_tls(secure, version, welcome):
    context = anybody()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    if welcome:
        wire = await secure.dial(None, context)
        await wire.close()
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await secure.dial(None, context)


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256"])
async def test_weak_ciphers_are_refused(secure, cipher):
    context = anybody()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await secure.dial(None, context)


@pytest.mark.parametrize(("curve", "welcome"), [
    (b"X25519", True), (b"P-256", True), (b"P-384", True), (b"P-521", False), (b"X448", False),
])  # fmt: skip
async def test_curves(secure, curve, welcome):
    context = anybody()
    assert control(context, Control.GROUPS, 0, curve)
    if welcome:
        await (await secure.dial(None, context)).close()
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await secure.dial(None, context)


async def test_what_is_spoken_is_agreed_upon(secure):
    context = anybody()
    context.set_alpn_protocols(["spdy/3", "http/1.1"])
    wire = await secure.dial(None, context)
    assert wire.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    await wire.close()


async def test_h31_a_connection_to_one_app_brings_no_request_for_another(secure):
    first = App("a", "hello", ("hello.localhost", "www.example.com"), State.UP, (secure.fake.dyno,))
    second = App("b", "other", ("other.localhost",), State.UP, (secure.fake.dyno,))
    secure.plane.swap(Table(99, "localhost", (first, second)))
    request = b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n"
    for name, host, status in (
        ("hello.localhost", b"hello.localhost", 200),
        ("hello.localhost", b"www.example.com", 200),
        ("hello.localhost", b"other.localhost", 421),
        ("nobody.localhost", b"other.localhost", 200),
        (None, b"other.localhost", 200),
    ):
        wire = await secure.dial(name)
        answer = await wire.ask(request % host)
        assert (name, host, answer.status) == (name, host, status)
        await wire.close()
    assert secure.plane.faults["H31"] == 1
