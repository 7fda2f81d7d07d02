"""Tickets: sessions of TLS that go on with another worker, and the key that workers share."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time

import pytest
import uvloop
from https_rig import ONE, anybody, made, put, put_default, serving
from router_rig import get

from router.certificates import Certificates
from router.tickets import LIFETIME, Tickets, seal_with


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
            again, session = await asyncio.to_thread(resumed, two.port, context, session)
            assert not again
            async with serving(tmp_path, tickets=Tickets(path)) as three:
                three.swap(hosts=("www.example.com",), certificates={"www.example.com": ONE})
                again, _ = await asyncio.to_thread(resumed, three.port, context, session)
                assert again

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
