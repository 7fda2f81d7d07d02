"""Client: the connection of a browser or any other client; parses requests and takes them in turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic, time
from typing import TYPE_CHECKING, Any, cast

import httptools

from router import faults
from router.answers import Framing
from router.exchange import Exchange
from router.faults import Fault, refusal
from router.fields import Field, Refused
from router.heads import CHUNKED, Origin, RequestHead, read_request
from router.incoming import Incoming
from router.journal import ERROR
from router.judging import check_trailers, improper
from router.rest import rest_of_request
from router.side import asked_for, gone, origin_of, reset
from router.tunnel import Tunnel
from router.turns import CRUMBS, HEADS, SLICE, SPECK

if TYPE_CHECKING:
    from router.plane import Plane
    from router.upstream import Upstream


class Client(asyncio.Protocol):
    """One connection. Requests on it are handled one at a time, in order."""

    __slots__ = (
        "_advancing", "_begun", "_closing", "_incoming", "_most", "_parser", "_queue", "_receiving",
        "_refusal", "_resting", "_unparsed", "_upgraded",
        "asked_for", "deadline", "exchange", "origin", "plane", "reading_held", "transport", "tunnel", "write",
        "write_paused",
    )  # fmt: skip

    framed = False
    transport: asyncio.Transport
    write: Callable[[bytes], None]

    def __init__(self, plane: Plane, protocol: str) -> None:
        self.plane, self.origin = plane, Origin("", protocol, 0)
        self.exchange: Exchange | None = None
        self.tunnel: Tunnel | None = None
        self.write_paused = self.reading_held = False
        self.deadline = 0.0
        self._parser: Any = httptools.HttpRequestParser(self)
        self._queue: deque[Exchange] = deque()
        self._receiving: Exchange | None = None
        self._refusal: Fault | None = None
        self._unparsed = b""
        self._advancing = self._begun = self._closing = self._resting = self._upgraded = False
        self._incoming, self._most = Incoming(), CRUMBS

    @property
    def idle(self) -> bool:
        """Whether no request of this client is being handled or has begun to arrive."""
        return self.exchange is None and self.tunnel is None and not self._queue and not self._begun

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """The request that is being handled, if one is."""
        return () if self.exchange is None else (self.exchange,)

    # What an exchange asks for (`side`)

    def finished(self, exchange: Exchange, keep: bool) -> None:
        """The current request is answered, as far as it ever will be."""
        self.exchange = None
        if not keep:
            self._close(linger=not exchange.received or self._refusal is not None)
        elif self._queue or self._unparsed or self._upgraded or self._refusal or self.reading_held:
            self._advance()
        else:
            settings = self.plane.settings
            self.deadline = monotonic() + (settings.head_arrival if self._begun else settings.client_idle)

    def cut(self) -> None:
        """The worker ends: so does the connection, whatever goes on."""
        if self.tunnel is not None:
            self.tunnel.close()
        elif self.exchange is not None:
            self.exchange.abandon(faults.H24)
        self.transport.close()

    def break_off(self, framing: Framing) -> None:
        """Only an answer that ends with the connection could seem complete."""
        if framing is Framing.CLOSE:
            reset(self.transport)

    def gone(self) -> bool:
        """Whether the client has reset the connection."""
        return gone(self.transport)

    def taken(self) -> int:
        """A number that grows while the client reads."""
        return -self.transport.get_write_buffer_size()

    def trail(self, trailers: list[Field]) -> None:
        """Trailers are a part of chunks here."""
        raise AssertionError("HTTP/1.1 has no trailers without chunks")

    def begin_tunnel(self, exchange: Exchange, upstream: Upstream, rest: bytes) -> None:
        """What came after the request head, and after the answer's, belongs to the new protocol."""
        tunnel = Tunnel(exchange, self, upstream, self.plane.settings.idle)
        if rest:
            tunnel.from_dyno(rest)
        rest, self._unparsed, self._upgraded = self._unparsed, b"", False
        if rest:
            tunnel.from_client(rest)
        self.update_reading()

    def update_reading(self) -> None:
        """Read from the client only when what it sends has somewhere to go."""
        if self.transport.is_closing():
            return
        if self.tunnel is not None:
            hold = self.tunnel.upstream.write_paused
        elif self._closing:
            hold = False
        elif self._unparsed and self._wanted and not self._advancing and not self._resting:
            self._advance()
            return
        else:
            hold = bool(self._queue or self._unparsed) or (
                self.exchange is not None and not self.exchange.received and self.exchange.full
            )
        if hold != self.reading_held:
            self.reading_held = hold
            if hold:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def check(self, now: float) -> None:
        """Act on the deadline that has passed, if one has."""
        if self.tunnel is not None and not self._closing:
            if now >= self.tunnel.deadline:
                self.tunnel.close(silent=True)
        elif self.exchange is not None:
            if now >= self.exchange.deadline:
                self.exchange.expired(now)
        elif now >= self.deadline and not self._resting:
            if self._begun and not self._closing:
                self._refuse(refusal(408, "the head of the request did not arrive in time"))
            elif self._closing:
                reset(self.transport)
            else:
                self._close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self.transport = cast(asyncio.Transport, transport)
        self.write = self.transport.write
        self.origin = origin_of(self.transport, self.origin.protocol)
        self.asked_for = asked_for(self.transport)
        self.deadline = monotonic() + self.plane.settings.client_idle
        self.plane.clients.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop."""
        self.plane.clients.discard(self)
        self._parser = None
        self._closing = True
        self._queue.clear()
        if self.tunnel is not None:
            self.tunnel.close()
        elif self.exchange is not None:
            self.exchange.abandon(faults.H27)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self.tunnel is not None:
            self.tunnel.from_client(data)
        elif not self._closing:
            self._advancing = True
            self._parse(data)
            self._advancing = False
            if self.exchange is None or not self.exchange.received or self._queue or self._unparsed:
                self._advance()
        self.plane.turns.brought(self, len(data))

    def pause_writing(self) -> None:
        """Called by the event loop: the client does not read as fast as the dyno sends."""
        self.write_paused = True
        if self.exchange is not None and self.exchange.upstream is not None:
            self.exchange.upstream.pause()
        elif self.tunnel is not None:
            self.tunnel.upstream.pause()

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self.write_paused = False
        if self.tunnel is not None:
            self.tunnel.upstream.resume()
        elif self.exchange is None:
            self._advance()
        elif self.exchange.upstream is not None:
            self.exchange.touch()
            self.exchange.upstream.resume()

    # httptools

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._closing:
            raise Refused(400, "a request behind the last")
        self._begun = True
        self._incoming.begin()

    def on_url(self, part: bytes) -> None:
        """A part of the request target."""
        self._incoming.add_target(part, self.plane.settings)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or a trailer."""
        self._incoming.fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        incoming = self._incoming
        method = self._parser.get_method()
        version = incoming.end(method, self.plane.settings) or self._parser.get_http_version()
        if method == b"CONNECT":
            raise Refused(405, "CONNECT is not offered here")
        now_ms = int(time() * 1000)
        head = read_request(method, incoming.target, version, incoming.fields, origin=self.origin, now_ms=now_ms)
        exchange = self._receiving = Exchange(self, head, incoming.fields)
        if self.exchange is None and not self.write_paused and not self._queue and incoming.pieces <= self._most:
            self.exchange = exchange
            exchange.begin()
        else:
            self._queue.append(exchange)

    def on_body(self, data: bytes) -> None:
        """A piece of a request's body, without its framing."""
        self._incoming.add_body(data)

    def on_message_complete(self) -> None:
        """A request is complete, or its head, if it offers to switch protocols."""
        receiving = self._receiving
        if receiving is not None and not receiving.received:
            if self._parser.should_upgrade():
                return
            self._pass_on()
            trailers = self._incoming.trailers
            check_trailers(trailers, self.plane.settings)
            receiving.body_end(trailers)
        self._begun = False
        self._receiving = None

    # Below the public part

    def _pass_on(self) -> None:
        """What has come of the body, in one piece however many it came in."""
        body = self._incoming.take_body()
        if body and self._receiving is not None:
            self._receiving.body(body)

    def _parse(self, data: bytes) -> None:
        """Feed the parser until it has given us more than one request to do, or far too little of one in a piece."""
        at = self._incoming.pieces = 0
        self._most = self.plane.turns.crumbs
        while at < len(data) and not self._closing and self._refusal is None:
            if self._queue or self._upgraded or self._resting:
                self._unparsed += data[at:]
                break
            piece = data if len(data) <= SPECK and not at else data[at : at + self._portion]
            self._incoming.piece, self._incoming.leads = piece, not self._begun
            at += len(piece)
            try:
                self._parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                at += upgrade.args[0] - len(piece)
                if self._receiving is None:
                    self._upgraded = True
                else:
                    self._parser = rest_of_request(self, self._receiving.head.length)
            except httptools.HttpParserCallbackError as error:
                self._stop_parsing(error.__context__ or error)
            except httptools.HttpParserError as error:
                self._stop_parsing(improper(error, piece, self._in_body, bool(self._incoming.target)))
            self._pass_on()
            if self._begun:
                self._await_rest()
            if at < len(data) and self._incoming.pieces > self._most:
                self._rest()

    @property
    def _portion(self) -> int:
        """Bytes to be parsed at once: more of a body that is only passed on."""
        known = self._receiving is not None and self._receiving.head.length not in (0, CHUNKED)
        return SLICE if known else self.plane.turns.morsel

    def _rest(self) -> None:
        """Do nothing more until others have had their turn."""
        self._resting = True
        self.plane.turns.wait(self._go_on)

    def _go_on(self) -> None:
        self._resting = False
        self._advance()

    def _await_rest(self) -> None:
        try:
            if self._refusal is None and self._incoming.await_rest(self.plane.settings):
                self.deadline = monotonic() + self.plane.settings.head_arrival
        except Refused as refused:
            self._stop_parsing(refused)

    @property
    def _in_body(self) -> bool:
        return self._begun and self._incoming.complete and self._refusal is None

    def _stop_parsing(self, error: BaseException) -> None:
        """Nothing that comes after an error can be trusted; what came before is still answered."""
        if isinstance(error, Refused):
            fault = error.fault or refusal(error.status, error.reason)
        else:
            fault = faults.H99
            self.plane.journal.say(f"H99 in a request of {self.origin.address}: {error!r}", ERROR)
        receiving, self._receiving = self._receiving, None
        self._refusal = fault
        if receiving is not None and receiving is self.exchange:
            receiving.refuse(fault)
        elif receiving is not None and receiving in self._queue:
            self._queue.remove(receiving)

    def _advance(self) -> None:
        """Take the next request, in a loop rather than by recursion, as many may fail at once."""
        if self._advancing:
            return
        self._advancing, taken = True, 0
        try:
            while not self._closing and not self._resting:
                if self._unparsed and self._wanted:
                    data, self._unparsed = self._unparsed, b""
                    self._parse(data)
                elif self.exchange is not None or self.write_paused:
                    break
                elif taken == HEADS:
                    self._rest()
                elif self._queue:
                    taken += 1
                    self.exchange = self._queue.popleft()
                    self.exchange.begin()
                elif self._upgraded:
                    self._upgraded = False
                    self._parser = httptools.HttpRequestParser(self)
                elif self._unparsed:
                    data, self._unparsed = self._unparsed, b""
                    self._parse(data)
                elif self._refusal is not None:
                    self._refuse(self._refusal)
                else:
                    break
        finally:
            self._advancing = False
        if self.exchange is None and not self._begun and not self._closing:
            self.deadline = monotonic() + self.plane.settings.client_idle
        self.update_reading()

    @property
    def _wanted(self) -> bool:
        """Whether what waits unparsed begins with the rest of the current request's body, and there is room for it."""
        exchange = self.exchange
        return exchange is not None and not exchange.received and not exchange.full and not self._queue

    def _refuse(self, fault: Fault) -> None:
        """Answer what is not a proper request, log it, and close."""
        incoming = self._incoming
        target = incoming.target[: self.plane.settings.max_line]
        method = self._parser.get_method() if target else b"-"
        self._refusal = fault
        head = RequestHead.improper(method, target, incoming.headers, self.origin)
        self.exchange = Exchange(self, head, incoming.fields)
        route = self.plane.find(head.host) if head.host else None
        self.exchange.app_id = route.app.id if route is not None else ""
        self.exchange.fail(fault)

    def _close(self, linger: bool = False) -> None:
        """Close after what is buffered was sent. `linger`: the client may still be sending; closing right away would
        reset the connection and could destroy the answer before the client has read it (RFC 9112, 9.6)."""
        self._closing = True
        self._queue.clear()
        self._unparsed = b""
        self.deadline = monotonic() + self.plane.settings.linger
        if linger and self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
            self.update_reading()
        else:
            self.deadline += self.plane.settings.idle
            self.transport.close()
