"""OCSP answers in handshakes: who gets one, until when, and what happens when it changes."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from types import SimpleNamespace

import pytest
from https_rig import ONE, TWO, Secure, made, put, put_default, serving
from OpenSSL import SSL
from tls_kit import make, root, said_of

from hostd.ledger.certificates import content_of
from router import stapling

HOST, OTHER = "www.example.com", "other.example.com"
ROOT = root()
# The router does not look into it; a client does.
GOOD, BETTER = (said_of(make(HOST, issuer=ROOT), ROOT) for _ in range(2))


@pytest.fixture
async def secure(tmp_path):
    put_default(tmp_path, made("localhost"))
    put(tmp_path, ONE, made(HOST))
    put(tmp_path, TWO, made(OTHER))
    async with serving(tmp_path) as started:
        started.swap(hosts=(HOST, OTHER), certificates={HOST: ONE, OTHER: TWO})
        yield started


def staple(secure: Secure, name: str, answer: bytes, *, seconds: float = 600) -> None:
    path = secure.folder / f"{name}.ocsp"
    path.write_bytes(answer)
    until = time.time() + seconds
    os.utime(path, (until, until))


async def stapled(secure: Secure, name: str = HOST, version: int = SSL.TLS1_3_VERSION) -> bytes:
    return await asyncio.to_thread(_stapled, secure.port, name, version)


def _stapled(port: int, name: str, version: int) -> bytes:
    said: list[bytes] = []
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(version)
    context.set_ocsp_client_callback(lambda _connection, answer, _: not said.append(answer))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.settimeout(None)
        connection = SSL.Connection(context, raw)
        connection.set_tlsext_host_name(name.encode())
        connection.request_ocsp()
        connection.set_connect_state()
        connection.do_handshake()
        connection.shutdown()
    (answer,) = said
    return answer


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
async def test_who_asks_gets_what_lies_beside_the_certificate(secure, version):
    staple(secure, ONE, GOOD)
    assert await stapled(secure, HOST, version) == GOOD
    assert await stapled(secure, OTHER, version) == b""
    assert await stapled(secure, "nobody.test", version) == b""


async def test_nobody_else_is_the_worse_for_it(secure):
    plain = await secure.shown(HOST)
    staple(secure, ONE, GOOD)
    secure.certificates.refresh()
    assert await secure.shown(HOST) == plain


async def test_it_comes_and_changes_and_goes_while_the_certificate_is_loaded(secure):
    assert await stapled(secure) == b""
    for answer, seconds in ((GOOD, 600), (BETTER, 1200)):
        staple(secure, ONE, answer, seconds=seconds)
        secure.certificates.refresh()
        assert await stapled(secure) == answer
    (secure.folder / f"{ONE}.ocsp").unlink()
    secure.certificates.refresh()
    assert await stapled(secure) == b""
    assert secure.said == []


async def test_the_default_certificate_has_one_by_its_text(secure):
    known = content_of((secure.folder / "cert.pem").read_text())
    staple(secure, known, GOOD)
    secure.certificates.refresh()
    assert await stapled(secure, "nobody.test") == GOOD
    put_default(secure.folder, made("localhost"))
    secure.certificates.refresh()
    assert await stapled(secure, "nobody.test") == b""


async def test_an_answer_is_given_out_as_long_as_it_is_good(secure):
    staple(secure, ONE, GOOD, seconds=-1)
    assert await stapled(secure) == b""


async def test_an_answer_is_kept_no_longer_than_it_is_good(secure, monkeypatch):
    staple(secure, ONE, GOOD)
    assert await stapled(secure) == GOOD
    known = int(ONE[:14], 16)
    assert known in stapling._stapler()._answers
    # Its certificate is not loaded any more, as after a renewal, and nobody asks for it.
    secure.certificates._loaded.clear()
    later = time.time() + 700
    monkeypatch.setattr(stapling, "time", SimpleNamespace(time=lambda: later))
    secure.certificates.refresh()
    assert known not in stapling._stapler()._answers


async def test_an_answer_that_cannot_be_read_is_told(secure):
    path = secure.folder / f"{ONE}.ocsp"
    path.mkdir()
    os.utime(path, (time.time() + 600,) * 2)
    assert await stapled(secure) == b""
    assert "cannot be given out" in secure.said[0]
