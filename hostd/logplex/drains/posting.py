"""One HTTP request on an open connection, and its answer: all that drains need of HTTP.

Parsed by httptools on asyncio's streams, as the logplex's own server is: see docs/drains.md for what aiohttp costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httptools

from hostd.logplex.drains.dialing import Connection

LONGEST_ANSWER = 256 * 1024
"""Bytes; of a longer one nothing is read on, and the connection is closed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's status; `after` is what Retry-After asks for, in seconds; `lasting` if the connection is good still.
    """

    status: int
    after: float | None
    lasting: bool


class NoAnswer(Exception):  # noqa: N818 - says what happened
    """No answer in HTTP came. `began`: something came, so that the request was read perhaps."""

    def __init__(self, message: str, *, began: bool) -> None:
        super().__init__(message)
        self.message = message
        self.began = began


async def post(connection: Connection, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Send a POST and read its answer to the end; raises NoAnswer and OSError. Without a deadline of its own."""
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1")
    connection.writer.writelines((head, body))
    await connection.writer.drain()
    reading = _Reading()
    size = 0
    while not reading.complete and size <= LONGEST_ANSWER:
        piece = await connection.reader.read(16 * 1024)
        size += len(piece)
        if not piece:
            break
        try:
            reading.feed(piece)
        except httptools.HttpParserError:
            raise NoAnswer("its answer is not HTTP", began=True) from None
    if not reading.status or not (reading.complete or reading.endless or size > LONGEST_ANSWER):
        raise NoAnswer("it hung up in the middle" if size else "it hung up", began=size > 0)
    return Answer(reading.status, seconds_of(reading.headers.get("retry-after", ""), time.time), reading.lasting)


def seconds_of(text: str, clock: Callable[[], float]) -> float | None:
    """What a Retry-After asks for, in seconds or as a date (RFC 9110, 10.2.3); None if it cannot be read."""
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - clock())
    except (ValueError, TypeError, OverflowError):
        return None


class _Reading:
    """What httptools calls while it parses; what comes before the answer itself (100, 103) is passed over."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.headers: dict[str, str] = {}
        self.status = 0
        self.complete = self.lasting = False

    @property
    def endless(self) -> bool:
        """Whether the end of the connection is the end of the answer (RFC 9112, 6.3)."""
        return "content-length" not in self.headers and "transfer-encoding" not in self.headers

    def feed(self, piece: bytes) -> None:
        """Parse what came; raises HttpParserError."""
        self._parser.feed_data(piece)

    def on_message_begin(self) -> None:
        """A head begins."""
        if not self.complete:
            self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; names in lower case."""
        if not self.complete:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The status is known."""
        status = int(self._parser.get_status_code())
        if not self.complete and status >= 200:
            self.status = status

    def on_message_complete(self) -> None:
        """The answer is at its end; what comes behind it is none of ours."""
        if self.status and not self.complete:
            self.complete = True
            self.lasting = bool(self._parser.should_keep_alive())
        elif self.complete:
            self.lasting = False
