"""What the router's tests run on: a real plane on a loopback socket, dynos that do as told, and raw clients."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from time import monotonic

from router.client import Client
from router.journal import Journal
from router.plane import Plane
from router.settings import Settings
from router.table import App, Dyno, State, Table

Behaviour = Callable[["Call"], Awaitable[None]]

QUICK = Settings(
    first_byte=0.25,
    idle=0.25,
    connect=0.25,
    boot_wait=0.3,
    settle=0.1,
    client_idle=5.0,
    head_arrival=0.25,
    linger=0.3,
    tick=0.02,
    stop_grace=1.0,
    stop_idle=0.2,
)
KATE = "scrypt1:000102030405060708090a0b0c0d0e0f:4209005a71e788a73d700fa3a836f3424cb5e9a87e4d608cc7e3e145e8f7853b"
"""`correct horse`, where the fixture `cheap_hashes` is used."""
PATIENT = replace(QUICK, first_byte=5.0, idle=5.0, connect=5.0, boot_wait=5.0, settle=2.0, head_arrival=5.0)


class Call:
    """One request as a dyno got it: head, and the streams to answer on."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.reader = reader
        self.writer = writer

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    def headers(self, name: str) -> list[str]:
        lines = [line.partition(b":") for line in self.head.split(b"\r\n")[1:] if line]
        return [value.strip().decode() for key, _, value in lines if key.decode().lower() == name.lower()]

    async def body(self) -> bytes:
        """The request's body, whatever its framing."""
        if self.headers("content-length"):
            return await self.reader.readexactly(int(self.headers("content-length")[0]))
        return await read_chunks(self.reader) if self.headers("transfer-encoding") else b""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body: bytes = b"ok", *, status: str = "200 OK", extra: str = "") -> None:
        await self.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body)


class FakeDyno:
    """A server on loopback that treats every request with `behaviour`; it counts what came."""

    def __init__(self, behaviour: Behaviour, name: str) -> None:
        self.behaviour = behaviour
        self.name = name
        self.port = 0
        self.connections = 0
        self.calls: list[Call] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def dyno(self) -> Dyno:
        return Dyno(self.name, "127.0.0.1", self.port)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """As kill -9: the port is closed and every connection ends."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def hang_up(self) -> None:
        """Close the idle connections, as a server with a keep-alive limit does."""
        for writer in list(self._writers):
            writer.close()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while not writer.is_closing():
                call = Call(await reader.readuntil(b"\r\n\r\n"), reader, writer)
                self.calls.append(call)
                await self.behaviour(call)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


class Wire:
    """A client that writes bytes and reads answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self, *, head_only: bool = False) -> Answer:
        """The next answer, its body read by its framing."""
        head = await self.head()
        answer = Answer(head, b"")
        status = answer.status
        async with asyncio.timeout(5):
            if head_only or status < 200 or status in (204, 304):
                return answer
            if answer.header("transfer-encoding") == "chunked":
                answer.body = await read_chunks(self.reader)
            elif answer.header("content-length"):
                answer.body = await self.reader.readexactly(int(answer.header("content-length")))
            else:
                answer.body = await self.reader.read()
        return answer

    async def ask(self, request: bytes) -> Answer:
        await self.send(request)
        return await self.answer(head_only=request.startswith(b"HEAD"))

    async def get(self, path: str = "/", extra: str = "") -> Answer:
        return await self.ask(get(path, extra))

    async def ended(self) -> bool:
        """Whether the other side has closed, without a further byte."""
        async with asyncio.timeout(5):
            with suppress(ConnectionError):
                return await self.reader.read(1) == b""
        return True

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


class Answer:
    """An answer as a client got it."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    def header(self, name: str) -> str:
        lines = [line.partition(b":") for line in self.head.split(b"\r\n")[1:] if line]
        return ", ".join(value.strip().decode() for key, _, value in lines if key.decode().lower() == name.lower())


class Rig:
    """A plane with its listening socket, its dynos and its log."""

    def __init__(self, plane: Plane, log: io.BytesIO) -> None:
        self.plane = plane
        self.port = 0
        self.dynos: list[FakeDyno] = []
        self._log = log
        self._sequence = 0

    @property
    def lines(self) -> list[str]:
        """The log so far."""
        self.plane.journal.flush()
        return self._log.getvalue().decode().splitlines()

    async def logged(self, text: str) -> str:
        """The first line with this text in it, as soon as it is there."""
        async with asyncio.timeout(5):
            while True:
                for line in self.lines:
                    if text in line:
                        return line
                await asyncio.sleep(0.01)

    async def dyno(self, behaviour: Behaviour, name: str | None = None) -> FakeDyno:
        fake = FakeDyno(behaviour, name or f"web.{len(self.dynos) + 1}")
        await fake.start()
        self.dynos.append(fake)
        return fake

    def swap(self, *dynos: FakeDyno | Dyno, state: State = State.UP) -> None:
        """Put a table in force with one app, `hello`, on these dynos."""
        self._sequence += 1
        spots = tuple(item.dyno if isinstance(item, FakeDyno) else item for item in dynos)
        app = App("id-of-hello", "hello", ("hello.localhost",), state, spots)
        self.plane.swap(Table(self._sequence, "localhost", (app,)))

    @asynccontextmanager
    async def client(self, **options: int) -> AsyncIterator[Wire]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20, **options)
        wire = Wire(reader, writer)
        try:
            yield wire
        finally:
            await wire.close()


@asynccontextmanager
async def rig(
    *behaviours: Behaviour, settings: Settings = PATIENT, kind: type[Plane] = Plane
) -> AsyncIterator[Rig]:
    """A running router; with behaviours, an app `hello` that is up with a dyno for each."""
    loop = asyncio.get_running_loop()
    log = io.BytesIO()
    journal = Journal(None, loop, fallback=log, delay=0.005)
    plane = kind(settings, journal, loop)
    made = Rig(plane, log)
    server = await loop.create_server(lambda: Client(plane, "http"), "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    sweeping = loop.create_task(_sweep(plane))
    for behaviour in behaviours:
        await made.dyno(behaviour)
    if behaviours:
        made.swap(*made.dynos)
    try:
        yield made
    finally:
        sweeping.cancel()
        server.close()
        for client in list(plane.clients):
            client.transport.abort()
        for fake in made.dynos:
            await fake.kill()
        await asyncio.sleep(0)
        journal.close()


async def _sweep(plane: Plane) -> None:
    while True:
        await asyncio.sleep(plane.settings.tick)
        plane.sweep(monotonic())


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    """A chunked body, trailers read and forgotten."""
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while await reader.readline() != b"\r\n":
        pass
    return body


async def ok(call: Call) -> None:
    """A dyno that reads the whole request and says ok."""
    await call.body()
    await call.answer()


def get(path: str = "/", extra: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: hello.localhost\r\n{extra}\r\n".encode()


def post(body: bytes, extra: str = "") -> bytes:
    return f"POST / HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body
