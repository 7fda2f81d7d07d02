"""Visitors: many clients at once, each with a connection it keeps, who count every request that went wrong."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from tests.support.waiting import wait_until

ANSWER_SECONDS = 60.0
"""A request without an answer for this long has failed: shorter than what the router waits for a booting app."""
PACE_SECONDS = 0.02
"""From one answer to the visitor's next request."""
MOST_FAILURES = 20


class BrokenOff(Exception):  # noqa: N818 - says what happened
    """The connection ended before the first byte of an answer."""


@dataclass(slots=True)
class Tally:
    """What the visitors met. `retries` counts by step the requests that were sent a second time."""

    answered: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and the text that the right app's right answer is."""

    method: str
    host: str
    path: str
    body: bytes

    @property
    def wire(self) -> bytes:
        """The bytes to send."""
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: {self.host}.localhost\r\n"
        if self.method == "POST":
            head += f"Content-Length: {len(self.body)}\r\n"
        return head.encode() + b"\r\n" + self.body

    def fits(self, status: int, answer: bytes) -> bool:
        """Whether this is the answer of the app (`examples` of an app: `tests/support/echo.py`)."""
        wanted = f"{self.host} {self.method} {self.path} {self.body.decode()}\n".encode()
        return status == 200 and answer.startswith(wanted)


class Crowd:
    """Visitors of some apps, who come, ask without end, and go: in a thread, between `with` and its end.

    Each keeps one connection and sends a request a little after the answer to the last one. As RFC 9110, 9.2.2
    allows and browsers do, an idempotent request (here GET) is sent once more, over a new connection, if the kept
    connection it was sent on ended before any byte of an answer; such requests are counted as retries, under the
    `step` that is set at the time. Whatever else is not the right answer of the right app is a failure.

    `shares` maps an app to the number of its visitors. Every fifth request is a POST, which is never sent twice.
    """

    def __init__(self, port: int, shares: Mapping[str, int]) -> None:
        self.tally = Tally()
        self.step = "before"
        self._port = port
        self._hosts = [host for host, count in shares.items() for _ in range(count)]
        self._leaving = False
        self._posts = True
        self._posting = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._visits()))

    def __enter__(self) -> Crowd:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        self._thread.join()

    @contextmanager
    def only_gets(self) -> Iterator[None]:
        """No POST is under way: for what nothing but sending a request again can help against."""
        self._posts = False
        wait_until(lambda: not self._posting, ANSWER_SECONDS)
        try:
            yield
        finally:
            self._posts = True

    async def _visits(self) -> None:
        await asyncio.gather(*(self._visit(number, host) for number, host in enumerate(self._hosts)))

    async def _visit(self, number: int, host: str) -> None:
        line = Line(self._port)
        count = 0
        while not self._leaving and len(self.tally.failures) < MOST_FAILURES:
            count += 1
            path = f"/{number}/{count}" + ("/slow" if count % 7 == 0 else "")
            if self._posts and count % 5 == 0:
                self._posting += 1
                await self._ask(line, Request("POST", host, path, b"x" * 3000))
                self._posting -= 1
            else:
                await self._ask(line, Request("GET", host, path, b""))
            await asyncio.sleep(PACE_SECONDS)
        line.hang_up()

    async def _ask(self, line: Line, request: Request) -> None:
        begun, step, kept = time.monotonic(), self.step, line.kept
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                try:
                    status, answer = await line.ask(request)
                except BrokenOff:
                    if not kept or request.method != "GET":
                        raise
                    self.tally.retries[self.step] += 1
                    status, answer = await line.ask(request)
        except (OSError, TimeoutError, EOFError, BrokenOff) as error:
            line.hang_up()
            self._fail(step, request, begun, f"{type(error).__name__}: {error}")
            return
        if not request.fits(status, answer):
            self._fail(step, request, begun, f"{status}: {answer[:300]!r}")
            return
        self.tally.answered[self.step] += 1
        self.tally.slowest = max(self.tally.slowest, time.monotonic() - begun)

    def _fail(self, step: str, request: Request, begun: float, why: str) -> None:
        took = time.monotonic() - begun
        what = f"{request.method} {request.path} to {request.host}"
        self.tally.failures.append(f"{step}..{self.step}: {what} after {took:.2f} s: {why}")


class Line:
    """One visitor's connection, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.kept = False

    async def ask(self, request: Request) -> tuple[int, bytes]:
        """Send a request and read its answer. Raises BrokenOff if not one byte of it came, else what went wrong."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        try:
            writer.write(request.wire)
            first = await reader.read(1)
        except ConnectionError as error:
            first, reason = b"", str(error)
        else:
            reason = "closed"
        if not first:
            self.hang_up()
            raise BrokenOff(reason)
        status, headers = parse_head(first + await reader.readuntil(b"\r\n\r\n"))
        answer = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.hang_up()
        else:
            self.kept = True
        return status, answer

    def hang_up(self) -> None:
        """Close the connection, if there is one."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams, self.kept = None, False


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """The status and the header fields of an answer; names in lower case."""
    lines: Sequence[str] = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split(" ")[1]), {name.lower(): value.strip() for name, _, value in fields}
