"""Siege: a worker of which an app is asked all along while another of its apps, or its clients, do their worst."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from router_rig import Call, FakeDyno
from worker_rig import PATIENCE, Process, certificate, hasty, obliging

from hostile.rogues import ROGUES
from hostile.target import Target
from router.store import save
from router.table import App, State, Table

NEIGHBOUR, VICTIM = "hello.localhost", "victim.localhost"

PAUSE = 0.01
"""Seconds between a visitor's requests: without it they, and not what is tested, take most of a test that waits."""
# Time limits short enough to be met, and long enough for the other app on any machine.
HASTY = hasty(first_byte=6.0, idle=4.0, head_arrival=2.0, client_idle=6.0, linger=1.0, tick=0.1, handshake=2.0)


class Neighbour:
    """Visitors of the other app: each keeps a connection and asks one thing after another."""

    def __init__(self, made: Process, trusted: ssl.SSLContext) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._over = False
        ways = ((made.port, None), (made.secure_port, trusted)) * 2
        self._visits = [asyncio.create_task(self._visit(at, *way)) for at, way in enumerate(ways)]

    async def more(self, count: int = 20) -> None:
        """Wait until so many further requests are answered."""
        wanted = self.answered + count
        await until(lambda: self.answered >= wanted or bool(self.failures))

    async def leave(self) -> None:
        """All have their last answers."""
        self._over = True
        await asyncio.gather(*self._visits)

    async def _visit(self, number: int, port: int, trusted: ssl.SSLContext | None) -> None:
        name = NEIGHBOUR if trusted else None
        count = 0
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted, server_hostname=name)
            while not self._over:
                count += 1
                # Some need a new connection, which is where a crowd at the door would be noticed.
                last = self._over or count % 10 == 0
                path = f"/{number}/{count}"
                close = "Connection: close\r\n" * last
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {NEIGHBOUR}\r\n{close}\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(len(path))
                assert head.startswith(b"HTTP/1.1 200 ") and body == path.encode(), head + body
                self.answered += 1
                await asyncio.sleep(PAUSE)
                if last:
                    writer.close()
                    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted, server_hostname=name)
            writer.close()
        except (OSError, EOFError, AssertionError) as error:
            self.failures.append(f"visitor {number}, request {count}: {error!r}")


class Siege:
    """A worker process with an app whose visitors want nothing but answers, one with an obliging dyno, which hostile
    clients turn against, and one for each rogue."""

    def __init__(self, made: Process, trusted: ssl.SSLContext) -> None:
        self.worker = made
        self._trusted = trusted

    def target(self, crowd: int) -> Target:
        """What clients turn against."""
        return Target(self.worker.port, self.worker.secure_port, VICTIM, crowd)

    @asynccontextmanager
    async def neighbour(self) -> AsyncIterator[Neighbour]:
        """The other app's visitors, who have come when the block begins; none of their requests may have failed."""
        visiting = Neighbour(self.worker, self._trusted)
        await visiting.more()
        try:
            yield visiting
            await visiting.more()
        finally:
            await visiting.leave()
        assert visiting.failures == [], visiting.failures

    async def faults(self, code: str) -> int:
        """How often the worker has counted this."""
        return (await self.worker.ask("/metrics"))["faults"].get(code, 0)

    def logged(self, host: str) -> list[str]:
        """What the worker has said about requests for a host."""
        return [line for line in (self.worker.folder / "log").read_text().splitlines() if f"host={host}" in line]

    async def at_rest(self, files: int) -> None:
        """Wait until the worker holds no more than it did with so many files, and nothing is under way."""
        status: dict[str, int] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    status = await self.worker.ask("/status")
                    if await self.worker.files() <= files and not any(status[each] for each in _UNDER_WAY):
                        break
                    await asyncio.sleep(0.02)
        assert {each: status[each] for each in _UNDER_WAY} == dict.fromkeys(_UNDER_WAY, 0)
        assert await self.worker.files() == files


_UNDER_WAY = ("connections", "in_flight", "tunnels", "held")


@asynccontextmanager
async def siege(folder: Path) -> AsyncIterator[Siege]:
    """A running worker. Its log is to tell of no fault of its own."""
    behaviours = {NEIGHBOUR: _says_its_path, VICTIM: obliging}
    behaviours |= {host_of(name): rogue.does for name, rogue in ROGUES.items()}
    dynos = {host: FakeDyno(does, "web.1") for host, does in behaviours.items()}
    apps = []
    for number, (host, fake) in enumerate(dynos.items()):
        await fake.start()
        apps.append(App(f"id-{number}", host.partition(".")[0], (host,), State.UP, (fake.dyno,)))
    save(folder / "routes.json", Table(1, "localhost", tuple(apps)))
    made = Process(folder, script=HASTY)
    with certificate(folder) as trusted:
        process = await made.start()
    try:
        yield Siege(made, trusted)
        process.terminate()
        assert await process.wait() == 0
        said = (folder / "log").read_text()
        strange = [line for line in said.splitlines() if "at=" not in line or "H99" in line]
        assert not strange, strange[:3]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        made.close()
        for fake in dynos.values():
            await fake.kill()


def host_of(rogue: str) -> str:
    """The host of a rogue's app."""
    return f"rogue-{list(ROGUES).index(rogue)}.localhost"


async def _says_its_path(call: Call) -> None:
    await call.answer(call.line.split()[1].encode())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is to be soon."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)
