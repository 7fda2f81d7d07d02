"""H2: a client's connection on which HTTP/2 is spoken (RFC 9113): many requests at once, each a stream.

Whoever breaks the rules of a request loses the stream; whoever breaks those of the connection, or keeps us busy with
what is no request (`Patience`), loses the connection. What is refused is never passed on in part.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import cast

from router import faults, frames
from router.blocks import Blocks
from router.bridge import Bridge
from router.exchange import Exchange
from router.faults import refusal
from router.fields import Field
from router.frames import FIRST_WINDOW, MAX_WINDOW, Broken, Error, Flag, Frame, Kind, Reader, Setting
from router.heads import Origin
from router.outlet import Outlet
from router.patience import Patience
from router.plane import Plane
from router.pseudo import offers
from router.record import record_broken
from router.side import asked_for, origin_of
from router.stream import Stream
from router.turns import CRUMBS, HEADS

_HEAD = CRUMBS // HEADS
"""What a head counts for in a turn, and one more for so many of its fields."""
_VIA = b"Via: 2.0 hostd-router\r\n"
_REMEMBERED = 256
"""Streams of our ending of which the client may not have heard yet: what still comes there is no fault."""


class Http2(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_blocks", "_closing", "_deadline", "_ended", "_first_window", "_freed", "_greeted", "_highest", "_last",
        "_leaves_at", "_patience", "_pieces", "_reader", "_resting", "_room", "_streams", "asked_for", "origin",
        "outlet", "plane", "transport",
    )  # fmt: skip

    outlet: Outlet
    transport: asyncio.Transport

    def __init__(self, plane: Plane, protocol: str = "https") -> None:
        settings = plane.settings
        self.plane = plane
        self.origin = Origin("", protocol, 0)
        self._reader = Reader()
        self._blocks = Blocks(2 * settings.max_head)
        self._patience = Patience(settings.trifles, settings.trifle_rate, monotonic())
        self._streams: dict[int, Stream] = {}
        self._ended: deque[int] = deque(maxlen=_REMEMBERED)
        self._highest = 0
        self._last: int | None = None
        self._leaves_at = 0.0
        self._first_window = FIRST_WINDOW
        self._room = settings.connection_window
        self._freed = 0
        self._pieces = 0
        self._greeted = self._closing = self._resting = False
        self._deadline = 0.0

    @property
    def idle(self) -> bool:
        """Whether no request is being handled or has begun to arrive."""
        return not self._streams and not self._blocks.open and not self._resting

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """The requests that are being handled."""
        return [stream.exchange for stream in self._streams.values() if stream.exchange is not None]

    def check(self, now: float) -> None:
        """Act on the deadlines that have passed."""
        if self._closing:
            if now >= self._deadline and self.transport.is_closing():
                self.transport.abort()
            elif now >= self._deadline:
                self._hang_up()
            return
        if self.plane.closing:
            self._leave(now)
        for stream in list(self._streams.values()):
            stream.check(now)
        if self._resting:
            return
        if self._blocks.open:
            if now >= self._blocks.until:
                self._break(Broken(Error.ENHANCE_YOUR_CALM, "the head of the request did not arrive in time"))
        elif not self._streams and now >= self._deadline:
            self._close()

    def cut(self) -> None:
        """The worker ends: so does the connection, whatever goes on."""
        for exchange in self.exchanges:
            exchange.abandon(faults.H24)
        self._close()

    # What a stream asks for

    def free(self, size: int) -> None:
        """So many bytes of a body have gone on, and the client may send others."""
        self._freed += size
        if self._freed * 2 >= self.plane.settings.connection_window and not self._closing:
            self.outlet.say(frames.window_update(0, self._freed))
            self._room += self._freed
            self._freed = 0

    def earn(self, size: int) -> None:
        """So many bytes of a body were passed on, which is what a connection is for."""
        self._patience.earn(size)

    def strain(self) -> None:
        """A stream ends early by the client's doing, or was never a proper request."""
        self._patience.spend(self.plane.settings.reset_cost)

    def forget(self, number: int, stream: Stream, *, known: bool) -> None:
        """A stream is over. `known`: the client knows, and can send nothing more on it."""
        self.outlet.forget(stream)
        self._streams.pop(number, None)
        if not known:
            self._ended.append(number)
        if not self._streams:
            self._deadline = monotonic() + self.plane.settings.client_idle
            self._part()

    def drop(self, number: int, stream: Stream, code: Error) -> None:
        """End a stream before its end."""
        self.forget(number, stream, known=False)
        self.outlet.say(frames.reset(number, code))

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop, or by whoever found out that this is HTTP/2."""
        self.transport = cast(asyncio.Transport, transport)
        self.outlet = Outlet(self.transport, self.plane.loop)
        self.origin = origin_of(self.transport, self.origin.protocol, _VIA)
        self.asked_for = asked_for(self.transport)
        self._deadline = monotonic() + self.plane.settings.client_idle
        self.plane.clients.add(self)
        self.transport.write(frames.greeting(self.plane.settings))

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop."""
        self.plane.clients.discard(self)
        self._closing = True
        for stream in list(self._streams.values()):
            stream.lost()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if not self._closing:
            self._reader.feed(data)
            if not self._resting:
                self._read()

    def pause_writing(self) -> None:
        """Called by the event loop: the client does not read as fast as we send."""
        self.outlet.pause()

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self.outlet.resume()
        self._listen()

    # What comes

    def _read(self) -> None:
        """Take what has come, or so much of it that others have to have their turn."""
        self._patience.rest(monotonic())
        self._pieces = 0
        try:
            for frame in self._reader.frames():
                self._take(frame)
                if self._pieces > CRUMBS and self._reader.behind:
                    break
            if self._patience.over:
                raise Broken(Error.ENHANCE_YOUR_CALM, "too much that is no request")
        except Broken as broken:
            self._break(broken)
            return
        if self._pieces > CRUMBS and self._reader.behind:
            self._resting = True
            self.transport.pause_reading()
            self.plane.turns.wait(self._go_on)

    def _go_on(self) -> None:
        self._resting = False
        if not self._closing:
            self._read()
        self._listen()

    def _listen(self) -> None:
        """Read again, unless what has come has to be taken, or heard by the client, before."""
        if not self._resting and not self.outlet.deaf and not self.transport.is_closing():
            self.transport.resume_reading()

    def _take(self, frame: Frame) -> None:
        """One frame; raises Broken."""
        if self._blocks.open and (frame.kind != Kind.CONTINUATION or frame.stream != self._blocks.stream):
            raise Broken(Error.PROTOCOL_ERROR, "a head was interrupted")
        if not self._greeted:
            if frame.kind != Kind.SETTINGS or frame.flags & Flag.ACK:
                raise Broken(Error.PROTOCOL_ERROR, "SETTINGS come first")
            self._greeted = True
        self._patience.spend(1)
        self._pieces += 1
        take = _TAKE.get(frame.kind)
        if take is None:
            return
        if (frame.stream == 0) != (frame.kind in _OF_THE_CONNECTION) and frame.kind != Kind.WINDOW_UPDATE:
            raise Broken(Error.PROTOCOL_ERROR, "a frame came on the wrong stream")
        if frame.stream > self._highest and frame.kind not in _BEFORE_A_STREAM:
            raise Broken(Error.PROTOCOL_ERROR, "a frame came on a stream that was not begun")
        take(self, frame)

    def _data(self, frame: Frame) -> None:
        size = len(frame.payload)
        data = frames.unpadded(frame)
        self._room -= size
        if self._room < 0:
            raise Broken(Error.FLOW_CONTROL_ERROR, "more came than there was room for")
        self.earn(len(data))
        stream = self._streams.get(frame.stream)
        if stream is None:
            self._unexpected(frame.stream)
            self.free(size)
        else:
            stream.data(data, size, ended=bool(frame.flags & Flag.END_STREAM))

    def _headers(self, frame: Frame) -> None:
        if not frame.stream % 2:
            raise Broken(Error.PROTOCOL_ERROR, "a stream has an even number")
        self._head(self._blocks.begin(frame, monotonic() + self.plane.settings.head_arrival))

    def _continuation(self, frame: Frame) -> None:
        self._head(self._blocks.go_on(frame))

    def _head(self, headers: list[Field] | None) -> None:
        number, ends = self._blocks.stream, self._blocks.ends
        if headers is None:
            return
        self._pieces += _HEAD + len(headers) // _HEAD
        if (stream := self._streams.get(number)) is not None:
            stream.trail_in(headers, ended=ends)
        elif number <= self._highest:
            self._unexpected(number)
        else:
            self._highest = number
            if self._last is None:
                self._open(number, headers, ended=ends)
            else:
                # The client has not heard of our GOAWAY yet, and will ask again elsewhere (RFC 9113, 6.8).
                self._ended.append(number)

    def _open(self, number: int, headers: list[Field], *, ended: bool) -> None:
        kind = Bridge if offers(headers) else Stream
        stream = self._streams[number] = kind(self, number, self._first_window)
        if len(self._streams) > self.plane.settings.max_streams:
            self.strain()
            stream.reset(Error.REFUSED_STREAM)
        else:
            stream.open(headers, ended=ended)

    def _unexpected(self, number: int) -> None:
        """Something comes on a stream that is over; raises Broken unless the client could not know that."""
        if number not in self._ended:
            raise Broken(Error.STREAM_CLOSED, "a stream goes on after its end")

    def _priority(self, frame: Frame) -> None:
        if len(frame.payload) != 5:
            raise Broken(Error.FRAME_SIZE_ERROR, "a priority has the wrong length")

    def _rst_stream(self, frame: Frame) -> None:
        frames.word(frame)
        stream = self._streams.get(frame.stream)
        if stream is not None:
            self.strain()
            stream.lost()

    def _settings(self, frame: Frame) -> None:
        if frame.flags & Flag.ACK:
            if frame.payload:
                raise Broken(Error.FRAME_SIZE_ERROR, "an acknowledgement says something")
            return
        settings = frames.settings_of(frame)
        self._patience.spend(len(settings))
        if Setting.HEADER_TABLE_SIZE in settings:
            self.outlet.remember(settings[Setting.HEADER_TABLE_SIZE])
        if Setting.INITIAL_WINDOW_SIZE in settings:
            more = settings[Setting.INITIAL_WINDOW_SIZE] - self._first_window
            self._first_window += more
            for stream in self._streams.values():
                self._widen(stream, more)
        self.outlet.say(frames.write(Kind.SETTINGS, Flag.ACK, 0))

    def _ping(self, frame: Frame) -> None:
        if len(frame.payload) != 8:
            raise Broken(Error.FRAME_SIZE_ERROR, "a PING has the wrong length")
        if not frame.flags & Flag.ACK:
            self.outlet.say(frames.write(Kind.PING, Flag.ACK, 0, frame.payload))

    def _goaway(self, frame: Frame) -> None:
        """The client will begin no further stream; those that it has begun go on."""
        if len(frame.payload) < 8:
            raise Broken(Error.FRAME_SIZE_ERROR, "a GOAWAY is cut short")
        self._last = self._highest
        self._part()

    def _window_update(self, frame: Frame) -> None:
        more = frames.word(frame)
        if not more:
            raise Broken(Error.PROTOCOL_ERROR, "a window grows by nothing")
        if frame.stream:
            if (stream := self._streams.get(frame.stream)) is not None:
                self._widen(stream, more)
            return
        self.outlet.window += more
        if self.outlet.window > MAX_WINDOW:
            raise Broken(Error.FLOW_CONTROL_ERROR, "a window is too large")
        for stream in self._streams.values():
            self.outlet.wake(stream)

    def _push_promise(self, _frame: Frame) -> None:
        raise Broken(Error.PROTOCOL_ERROR, "clients promise nothing")

    def _widen(self, stream: Stream, more: int) -> None:
        stream.window += more
        if stream.window > MAX_WINDOW:
            raise Broken(Error.FLOW_CONTROL_ERROR, "a window is too large")
        self.outlet.wake(stream)

    # The end

    def _leave(self, now: float) -> None:
        """The worker ends: say that no stream should be begun, then, when that has been heard, that none is heard."""
        if not self._leaves_at:
            self._leaves_at = now + self.plane.settings.notice
            self.outlet.say(frames.goaway(MAX_WINDOW, Error.NO_ERROR))
        elif now >= self._leaves_at and self._last is None:
            self._last = self._highest
            self.outlet.say(frames.goaway(self._last, Error.NO_ERROR))
            self._part()

    def _part(self) -> None:
        """If nothing more is to come from either side, close when what was just said is on its way."""
        if self._last is not None and not self._streams:
            self.plane.loop.call_soon(self._close)

    def _close(self) -> None:
        """Close after what is buffered was sent."""
        if not self._closing:
            self.outlet.pump()
            if self._last is None:
                self.outlet.say(frames.goaway(self._highest, Error.NO_ERROR))
            self._closing = True
            self.outlet.close()
            self._hang_up()

    def _break(self, broken: Broken) -> None:
        """The connection cannot go on; the operator is told why, like the client."""
        if self._closing:
            return
        record_broken(self.plane, self.origin, refusal(400, str(broken)))
        self.outlet.say(frames.goaway(self._highest, broken.code, str(broken)))
        self.outlet.close()
        # The client may still be sending; closing right away could destroy what it should read.
        self._closing = True
        self._deadline = monotonic() + self.plane.settings.linger
        for stream in list(self._streams.values()):
            stream.lost()

    def _hang_up(self) -> None:
        self._deadline = monotonic() + self.plane.settings.linger + self.plane.settings.idle
        self.transport.close()


_OF_THE_CONNECTION = frozenset((Kind.SETTINGS, Kind.PING, Kind.GOAWAY))
_BEFORE_A_STREAM = frozenset((Kind.HEADERS, Kind.CONTINUATION, Kind.PRIORITY))
_TAKE: dict[int, Callable[[Http2, Frame], None]] = {
    Kind.DATA: Http2._data,
    Kind.HEADERS: Http2._headers,
    Kind.PRIORITY: Http2._priority,
    Kind.RST_STREAM: Http2._rst_stream,
    Kind.SETTINGS: Http2._settings,
    Kind.PUSH_PROMISE: Http2._push_promise,
    Kind.PING: Http2._ping,
    Kind.GOAWAY: Http2._goaway,
    Kind.WINDOW_UPDATE: Http2._window_update,
    Kind.CONTINUATION: Http2._continuation,
}
