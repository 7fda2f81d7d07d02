"""No drop, ever: tables swapped, certificates changed and workers restarted one by one, while visitors over http,
https, HTTP/2 and WebSockets count what goes wrong; not one request may, and no connection be refused."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from h2_rig import Wire2, get, trusting
from router_rig import FakeDyno
from tls_kit import DAY, Made, make
from worker_rig import PATIENCE, UPGRADE, Process, obliging

from router.store import save
from router.table import App, Dyno, State, Table

HOST = "hello.localhost"
PACE_SECONDS = 0.003
WAYS = ("http", "https", "h2", "websocket", "visits by websocket")
VISITORS = 3

pytestmark = pytest.mark.thorough


class Crowd:
    """Visitors who ask without a pause, each over one connection for as long as that is kept."""

    def __init__(self, port: int, secure_port: int) -> None:
        self.answered: Counter[str] = Counter()
        self.connections: Counter[str] = Counter()
        self.failures: list[str] = []
        self._port = port
        self._secure_port = secure_port
        self._over = False
        self._visits: list[asyncio.Task[None]] = []
        self._ways: dict[str, Callable[[str], AsyncIterator[str]]] = {
            "http": self._http, "https": self._https, "h2": self._h2,
            "websocket": self._websocket, "visits by websocket": self._short_websockets,
        }  # fmt: skip

    def come(self, *ways: str) -> None:
        """Some of each come."""
        for way in ways:
            self._visits += [
                asyncio.create_task(self._visit(way, f"{way} {number}"), name=way) for number in range(VISITORS)
            ]

    async def more(self, count: int = 15) -> None:
        """Wait until each kind has had so many answers more."""
        before = Counter(self.answered)
        ways = {visit.get_name() for visit in self._visits}
        async with asyncio.timeout(PATIENCE):
            while not self.failures and any(self.answered[way] < before[way] + count for way in ways):
                await asyncio.sleep(0.01)
        assert self.failures == []

    async def leave(self) -> None:
        """All have their last answers."""
        self._over = True
        await asyncio.gather(*self._visits)
        self._visits, self._over = [], False

    async def _visit(self, way: str, name: str) -> None:
        try:
            async for met in self._ways[way](name):
                self.answered[way] += 1
                if met != "ok":
                    self.failures.append(f"{name}: {met}")
        except (OSError, EOFError, AssertionError) as error:
            self.failures.append(f"{name} after {self.answered[way]}: {error!r}")

    async def _http(self, name: str) -> AsyncIterator[str]:
        async for met in self._keep_asking(name, self._port, None):
            yield met

    async def _https(self, name: str) -> AsyncIterator[str]:
        async for met in self._keep_asking(name, self._secure_port, trusting("http/1.1")):
            yield met

    async def _keep_asking(self, name: str, port: int, context: ssl.SSLContext | None) -> AsyncIterator[str]:
        while not self._over:
            reader, writer = await self._dial(name, port, context)
            kept = True
            while kept and not self._over:
                writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(2)
                kept = b"\r\nConnection: close\r\n" not in head
                await asyncio.sleep(PACE_SECONDS)
                yield "ok" if head.startswith(b"HTTP/1.1 200 ") and body == b"ok" else str(head + body)
            writer.close()

    async def _h2(self, name: str) -> AsyncIterator[str]:
        while not self._over:
            wire = Wire2(*await self._dial(name, self._secure_port, trusting("h2")))
            await wire.greet()
            while not wire.went_away and not self._over:
                streams = [wire.ask(get()) for _ in range(3)]
                for stream in streams:
                    # What was begun after the number that a GOAWAY names was not taken on, and may be asked again.
                    await wire.until(partial(_ended, wire, stream))
                    if stream in wire.answers:
                        answer = wire.answers[stream]
                        yield "ok" if (answer.status, answer.body) == (200, b"ok") else str(answer)
            wire.writer.close()

    async def _websocket(self, name: str) -> AsyncIterator[str]:
        """One that is never closed."""
        reader, writer = await self._open(name)
        while not self._over:
            yield await _echoed(reader, writer)
        writer.close()

    async def _short_websockets(self, name: str) -> AsyncIterator[str]:
        while not self._over:
            reader, writer = await self._open(name)
            for _ in range(5):
                yield await _echoed(reader, writer)
            writer.close()

    async def _open(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self._dial(name, self._port, None)
        writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n{UPGRADE}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return reader, writer

    async def _dial(
        self, name: str, port: int, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.connections[name] += 1
        return await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=HOST if context else None, limit=2**20
        )


def _ended(wire: Wire2, stream: int) -> bool:
    if stream in wire.answers:
        return wire.answers[stream].ended or wire.code(stream)
    return any(last < stream for last, _ in wire.went_away)


async def _echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    writer.write(b"said")
    heard = await reader.readexactly(4)
    await asyncio.sleep(PACE_SECONDS)
    return "ok" if heard == b"said" else str(heard)


class House:
    """Two workers on the same ports, as an installation has them, and their dynos."""

    def __init__(self, folder: Path, workers: list[Process], dynos: list[FakeDyno]) -> None:
        self.folder = folder
        self.workers = workers
        self.dynos = dynos
        self.processes: list[asyncio.subprocess.Process] = []
        self._sequence = 0

    def table(self, number: int, own: str = "") -> Table:
        """Another one each time: either dyno or both, and other apps around."""
        self._sequence += 1
        dynos = tuple(fake.dyno for fake in (self.dynos[:1], self.dynos[1:], self.dynos)[number % 3])
        app = App("id", "hello", (HOST,), State.UP, dynos, {HOST: own} if own else {})
        dead = (Dyno("web.1", "127.0.0.1", 9),)
        others = (App(f"id-{each}", f"a-{each}", (f"a-{each}.localhost",), State.UP, dead) for each in range(number))
        return Table(self._sequence, "localhost", (app, *others))

    async def swap(self, table: Table) -> None:
        """Put it on the disk and in force, as hostd does."""
        save(self.folder / "routes.json", table)
        for worker in self.workers:
            await worker.ask("/routes", "PUT", table.to_json())

    async def restart(self, number: int) -> None:
        """End a worker as systemd does, and start it again."""
        self.processes[number].terminate()
        assert (await self.workers[number].told()).startswith("STOPPING=1")
        assert await self.processes[number].wait() == 0
        self.processes[number] = await self.workers[number].start()

    async def shown(self) -> bytes:
        """The certificate that somebody is shown who comes now."""
        _, writer = await asyncio.open_connection(
            "127.0.0.1", self.workers[0].secure_port, ssl=trusting("h2"), server_hostname=HOST
        )
        found: bytes = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.close()
        return found


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[House, Crowd]]:
    async with AsyncExitStack() as stack:
        dynos = [FakeDyno(obliging, f"web.{number}") for number in (1, 2)]
        for fake in dynos:
            await fake.start()
            stack.push_async_callback(fake.kill)
        one = Process(folder)
        workers = [one, Process(folder, 2, (one.port, one.secure_port))]
        made = House(folder, workers, dynos)
        save(folder / "routes.json", made.table(2))
        put(folder, _certificate())
        for worker in workers:
            stack.callback(worker.close)
            made.processes.append(await worker.start())
        crowd = Crowd(one.port, one.secure_port)
        try:
            yield made, crowd
        finally:
            await crowd.leave()
            for process in made.processes:
                process.terminate()
                await process.wait()


def _certificate() -> Made:
    now = datetime.datetime.now(datetime.UTC)
    return make(HOST, starts=now - DAY, ends=now + DAY)


def put(folder: Path, certificate: Made, name: str = "") -> None:
    """The default certificate, or that of an app."""
    for target, text in (
        ((f"{name}.pem", certificate.key_pem + certificate.pem),) if name else
        (("key.pem", certificate.key_pem), ("cert.pem", certificate.pem))
    ):
        (folder / "draft").write_text(text)
        (folder / "draft").replace(folder / target)


async def test_tables_are_swapped(tmp_path: Path) -> None:
    async with house(tmp_path) as (made, crowd):
        crowd.come(*WAYS)
        await crowd.more()
        for number in range(60):
            await made.swap(made.table(number))
            if number % 6 == 0:
                await crowd.more(2)
        await crowd.more()
        await crowd.leave()
        assert crowd.failures == []
        kept = [name for name in crowd.connections if not name.startswith("visits")]
        # Nobody needed a second connection.
        assert {name: crowd.connections[name] for name in kept} == dict.fromkeys(kept, 1)


async def test_certificates_are_changed(tmp_path: Path) -> None:
    async with house(tmp_path) as (made, crowd):
        crowd.come(*WAYS)
        await crowd.more()
        shown = {await made.shown()}
        for number in range(3):
            put(tmp_path, _certificate())
            for process in made.processes:
                process.send_signal(1)
            await crowd.more(5)
            own, name = _certificate(), str(number) * 32
            put(tmp_path, own, name)
            await made.swap(made.table(number, name))
            assert await made.shown() == ssl.PEM_cert_to_DER_cert(own.pem)
            await crowd.more(5)
            await made.swap(made.table(number))
            (tmp_path / f"{name}.pem").unlink()
            shown.add(await made.shown())
            await crowd.more(5)
        await crowd.leave()
        assert crowd.failures == []
        assert len(shown) == 4


async def test_workers_are_restarted_one_by_one(tmp_path: Path) -> None:
    async with house(tmp_path) as (made, crowd):
        crowd.come("http", "https", "h2", "visits by websocket")
        for _ in range(2):
            for number in range(2):
                await crowd.more()
                await made.restart(number)
                await made.swap(made.table(number))
        await crowd.more()
        await crowd.leave()
        assert crowd.failures == []
        # They were on both, and went over to the other.
        assert all(count > 1 for count in crowd.connections.values())
