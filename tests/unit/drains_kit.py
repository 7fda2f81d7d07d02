"""What tests of drains share: messages, receivers on loopback, and ways to reach them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network

from hostd.logplex.drains.buffer import Frame
from hostd.logplex.drains.dialing import Dialer, Judge
from hostd.logplex.drains.failures import Undelivered
from hostd.logplex.drains.messages import Item, item_of
from hostd.logplex.lines import Line
from hostd.reach import Address
from tests.unit.logplex_fakes import APP, START, cursor

LOOPBACK = Judge((ip_network("127.0.0.0/8"), ip_network("::1/128")))


def item(number: int, text: str | None = None, source: str = "app", process: str = "web.1") -> Item:
    message = (text if text is not None else f"line {number}").encode()
    return item_of(Line(cursor(number), START + number, APP, source, process, message))


def numbers(frame: Frame) -> list[int]:
    """The numbers of the lines in a frame."""
    return [int(text.removeprefix("line ")) for each in frame.items for text in each.texts]


async def to_loopback(_host: str) -> Sequence[Address]:
    return [ip_address("127.0.0.1")]


def dialer(seconds: float = 5.0) -> Dialer:
    return Dialer(LOOPBACK, to_loopback, seconds=seconds)


class FakeSender:
    """Takes frames, or fails as it is told to: a list of what each attempt meets, None for a frame that is taken."""

    def __init__(self, *script: Undelivered | None) -> None:
        self.script = list(script)
        self.attempts: list[Frame] = []
        self.taken: list[Frame] = []
        self.closed = False

    async def send(self, frame: Frame) -> None:
        self.attempts.append(frame)
        met = self.script.pop(0) if self.script else None
        if met is not None:
            raise met
        self.taken.append(frame)

    async def close(self) -> None:
        self.closed = True


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiver(serve: Serve, **more: object) -> AsyncIterator[int]:
    """A server on loopback; its port. Whatever it still does at the end is cut."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, **more)  # type: ignore[arg-type]
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
