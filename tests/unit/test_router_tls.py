"""The router's https: which certificate is shown to whom, tickets, what changes without a broken connection."""

import asyncio
import datetime
import io
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from router_rig import PATIENT, Call, FakeDyno, Wire, get, ok
from tls_kit import DAY, Made, make

from router.certificates import Certificates
from router.client import Client
from router.journal import Journal
from router.openssl import Control, control
from router.plane import Plane
from router.table import App, State, Table
from router.tickets import LIFETIME, Tickets, seal_with

NOW = datetime.datetime.now(datetime.UTC)
ONE, TWO, WILD = "1" * 32, "2" * 32, "3" * 32


def made(*names: str) -> Made:
    return make(*names, starts=NOW - DAY, ends=NOW + DAY)


def put(folder: Path, name: str, certificate: Made) -> None:
    draft = folder / "draft"
    draft.write_text(certificate.key_pem + certificate.pem)
    draft.replace(folder / f"{name}.pem")


def put_default(folder: Path, certificate: Made) -> None:
    (folder / "key.pem").write_text(certificate.key_pem)
    (folder / "draft").write_text(certificate.pem)
    (folder / "draft").replace(folder / "cert.pem")


class Secure:
    """A plane that is served over https, with a folder of certificates and the log of what was wrong."""

    def __init__(self, plane: Plane, certificates: Certificates, folder: Path, said: list[str], fake: FakeDyno) -> None:
        self.plane = plane
        self.certificates = certificates
        self.folder = folder
        self.said = said
        self.port = self.plain_port = 0
        self._fake = fake
        self._sequence = 0

    def swap(self, *, hosts: tuple[str, ...], **more: object) -> None:
        self._sequence += 1
        app = App("a", "hello", hosts, State.UP, (self._fake.dyno,), **more)
        self.plane.swap(Table(self._sequence, "localhost", (app,)))

    async def dial(self, name: str | None, context: ssl.SSLContext | None = None) -> Wire:
        context = context or anybody()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, server_hostname=name or ""
        )
        return Wire(reader, writer)

    async def shown(self, name: str | None) -> bytes:
        wire = await self.dial(name)
        found = wire.writer.get_extra_info("ssl_object").getpeercert(True)
        await wire.close()
        return found


def anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def der(certificate: Made) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.pem)


@asynccontextmanager
async def serving(folder: Path, **more: object) -> AsyncIterator[Secure]:
    loop = asyncio.get_running_loop()
    fake = FakeDyno(ok, "web.1")
    await fake.start()
    said: list[str] = []
    plane = Plane(PATIENT, Journal(None, loop, fallback=io.BytesIO()), loop)
    certificates = Certificates(folder, plane.certificate, said.append, **more)
    certificates.refresh()
    secure = Secure(plane, certificates, folder, said, fake)
    server = await loop.create_server(lambda: Client(plane, "https"), "127.0.0.1", 0, ssl=certificates.context)
    plain = await loop.create_server(lambda: Client(plane, "http"), "127.0.0.1", 0)
    secure.port, secure.plain_port = (each.sockets[0].getsockname()[1] for each in (server, plain))
    try:
        yield secure
    finally:
        server.close()
        plain.close()
        for client in list(plane.clients):
            client.transport.abort()
        await fake.kill()
        await asyncio.sleep(0)
        plane.journal.close()


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


# Tickets


def resumed(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[bool, ssl.SSLSession]:
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        context.wrap_socket(raw, server_hostname="www.example.com", session=session) as sock,
    ):
        sock.sendall(get("/").replace(b"hello.localhost", b"www.example.com"))
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
        return bool(sock.session_reused), sock.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_with_another_worker_until_the_key_is_replaced(tmp_path, version):
    now = [time.time() + 600]

    async def scene() -> None:
        put_default(tmp_path, made("localhost"))
        put(tmp_path, ONE, made("www.example.com"))
        context = anybody()
        context.minimum_version = context.maximum_version = version
        path = tmp_path / "tickets"
        async with serving(tmp_path, tickets=Tickets(path)) as one:
            one.swap(hosts=("www.example.com",), certificates={"www.example.com": ONE})
            again, session = await asyncio.to_thread(resumed, one.port, context, None)
            assert not again
        async with serving(tmp_path, tickets=Tickets(path, lambda: now[0])) as two:
            two.swap(hosts=("www.example.com",), certificates={"www.example.com": ONE})
            again, session = await asyncio.to_thread(resumed, two.port, context, session)
            assert again
            now[0] += LIFETIME + 60
            two.certificates.refresh()
            again, _ = await asyncio.to_thread(resumed, two.port, context, session)
            assert not again

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())


def test_workers_share_a_key_that_nobody_else_may_read(tmp_path):
    path = tmp_path / "tickets"
    key = Tickets(path).key()
    assert Tickets(path).key() == key
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    assert Tickets(path).key() != key


def test_a_damaged_key_is_replaced(tmp_path):
    path = tmp_path / "tickets"
    path.write_bytes(b"short")
    path.chmod(0o600)
    assert len(Tickets(path).key()) == 80


def test_without_a_place_for_the_key_https_goes_on(tmp_path):
    put_default(tmp_path, made("localhost"))
    said: list[str] = []
    certificates = Certificates(tmp_path, lambda _: "", said.append, tickets=Tickets(tmp_path / "gone" / "tickets"))
    certificates.refresh()
    assert certificates.ready
    assert "this worker's alone" in said[0]


def test_the_key_can_be_given_to_the_python_that_runs_here():
    assert seal_with(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), os.urandom(80))


# http to https, HSTS


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

    secure._fake.behaviour = own
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


async def test_h31_a_connection_to_one_app_brings_no_request_for_another(secure):
    first = App("a", "hello", ("hello.localhost", "www.example.com"), State.UP, (secure._fake.dyno,))
    second = App("b", "other", ("other.localhost",), State.UP, (secure._fake.dyno,))
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
