"""Upstream: a connection to a dyno, and the dyno's side of the protocol."""

from __future__ import annotations

import asyncio
import select
import socket
from typing import TYPE_CHECKING, Any, Final, cast

import httptools

from router import faults
from router.fields import Field, Refused
from router.settings import Settings
from router.turns import CRUMBS, HEADS, MORSEL, SLICE

_NO_TRAILERS: Final[list[Field]] = []
_SMALL: Final = 4 * 1024
"""A head that came within so many bytes breaks no limit: it has fewer than 1,000 headers, and none of 8 KiB."""

if TYPE_CHECKING:
    from router.backend import Backend
    from router.exchange import Exchange
    from router.tunnel import Tunnel


class Upstream(asyncio.Protocol):
    """One connection to a dyno: parses answers and passes them to the exchange it works for."""

    __slots__ = (
        "_fields",
        "_head_fields",
        "_interim",
        "_modern",
        "_mute",
        "_parser",
        "_pieces",
        "_reason",
        "_settings",
        "_switching",
        "_unparsed",
        "_waiting",
        "answered",
        "backend",
        "complete",
        "exchange",
        "idle_since",
        "paused",
        "reused",
        "transport",
        "tunnel",
        "write_paused",
    )

    transport: asyncio.Transport

    def __init__(self, backend: Backend, settings: Settings) -> None:
        self.backend = backend
        self.exchange: Exchange | None = None
        self.tunnel: Tunnel | None = None
        self.idle_since = 0.0
        self.answered = False
        self.reused = False
        self.paused = False
        self.write_paused = False
        self._settings = settings
        self._parser: Any = httptools.HttpResponseParser(self)
        self._fields: list[Field] = []
        self._reason = b""
        self._head_fields = 0
        self._mute = self._pieces = 0
        self._unparsed = b""
        self._waiting = False
        self.complete = False
        self._interim = self._modern = False
        self._switching = False

    @property
    def reading_held(self) -> bool:
        """Whether the dyno has to wait before it is read."""
        return self.paused or self._waiting

    # What an exchange asks for

    def begin(self, exchange: Exchange, data: bytes) -> None:
        """Send a request's beginning and pass the answer to this exchange."""
        self.exchange = exchange
        self.answered = False
        self.complete = False
        self._mute = 0
        self._fields, self._reason, self._head_fields = [], b"", 0
        self.transport.write(data)

    def fresh(self, since: float) -> bool:
        """Whether the connection was used after `since` and nothing, not even its end, waits to be read."""
        if self.idle_since < since:
            return False
        watch = select.poll()
        watch.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLRDHUP)
        return not watch.poll(0)

    def pause(self) -> None:
        """Read nothing from the dyno until `resume`."""
        if not self.paused and not self.transport.is_closing():
            self.paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.paused:
            self.paused = False
            if self._unparsed:
                self._wait()
            elif not self.transport.is_closing():
                self.transport.resume_reading()

    def abandon(self) -> None:
        """Close without a word to the exchange."""
        self.exchange = None
        self.transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self.tunnel is not None:
            self.tunnel.from_dyno(data)
            self.tunnel.client.plane.turns.brought(self, len(data))
            return
        exchange = self.exchange
        if exchange is None:
            self.transport.close()
            return
        first, self.answered = not self.answered, True
        self._modern = first and data.startswith(b"HTTP/1.1 ")
        clean = True
        size = MORSEL if self._pieces > CRUMBS else SLICE
        at = self._pieces = 0
        try:
            while at < len(data) and not self._unparsed:
                piece = data if len(data) <= size else data[at : at + size]
                at += len(piece)
                self._feed(piece)
                if self._pieces > CRUMBS and at < len(data) and not self.complete:
                    self._unparsed = data[at:]
        except httptools.HttpParserUpgrade as upgrade:
            if self._switching:
                self.exchange = None
                exchange.switch(data[at - len(piece) + upgrade.args[0] :])
                return
            clean = False
        except (httptools.HttpParserError, Refused) as error:
            if not self.complete:
                exchange.malformed(self._judged(error))
                return
            clean = False
        exchange.flush()
        if self.complete:
            self._finish(exchange, clean)
            return
        if first:
            self._acknowledge()
        if self._unparsed:
            self._wait()
        else:
            exchange.client.plane.turns.brought(self, len(data))

    def _feed(self, piece: bytes) -> None:
        """Parse a piece; raises HttpParserError, and Refused when headers or trailers have no end."""
        self._mute += len(piece)
        if self._mute > SLICE and self._mute > self._settings.max_answer_head + SLICE:
            raise _restricted("oversized header")
        self._parser.feed_data(piece)
        if len(self._fields) - self._head_fields > self._settings.max_headers:
            raise _restricted("oversized header")
        if len(self._reason) > self._settings.max_line:
            raise _restricted("oversized status line")

    def _acknowledge(self) -> None:
        """Many servers send a head and then a body, and their kernels keep that back until the head is acknowledged,
        which ours would put off for 40 ms (tcp(7), TCP_QUICKACK; RFC 9293, 3.8.6.3)."""
        if not self.transport.is_closing():
            self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _wait(self) -> None:
        """Others have their turn before the rest of what came is looked at."""
        exchange = self.exchange
        if exchange is not None and not self._waiting and not self.transport.is_closing():
            self._waiting = True
            self.transport.pause_reading()
            exchange.client.plane.turns.wait(self._go_on)

    def _go_on(self) -> None:
        self._waiting = False
        if self.exchange is None or self.paused or self.transport.is_closing():
            return
        data, self._unparsed = self._unparsed, b""
        self.data_received(data)
        if not (self._unparsed or self.paused or self.transport.is_closing()):
            self.transport.resume_reading()

    def eof_received(self) -> None:
        """Called by the event loop: the dyno will say no more. The transport closes by itself."""
        if self.exchange is None and self in self.backend.idle:
            self.backend.idle.remove(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop."""
        self._parser = None
        if self.tunnel is not None:
            self.tunnel.close()
            return
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.dyno_gone(self, error)
        elif self in self.backend.idle:
            self.backend.idle.remove(self)

    def pause_writing(self) -> None:
        """Called by the event loop: the dyno does not read as fast as the client sends."""
        self.write_paused = True
        if self.exchange is not None:
            self.exchange.client.update_reading()
        elif self.tunnel is not None:
            self.tunnel.client.update_reading()

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self.write_paused = False
        if self.exchange is not None:
            self.exchange.touch()
            self.exchange.client.update_reading()
        elif self.tunnel is not None:
            self.tunnel.client.update_reading()

    # httptools

    def on_message_begin(self) -> None:
        """A head begins. Nothing may follow a complete answer, or the next request would get it."""
        if self.complete:
            raise Refused(502, "The dyno sent more than one answer")

    def on_status(self, reason: bytes) -> None:
        """A part of the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or a trailer."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        exchange = self.exchange
        assert exchange is not None
        status = self._parser.get_status_code()
        self._interim = status < 200 and status != 101
        if self._mute > _SMALL:
            self._check_lengths()
        if self._interim:
            self._pieces += CRUMBS // HEADS
            exchange.interim(status, self._reason, self._fields)
            self._fields, self._reason, self._modern = [], b"", False
            return
        self._head_fields = len(self._fields)
        self._switching = status == 101
        version = "1.1" if self._modern else self._parser.get_http_version()
        if exchange.answer(status, self._reason, version, self._fields):
            self.complete = True

    def on_body(self, data: bytes) -> None:
        """A piece of the body, without its framing."""
        if self.complete:
            raise Refused(502, "The dyno sent a body where there is none")
        self._mute = 0
        self._pieces += 1
        if self.exchange is not None:
            self.exchange.answer_body(data)

    def on_message_complete(self) -> None:
        """The answer is complete."""
        if not self._interim:
            self.complete = True
            if self.exchange is not None:
                whole = len(self._fields) == self._head_fields
                self.exchange.answer_end(_NO_TRAILERS if whole else self._fields[self._head_fields :])

    def _check_lengths(self) -> None:
        settings = self._settings
        if len(self._reason) > settings.max_line:
            raise _restricted("oversized status line")
        sizes = [len(name) + len(value) + 4 for name, value in self._fields]
        if sum(sizes) > settings.max_answer_head or len(sizes) > settings.max_headers:
            raise _restricted("oversized header")
        cookies = (value for name, value in self._fields if name.lower() == b"set-cookie")
        if max(map(len, cookies), default=0) > settings.max_cookie:
            raise _restricted("oversized cookie")

    @staticmethod
    def _judged(error: BaseException) -> BaseException:
        """What was raised in a callback, or what the parser has to say; two lengths have a code of their own."""
        if error.__context__ is None and "Content-Length" in str(error) and "Transfer" not in str(error):
            return _restricted("invalid content length")
        return error.__context__ or error

    def _finish(self, exchange: Exchange, clean: bool) -> None:
        self.exchange = None
        self.reused = True
        if self.paused:
            self.resume()
        if exchange.head.method == b"HEAD":
            self._parser = httptools.HttpResponseParser(self)
        exchange.answered(self, clean)


def _restricted(what: str) -> Refused:
    return Refused(502, what, faults.restriction(what))
