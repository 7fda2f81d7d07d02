"""The rendezvous with real TLS and a real attach socket, behind which a stand-in for hostd runs a program."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import socket
import ssl
import threading
from dataclasses import dataclass, field

import pytest

from hostd.install.authority import new_authority, signed_for_localhost
from hostd.install.certificate import self_signed
from hostd.rendezvous.certificates import LOCALHOST, PLATFORM, Certificates
from hostd.rendezvous.server import GREETING, Limits, Server

TOKEN = "t" * 43


@dataclass
class FakeHostd:
    """Answers one client of the attach socket: what it said, which descriptors it gave."""

    path: str
    refuse: str = ""
    asked: list[dict[str, object]] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    client: socket.socket | None = None
    up: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        client, _ = self.listener.accept()
        line, descriptors, _, _ = socket.recv_fds(client, 4096, 3)
        self.asked.append(json.loads(line))
        self.given += descriptors
        self.client = client
        client.sendall((json.dumps({"error": self.refuse} if self.refuse else {"state": "up"}) + "\n").encode())
        self.up.set()
        while client.recv(4096):
            continue
        self.gone.set()

    def end(self, status: int) -> None:
        for descriptor in self.given:
            os.close(descriptor)
        self.given.clear()
        assert self.client is not None
        self.client.sendall(json.dumps({"exit": status}).encode() + b"\n")

    def close(self) -> None:
        for descriptor in self.given:
            os.close(descriptor)
        self.listener.close()
        if self.client is not None:
            self.client.close()


@pytest.fixture
def certificates(tmp_path):
    now = datetime.datetime.now(datetime.UTC)
    authority, key = new_authority(now)
    pairs = {LOCALHOST: signed_for_localhost(authority, key, now), PLATFORM: self_signed("example.com", now)}
    for names, texts in pairs.items():
        for name, text in zip(names, texts, strict=True):
            (tmp_path / name).write_bytes(text)
    return tmp_path, authority.decode()


@contextlib.asynccontextmanager
async def meeting(tmp_path, certificates, limits=None, refuse=""):
    folder, authority = certificates
    hostd = FakeHostd(str(tmp_path / "attach.sock"), refuse)
    server = Server(tmp_path / "attach.sock", limits)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    accepting = await server.serve(listener, Certificates(folder).context)
    trusting = ssl.create_default_context(cadata=authority)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="localhost")
    try:
        yield reader, writer, hostd
    finally:
        writer.close()
        accepting.close()
        await server.close()
        hostd.close()


async def test_a_client_gets_a_terminal_of_its_size_and_hears_of_its_end(tmp_path, certificates):
    async with meeting(tmp_path, certificates) as (reader, writer, hostd):
        writer.write(f"{TOKEN}?columns=101&lines=33\r\n".encode())
        assert await reader.readexactly(len(GREETING)) == GREETING
        assert await asyncio.to_thread(hostd.up.wait, 10)
        assert hostd.asked == [{"token": TOKEN, "tty": True}]
        (terminal,) = hostd.given
        assert os.isatty(terminal) and os.get_terminal_size(terminal) == (101, 33)
        writer.write(b"typed\r")
        assert await asyncio.to_thread(os.read, terminal, 100) == b"typed\n"
        os.write(terminal, b"printed\n")
        assert await reader.readuntil(b"printed\r\n") == b"typed\r\nprinted\r\n"
        hostd.end(0)
        assert await reader.read() == b""


async def test_without_a_terminal_bytes_are_what_they_are_and_the_end_of_input_is_told(tmp_path, certificates):
    async with meeting(tmp_path, certificates) as (reader, writer, hostd):
        writer.write(f"{TOKEN}?tty=no\n".encode())
        assert await reader.readexactly(len(GREETING)) == GREETING
        assert await asyncio.to_thread(hostd.up.wait, 10)
        entry, output, errors = hostd.given
        writer.write(b"one\n\x04")
        assert await asyncio.to_thread(os.read, entry, 100) == b"one\n"
        assert await asyncio.to_thread(os.read, entry, 100) == b""
        os.write(output, b"out\n")
        os.write(errors, b"err\n")
        hostd.end(1)
        assert await reader.read() == b"out\nerr\n"


async def test_a_short_session_waits_for_what_the_client_says_first(tmp_path, certificates):
    async with meeting(tmp_path, certificates, Limits(shortest=60)) as (reader, writer, hostd):
        writer.write(TOKEN.encode())
        assert await reader.readexactly(len(GREETING)) == GREETING
        assert await asyncio.to_thread(hostd.up.wait, 10)
        hostd.end(0)
        writer.write(b"\x04")
        async with asyncio.timeout(10):
            assert await reader.read() in (b"", b"^D\x08\x08")


async def test_a_client_that_goes_away_ends_its_session(tmp_path, certificates):
    async with meeting(tmp_path, certificates) as (reader, writer, hostd):
        writer.write(TOKEN.encode())
        assert await reader.readexactly(len(GREETING)) == GREETING
        assert await asyncio.to_thread(hostd.up.wait, 10)
        writer.close()
        assert await asyncio.to_thread(hostd.gone.wait, 10)


async def test_a_session_in_which_nothing_happens_ends(tmp_path, certificates):
    async with meeting(tmp_path, certificates, Limits(idle=0.2)) as (reader, writer, hostd):
        writer.write(TOKEN.encode())
        assert await reader.read() == GREETING
        assert await asyncio.to_thread(hostd.gone.wait, 10)


async def test_what_hostd_refuses_is_told(tmp_path, certificates):
    async with meeting(tmp_path, certificates, refuse="That session is gone.") as (reader, writer, _):
        writer.write(TOKEN.encode())
        said = await reader.read()
        assert said.startswith(GREETING) and "That session is gone." in said.decode()


async def test_who_shows_no_secret_is_told_nothing(tmp_path, certificates):
    async with meeting(tmp_path, certificates, Limits(secret=5)) as (reader, writer, hostd):
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""
        assert hostd.asked == []


async def test_who_says_nothing_is_cut_off(tmp_path, certificates):
    async with meeting(tmp_path, certificates, Limits(secret=0.2)) as (reader, _, hostd):
        assert await reader.read() == b""
        assert hostd.asked == []


async def test_the_domain_has_the_platforms_own_certificate(tmp_path, certificates):
    folder, _ = certificates
    trusting = ssl.create_default_context(cafile=str(folder / PLATFORM[0]))
    server = Server(tmp_path / "attach.sock")
    listener = socket.create_server(("127.0.0.1", 0))
    accepting = await server.serve(listener, Certificates(folder).context)
    port = listener.getsockname()[1]
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="api.example.com")
    writer.close()
    accepting.close()
    await server.close()
