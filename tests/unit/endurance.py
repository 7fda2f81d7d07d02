"""Endurance: rounds of requests of every kind against a whole worker, each answered as it should be."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from h2_rig import Wire2, get, reset, trusting
from router_rig import FakeDyno, Wire, post
from worker_rig import UPGRADE, Process, certificate, dialled, obliging

from router.store import save
from router.table import App, Dyno, State, Table

PIPELINED = 100
HOST, QUICK = "hello.localhost", "quick.localhost"
ASKED = f"GET /quick HTTP/1.1\r\nHost: {QUICK}\r\n\r\n".encode()
CHUNKED = f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


class Quick(asyncio.Protocol):
    """A dyno's connection that answers requests without a body, and many at once."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._tail = b""

    def data_received(self, data: bytes) -> None:
        seen = self._tail + data
        asked = seen.count(b"\r\n\r\n")
        self._tail = seen[seen.rfind(b"\r\n\r\n") + 4 :] if asked else seen
        self._transport.write(self.ANSWER * asked)  # type: ignore[attr-defined]


class Mix:
    """Clients of every kind. `made` counts their requests."""

    def __init__(
        self, worker: Process, trusted: ssl.SSLContext, table: Callable[[int], Table], dyno: FakeDyno
    ) -> None:
        self.worker = worker
        self.made = 0
        self._trusted = trusted
        self._table = table
        self._dyno = dyno
        self._sequence = 1
        self._kept: list[Wire] = []

    async def round(self, pipelines: int = 2) -> None:
        """Some thousand requests, and another table at the end. `pipelines` are those of each connection kept."""
        if not self._kept:
            await self._open()
        await asyncio.gather(
            *(self._pipeline(wire, pipelines) for wire in self._kept),
            *(self._many(kind, times) for kind, times in (
                (self._closed, 20), (self._secure, 10), (self._aborted, 20), (self._upload, 20), (self._chunks, 20),
                (self._broken_upload, 10), (self._refused, 10), (self._nowhere, 10), (self._websocket, 10),
                (self._http2, 2),
            )),
        )  # fmt: skip
        self._dyno.calls.clear()
        await self.swap(self._table(self._sequence + 1))

    async def rest(self, files: int = -1) -> int:
        """Hang up, take all apps away, and wait until nothing is left, with so many files open if that is known.
        Returns how many are."""
        for wire in self._kept:
            await wire.close()
        self._kept = []
        await self.swap(Table(self._sequence + 1, "localhost", ()))
        async with asyncio.timeout(60):
            while True:
                status, dynos = await self.worker.ask("/status"), (await self.worker.ask("/metrics"))["dynos"]
                held = sum(status[each] for each in ("connections", "in_flight", "tunnels", "held")) + len(dynos)
                open_ = await self.worker.files()
                if not held and files in (-1, open_):
                    break
                await asyncio.sleep(0.05)
        await self.swap(self._table(self._sequence + 1))
        return open_

    async def swap(self, table: Table) -> None:
        """Put another table in force."""
        self._sequence = table.sequence
        await self.worker.ask("/routes", "PUT", table.to_json())

    async def _open(self) -> None:
        for secure in (False, False, False, True):
            port = self.worker.secure_port if secure else self.worker.port
            context = self._trusted if secure else None
            name = HOST if secure else None
            connection = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
            self._kept.append(Wire(*connection))

    async def _many(self, kind: Callable[[], Awaitable[None]], times: int) -> None:
        for _ in range(times):
            await kind()

    async def _pipeline(self, wire: Wire, times: int) -> None:
        # A connection of TLS is one app's (H31).
        asked = ASKED.replace(QUICK.encode(), HOST.encode()) if wire.writer.get_extra_info("ssl_object") else ASKED
        for _ in range(times):
            self.made += PIPELINED
            wire.writer.write(asked * PIPELINED)
            said = b""
            while said.count(b"\r\n\r\nok") < PIPELINED:
                piece = await wire.reader.read(2**16)
                assert piece, said
                said += piece
            assert said.count(b"HTTP/1.1 200 OK\r\n") == PIPELINED and said.endswith(b"\r\n\r\nok"), said

    async def _closed(self) -> None:
        await self._expect(ASKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), 200)

    async def _secure(self) -> None:
        self.made += 1
        async with dialled(self.worker.secure_port, self._trusted) as client:
            assert (await client.get()).status == 200

    async def _aborted(self) -> None:
        self.made += 1
        _, writer = await asyncio.open_connection("127.0.0.1", self.worker.port)
        writer.write(ASKED.replace(QUICK.encode(), HOST.encode()))
        await asyncio.sleep(0)
        line = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def _upload(self) -> None:
        await self._expect(post(bytes(10_000)), 200)

    async def _chunks(self) -> None:
        body = b"1000\r\n%b\r\n%b0\r\nX: y\r\n\r\n" % (bytes(4096), b"1\r\nx\r\n" * 20)
        await self._expect(CHUNKED + body, 200)

    async def _broken_upload(self) -> None:
        await self._expect(CHUNKED + b"5\r\nhello\r\nx\r\n", 400)

    async def _refused(self) -> None:
        await self._expect(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400)

    async def _nowhere(self) -> None:
        await self._expect(ASKED.replace(QUICK.encode(), b"nobody.localhost"), 404)

    async def _expect(self, request: bytes, status: int) -> None:
        self.made += 1
        async with dialled(self.worker.port) as client:
            answer = await client.ask(request)
            assert answer.status == status, answer.head

    async def _websocket(self) -> None:
        self.made += 1
        async with dialled(self.worker.port) as client:
            assert (await client.get("/", UPGRADE)).status == 101
            await client.send(b"said")
            assert await client.reader.readexactly(4) == b"said"

    async def _http2(self) -> None:
        self.made += 30
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.worker.secure_port, ssl=trusting("h2"), server_hostname=HOST, limit=2**20
        )
        wire = Wire2(reader, writer)
        await wire.greet()
        streams = [wire.ask(get("/"), [bytes(5000)] if number % 2 else []) for number in range(20)]
        for _ in range(10):
            wire.say(reset(wire.ask(get("/"))))
        assert [(await wire.answer(stream)).status for stream in streams] == [200] * 20
        await wire.close()


@asynccontextmanager
async def mixed(folder: Path) -> AsyncIterator[Mix]:
    """A running worker and who asks it."""
    fake = FakeDyno(obliging, "web.1")
    await fake.start()
    server = await asyncio.get_running_loop().create_server(Quick, "127.0.0.1", 0)
    quick = server.sockets[0].getsockname()[1]

    def table(sequence: int) -> Table:
        """Every other one has another app, and another name of the first."""
        more = (App(f"id-of-{sequence}", "more", ("more.localhost",), State.NONE, ()),) if sequence % 2 else ()
        app = App("id-of-hello", "hello", (HOST, f"name-{sequence}.localhost"), State.UP, (fake.dyno,))
        other = App("id-of-quick", "quick", (QUICK,), State.UP, (Dyno("web.1", "127.0.0.1", quick),))
        return Table(sequence, "localhost", (app, other, *more))

    save(folder / "routes.json", table(1))
    made = Process(folder)
    with certificate(folder) as trusted:
        process = await made.start()
    try:
        yield Mix(made, trusted, table, fake)
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        made.close()
        server.close()
        await fake.kill()
