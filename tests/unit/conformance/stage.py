"""Stage: where cases are played: one router worker, one dyno that does as its script says, one client at a time."""

from __future__ import annotations

import asyncio
import io
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from time import monotonic
from typing import Any
from unittest.mock import patch

from conformance.case import Act, Case, Step
from router import backend, client, exchange, plane, record, search, tunnel
from router.client import Client
from router.journal import Journal
from router.plane import Plane
from router.settings import Settings
from router.table import App, Dyno, State, Table

_OURS = re.compile(
    rb"X-Request-ID: (?P<identity>[^\r]+)\r\nX-Request-Start: \d{13}\r\nX-Forwarded-For: (?P<forwarded>[^\r]+)\r\n"
    rb"X-Forwarded-Proto: http\r\nX-Forwarded-Port: \d+\r\nVia: (?P<via>1\.[01]) hostd-router\r\n\r\n$"
)
_DATE = re.compile(rb"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n")
_VIA = re.compile(rb"Via: 1\.[01] hostd-router\r\n")
_PROBE = b"GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"
_PATIENCE = 5.0


class Scripted:
    """The dyno. It hands over each head that comes, on whatever connection, and reads no further until asked to."""

    def __init__(self) -> None:
        self.heads: asyncio.Queue[tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self.writers: set[asyncio.StreamWriter] = set()
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self._next: dict[asyncio.StreamWriter, asyncio.Event] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.writers.add(writer)
        turn = self._next[writer] = asyncio.Event()
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.heads.put_nowait((await reader.readuntil(b"\r\n\r\n"), reader, writer))
                await turn.wait()
                turn.clear()
        self.writers.discard(writer)
        del self._next[writer]

    async def head(self) -> bytes:
        """The next head, on the connection that is then the current one."""
        self.release()
        head, self.reader, self.writer = await self.heads.get()
        return head

    def release(self) -> None:
        """Read on, where a head was handed over."""
        for turn in self._next.values():
            turn.set()

    def forget(self) -> None:
        """Close what a case has left behind."""
        while not self.heads.empty():
            self.heads.get_nowait()
        for writer in list(self.writers):
            writer.transport.abort()


class Counted:
    """Counts the bytes that come to a client, and is not a kind of it: the compiled one can have none."""

    def __init__(self, plane: Plane, protocol: str) -> None:
        self.client = Client(plane, protocol)
        self.arrived = 0

    def data_received(self, data: bytes) -> None:
        self.arrived += len(data)
        self.client.data_received(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


class Stage:
    """A worker's plane with the app `a` on the scripted dyno, and the app `probe`, which has none."""

    def __init__(self, plane: Plane, log: io.BytesIO) -> None:
        self.plane = plane
        self.dyno = Scripted()
        self.counted: Counted | None = None
        """The connection of the case."""
        self.port = 0
        self.ports: dict[str, int] = {}
        self.ahead = 0.0
        self._log = log
        self._taken = 0
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._open = True
        self._acts: dict[Act, Callable[[Step], Coroutine[None, None, None]]] = {
            act: getattr(self, f"_{act.name.lower()}") for act in Act
        }

    async def play(self, case: Case) -> None:
        """Play a case; raises AssertionError where it goes otherwise."""
        self.route("up")
        self.lines()
        self._seen: list[str] = []
        self._said = 0
        self.counted = None
        while self.plane.clients:
            await asyncio.sleep(0)
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**21)
        self._open = True
        try:
            async with asyncio.timeout(_PATIENCE):
                for step in case.steps:
                    await self._acts[step.act](step)
                await self._finish()
        finally:
            self._writer.transport.abort()
            self.dyno.forget()
            for behind in self.plane.backends.values():
                for upstream in behind.idle:
                    upstream.transport.close()
                behind.idle.clear()
            await asyncio.sleep(0)

    def accept(self) -> Counted:
        """The case's client has come."""
        self.counted = Counted(self.plane, "http")
        return self.counted

    def route(self, state: str) -> None:
        """Put a table in force in which the app is in this state. It is up, too, when its dyno is `deaf` (takes no
        connection) or `dead` (refuses them)."""
        port = self.ports.get(state)
        spots = (Dyno("web.1", "127.0.0.1", port),) if port else ()
        apps = (App("id-a", "a", ("a",), State.UP if port else State(state), spots), App("id-p", "probe", ("probe",),
        State.NONE))
        self.plane.swap(Table(self.plane.table.sequence + 1, "localhost", apps))

    def clock(self) -> float:
        """The worker's time: it goes on by itself, and by leaps when a case says so."""
        return monotonic() + self.ahead

    def lines(self) -> list[str]:
        """What was logged since the last time."""
        self.plane.journal.flush()
        text = self._log.getvalue()[self._taken :]
        self._taken += len(text)
        return text.decode().splitlines()

    async def _finish(self) -> None:
        """Nobody has anything left to read, and a connection that should be open serves the next request."""
        if self._open:
            self._writer.write(_PROBE)
            answer = await self._reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 503 "), answer
            await self._reader.readexactly(_length(answer))
        self.dyno.release()
        await asyncio.sleep(0)
        assert self.dyno.heads.empty(), "the dyno got one more request"
        for behind in self.plane.backends.values():
            assert (behind.in_flight, behind.answering) == (0, 0)
        for load in self.plane._loads.values():
            assert (load.active, len(load.queue)) == (0, 0)

    async def _say(self, step: Step) -> None:
        self._said += len(step.data)
        self._writer.write(step.data)

    async def _hear(self, step: Step) -> None:
        head = await self._reader.readuntil(b"\r\n\r\n")
        if step.number:
            assert head.startswith(b"HTTP/1.1 %d " % step.number), head
            assert _DATE.search(head), head
            await self._reader.readexactly(_length(head))
            return
        want, blank, body = step.data.partition(b"\r\n\r\n")
        want += blank
        if not want.startswith(b"HTTP/1.1 1"):
            assert _VIA.search(head), head
            head = _VIA.sub(b"", head, count=1)
        if b"\r\nDate: " not in want:
            head = _DATE.sub(b"", head)
        assert head == want
        await self._read_bytes(self._reader, body)

    async def _took(self, step: Step) -> None:
        head = await self.dyno.head()
        ours = _OURS.search(head)
        assert ours is not None, head
        assert (ours["forwarded"], ours["via"]) == (step.forwarded, step.via)
        assert not step.identity or ours["identity"] == step.identity
        want, blank, body = step.data.partition(b"\r\n\r\n")
        assert head[: ours.start()] + b"\r\n" == want + blank
        await self._read_bytes(self.dyno.reader, body)

    async def _read(self, step: Step) -> None:
        await self._read_bytes(self._reader, step.data)

    async def _more(self, step: Step) -> None:
        await self._read_bytes(self.dyno.reader, step.data)

    async def _tell(self, step: Step) -> None:
        self.dyno.writer.write(step.data)

    async def _hang_up(self, _step: Step) -> None:
        self.dyno.writer.close()

    async def _leave(self, _step: Step) -> None:
        self._writer.transport.abort()
        self._open = False

    async def _pass(self, step: Step) -> None:
        await self._settle()
        self.ahead += step.number
        self.plane.sweep(self.clock())

    async def _state(self, step: Step) -> None:
        if step.text == "held":
            while not self.plane.held:
                await asyncio.sleep(0)
        elif step.text == "begun":
            while all(client.idle for client in self.plane.clients):
                await asyncio.sleep(0)
        else:
            self.route(step.text)

    async def _settle(self) -> None:
        """What the client sent has arrived."""
        while not self._reader.at_eof():
            here = self.counted
            if here is not None and (here.arrived >= self._said or here.client.reading_held):
                return
            await asyncio.sleep(0)

    async def _ended(self, _step: Step) -> None:
        with suppress(ConnectionError):
            assert await self._reader.read() == b""
        self._open = False

    async def _gone(self, _step: Step) -> None:
        with suppress(ConnectionError):
            assert await self.dyno.reader.read() == b""

    async def _logged(self, step: Step) -> None:
        while True:
            self._seen += self.lines()
            if any(step.text in line for line in self._seen):
                return
            await asyncio.sleep(0)

    @staticmethod
    async def _read_bytes(reader: asyncio.StreamReader, data: bytes) -> None:
        try:
            assert await reader.readexactly(len(data)) == data
        except asyncio.IncompleteReadError as error:
            raise AssertionError(f"only {error.partial!r} of {data!r}") from error


@asynccontextmanager
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    """A stage on loopback. Time passes only as cases say it does."""
    loop = asyncio.get_running_loop()
    log = io.BytesIO()
    made = Stage(Plane(settings, Journal(None, loop, fallback=log, delay=60), loop), log)
    dyno = await asyncio.start_server(made.dyno.serve, "127.0.0.1", 0, limit=2**21)
    server = await loop.create_server(made.accept, "127.0.0.1", 0)
    made.ports["up"], made.port = (item.sockets[0].getsockname()[1] for item in (dyno, server))
    try:
        with ExitStack() as stack:
            for module in (backend, client, exchange, plane, record, search, tunnel):
                stack.enter_context(patch.object(module, "monotonic", made.clock))
            made.ports["dead"] = _port(stack, None)
            made.ports["deaf"] = _port(stack, 0)
            yield made
    finally:
        server.close()
        dyno.close()
        made.dyno.forget()
        made.plane.journal.close()


def _port(stack: ExitStack, backlog: int | None) -> int:
    """A port where nobody listens, or where connections wait for ever behind a few that fill the queue."""
    bound = stack.enter_context(socket.socket())
    bound.bind(("127.0.0.1", 0))
    port = int(bound.getsockname()[1])
    if backlog is not None:
        bound.listen(backlog)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
    return port


def _length(head: bytes) -> int:
    return int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
