"""TLS-ALPN-01 (RFC 8737) at the router: what a certificate authority is shown, and nobody else sees."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from https_rig import ONE, TWO, Secure, anybody, der, made, put, put_default, serving
from router_rig import get

from router.openssl import Control, control
from router.table import App, State, Table, TableError

HOST = "www.example.com"
PROOF = "acme-tls/1"


def offering(*protocols: str) -> ssl.SSLContext:
    context = anybody()
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


@pytest.fixture
async def secure(tmp_path):
    put_default(tmp_path, made("localhost"))
    async with serving(tmp_path) as started:
        yield started


@pytest.fixture
def own(secure):
    certificate = made(HOST)
    put(secure.folder, ONE, certificate)
    return der(certificate)


@pytest.fixture
def proof(secure, own):
    certificate = made(HOST)
    put(secure.folder, TWO, certificate)
    prove(secure, {HOST: TWO})
    return der(certificate)


def prove(secure: Secure, proofs: dict[str, str]) -> None:
    secure.swap(hosts=(HOST, "other.example.com"), certificates={HOST: ONE}, proofs=proofs)


async def seen(secure: Secure, context: ssl.SSLContext, name: str = HOST) -> tuple[bytes, str | None]:
    wire = await secure.dial(name, context)
    connection = wire.writer.get_extra_info("ssl_object")
    try:
        return connection.getpeercert(True), connection.selected_alpn_protocol()
    finally:
        await wire.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_authority_is_shown_the_proof_and_hung_up_on(secure, proof, version):
    context = offering(PROOF)
    context.minimum_version = context.maximum_version = version
    wire = await secure.dial(HOST, context)
    connection = wire.writer.get_extra_info("ssl_object")
    assert (connection.getpeercert(True), connection.selected_alpn_protocol()) == (proof, PROOF)
    wire.writer.write(get())
    assert await wire.reader.read() == b""
    await wire.close()
    assert secure.fake.calls == []


async def test_an_authority_that_is_asked_to_greet_again_is_still_known(secure, proof):
    context = offering(PROOF)
    # The first of these is none that the router takes, so that a second ClientHello is needed (RFC 8446, 4.1.4).
    assert control(context, Control.GROUPS, 0, b"P-521:P-256")
    assert await seen(secure, context) == (proof, PROOF)


@pytest.mark.parametrize(("offers", "agreed"), [
    (("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1"), ((), None), ((PROOF, "http/1.1"), "http/1.1"),
])  # fmt: skip
async def test_visitors_of_the_name_notice_nothing(secure, own, proof, offers, agreed):
    assert await seen(secure, offering(*offers)) == (own, agreed)


async def test_a_name_that_proves_nothing_is_served_as_ever(secure, proof):
    default = (await seen(secure, offering(), "nobody.test"))[0]
    assert await seen(secure, offering(PROOF), "other.example.com") == (default, None)


async def test_when_nothing_is_proven_handshakes_are_not_looked_at(secure, own, proof):
    assert secure.certificates.context._msg_callback is not None
    prove(secure, {})
    assert secure.certificates.context._msg_callback is None
    assert await seen(secure, offering(PROOF)) == (own, None)


async def test_a_visitor_in_the_middle_of_a_handshake_when_it_begins_or_ends_is_served(secure, own):
    for proofs in ({HOST: TWO}, {}):
        reader, writer = await asyncio.open_connection("127.0.0.1", secure.port)
        tls = Handshake(offering("http/1.1"))
        writer.write(tls.hello[:100])
        await asyncio.sleep(0.02)
        prove(secure, proofs)
        writer.write(tls.hello[100:])
        await tls.finish(reader, writer)
        assert tls.connection.getpeercert(True) == own
        writer.close()


async def test_a_greeting_in_many_pieces_is_read_whole(secure, proof):
    tls = Handshake(offering(PROOF))
    kind, body = tls.hello[:3], tls.hello[5:]
    pieces = [body[start : start + 40] for start in range(0, len(body), 40)]
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.port)
    # Each a record of its own.
    writer.write(b"".join(kind + len(piece).to_bytes(2, "big") + piece for piece in pieces))
    await tls.finish(reader, writer)
    assert tls.connection.getpeercert(True) == proof
    writer.close()


async def test_a_proof_that_cannot_be_shown_is_told(secure, own):
    prove(secure, {HOST: TWO})
    assert await seen(secure, offering(PROOF)) == (own, None)
    (said,) = secure.said
    assert f"The proof of {HOST}" in said


class Handshake:
    """A client's side of a handshake, whose bytes the test carries."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.connection = context.wrap_bio(self._incoming, self._outgoing, server_hostname=HOST)
        with pytest.raises(ssl.SSLWantReadError):
            self.connection.do_handshake()
        self.hello = self._outgoing.read()

    async def finish(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                self.connection.do_handshake()
            except ssl.SSLWantReadError:
                piece = await reader.read(65536)
                assert piece, "the router hung up"
                self._incoming.write(piece)
            else:
                return
            finally:
                writer.write(self._outgoing.read())


def test_proofs_are_part_of_the_table():
    app = App("a", "hello", (HOST,), State.UP, proofs={HOST: ONE})
    table = Table(1, "localhost", (app,))
    assert Table.parse(table.to_json()) == table
    with pytest.raises(TableError, match="proofs of app hello"):
        Table.parse(table.to_json().replace(ONE, "../../etc/passwd"))
