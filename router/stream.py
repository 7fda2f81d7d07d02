"""Stream: the client's side of one request on a connection of HTTP/2.

Answers come as HTTP/1.1 would write them and are taken apart again: that costs a few microseconds, and everything that
makes answers (dynos, pages, redirects) is the same for both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from time import monotonic, time
from typing import TYPE_CHECKING

from router import faults, frames
from router.answers import Framing
from router.exchange import Exchange
from router.faults import Fault, refusal
from router.fields import Field, Refused
from router.frames import MAX_FRAME, Broken, Error, Flag, Kind
from router.heads import RequestHead, read_request
from router.judging import check_lengths, check_trailers
from router.pseudo import answer_of, improper_request, request_of, trailers_of, trailing
from router.side import gone
from router.stage import Stage

if TYPE_CHECKING:
    from router.h2 import Http2
    from router.upstream import Upstream

_ENOUGH = 64 * 1024
"""Bytes of an answer that may wait for the client before the dyno has to."""
_ANSWERED = 1024
"""An answer is worth as much as so many bytes of a body, as those who ask for little are no less welcome."""


class Stream:
    """One stream. It is gone from its connection when both sides have said everything, or when one has reset it."""

    __slots__ = (
        "_begun", "_connection", "_deadline", "_ended", "_freed", "_heads", "_held", "_last_words", "_left", "_number",
        "_outlet", "_pieces", "_room", "_said", "_sent", "_taken", "_trailers", "_waiting", "asked_for", "closed",
        "exchange", "heard", "origin", "plane", "window", "write_paused",
    )  # fmt: skip

    framed = True

    def __init__(self, connection: Http2, number: int, window: int) -> None:
        self.plane = connection.plane
        self.origin = connection.origin
        self.asked_for = connection.asked_for
        self.exchange: Exchange | None = None
        self.window = window
        """Bytes that the client takes now; below 0 when it has thought better of it."""
        self.closed = False
        self.heard = False
        """Whether the client has said everything."""
        self.write_paused = False
        self._connection = connection
        self._outlet = connection.outlet
        self._number = number
        self._begun = self._ended = self._said = False
        self._heads: list[list[Field]] = []
        self._pieces: deque[memoryview] = deque()
        self._waiting = 0
        self._trailers: list[Field] = []
        self._sent = 0
        self._held = bytearray()
        self._last_words: list[Field] | None = None
        self._left = -1
        self._room = self.plane.settings.stream_window
        self._freed = 0
        self._taken = 0
        self._deadline = 0.0

    # From the connection

    def open(self, headers: Sequence[Field], *, ended: bool) -> None:
        """The head of the request is here. `ended`: there is no body."""
        self.heard = ended
        settings = self.plane.settings
        try:
            method, target, fields = self._request(headers, ended=ended)
            if len(target) > settings.max_line:
                raise Refused(414, "the request line is too long")
            check_lengths(fields, len(target), settings)
            head = read_request(method, target, "1.1", fields, origin=self.origin, now_ms=int(time() * 1000))
            if ended and head.length > 0:
                raise _WRONG_LENGTH
        except Refused as refused:
            self._refuse(refused.fault or refusal(refused.status, refused.reason), headers)
            return
        self._left = -1 if head.upgrade else head.length
        self.exchange = Exchange(self, head, fields)
        if ended or self._left:
            self.exchange.begin()
        else:
            self._hold(self.exchange)

    def data(self, data: bytes, size: int, *, ended: bool) -> None:
        """A piece of the body; `size` counts its padding, too. Raises Broken."""
        if self.heard:
            raise Broken(Error.STREAM_CLOSED, "a stream goes on after its end")
        self._room -= size
        if self._room < 0:
            raise Broken(Error.FLOW_CONTROL_ERROR, "more of a body came than there was room for")
        self._free(size - len(data))
        if self._left >= 0:
            self._left -= len(data)
            if self._left < 0 or (ended and self._left):
                self._free(len(data))
                self._improper(_WRONG_LENGTH)
                return
        if self.exchange is None:
            self._free(len(data))
        elif data:
            self._held += data
        if ended:
            self._hear([])
        self.update_reading()

    def trail_in(self, headers: Sequence[Field], *, ended: bool) -> None:
        """What comes after the body. Raises Broken."""
        if self.heard:
            raise Broken(Error.STREAM_CLOSED, "a stream goes on after its end")
        try:
            trailers = trailers_of(headers)
            check_trailers(trailers, self.plane.settings)
            if not ended:
                raise Refused(400, "bad trailer: something comes after it")
            if self._left > 0:
                raise _WRONG_LENGTH
        except Refused as refused:
            self._improper(refused)
            return
        self._hear(trailers)
        self.update_reading()

    def lost(self) -> None:
        """The client has reset the stream, or is gone."""
        self.closed = True
        self._pieces.clear()
        self._connection.forget(self._number, self, known=True)
        self._give_back()
        if self.exchange is not None:
            self.exchange.abandon(faults.H27)

    def check(self, now: float) -> None:
        """Act on the deadline that has passed, if one has."""
        if (exchange := self.exchange) is not None:
            if now >= exchange.deadline and exchange.stage is Stage.QUEUED:
                exchange.abandon(faults.H28)
            elif now >= exchange.deadline:
                exchange.expired(now)
        elif now >= self._deadline and self._said:
            # What the client would still send, it need not (RFC 9113, 8.1).
            self.reset(Error.NO_ERROR)
        elif now >= self._deadline:
            # The answer is complete, the client takes it too slowly.
            taken, self._taken = self._taken, self.taken()
            self._deadline = now + self.plane.settings.idle
            if self._taken <= taken:
                self.reset(Error.CANCEL)

    def emit(self) -> list[bytes]:
        """What can be sent now: heads, a frame of the body at most, and what ends the stream."""
        if self._said:
            return []
        made = [self._head(fields) for fields in self._heads]
        self._heads.clear()
        over = self._ended and not self._pieces and not self._trailers
        if self._pieces and (room := min(self.window, self._outlet.window, MAX_FRAME)) > 0:
            piece = self._cut(room)
            over = self._ended and not self._pieces and not self._trailers
            made.append(frames.write(Kind.DATA, Flag.END_STREAM if over else 0, self._number, piece))
            if self._pieces and min(self.window, self._outlet.window) > 0:
                self._outlet.wake(self)
        elif over and not made:
            made.append(frames.write(Kind.DATA, Flag.END_STREAM, self._number))
        if self._ended and not self._pieces:
            if self._trailers:
                made.append(self._outlet.pack(self._number, self._trailers, end=True))
            self._say_no_more()
        return made

    # From the exchange

    @property
    def reading_held(self) -> bool:
        """Whether some of the request's body waits until it has somewhere to go."""
        return bool(self._held)

    def write(self, data: bytes) -> None:
        """Send what comes next of the answer."""
        if self.closed:
            return
        if not self._begun:
            head, _, data = data.partition(b"\r\n\r\n")
            status, fields = self._answer(head)
            self._begun = status >= 200
            self._heads.append(fields)
        if data:
            self._pieces.append(memoryview(data))
            self._waiting += len(data)
            if self._waiting > _ENOUGH and not self.write_paused:
                self.write_paused = True
                if self.exchange is not None and self.exchange.upstream is not None:
                    self.exchange.upstream.pause()
        self._outlet.wake(self)

    def trail(self, trailers: list[Field]) -> None:
        """Send these after the body."""
        self._trailers = trailing(trailers)

    def break_off(self, _framing: Framing) -> None:
        """The answer ends before its end."""
        self.reset(Error.INTERNAL_ERROR)

    def gone(self) -> bool:
        """Whether the client has reset the connection, and this stream with it."""
        return gone(self._connection.transport)

    def taken(self) -> int:
        """How often the client has taken as much as it must in the idle time."""
        settings = self.plane.settings
        return self._sent // max(1, int(settings.body_rate * settings.idle))

    def update_reading(self) -> None:
        """Pass on what has come of the body, if it has somewhere to go; only then the client may send more. The last of
        a body with a length waits until the client has said that it is the last, as the dyno must not take for whole
        what is longer."""
        exchange = self.exchange
        if exchange is None:
            return
        if self._held and not exchange.full and (self._left or self.heard):
            held, self._held = bytes(self._held), bytearray()
            exchange.body(held)
            self._free(len(held))
        if self._last_words is not None and not self._held:
            trailers, self._last_words = self._last_words, None
            exchange.body_end(trailers)
            if exchange.stage is Stage.QUEUED:
                exchange.begin()

    def finished(self, _exchange: Exchange, _keep: bool) -> None:
        """The request is answered, as far as it ever will be."""
        self.exchange = None
        self._give_back()
        if self.closed:
            return
        if not self._begun:
            self.reset(Error.CANCEL)
            return
        self._ended = True
        self._deadline = monotonic() + self.plane.settings.idle
        self._taken = self.taken()
        self._outlet.wake(self)

    def begin_tunnel(self, exchange: Exchange, upstream: Upstream, rest: bytes) -> None:
        """No request but a `Bridge`'s offers to switch."""
        raise AssertionError("a dyno switched protocols on a stream")

    def reset(self, code: Error) -> None:
        """End the stream before its end."""
        if not self.closed:
            self.closed = True
            self._pieces.clear()
            self._give_back()
            self._connection.drop(self._number, self, code)

    # Below the public part

    def _request(self, headers: Sequence[Field], *, ended: bool) -> tuple[bytes, bytes, list[Field]]:
        return request_of(headers, ended=ended)

    def _answer(self, head: bytes) -> tuple[int, list[Field]]:
        return answer_of(head)

    def _hold(self, exchange: Exchange) -> None:
        """There is to be no body, but its end was not said: wait for that, as the dyno must not take for whole what is
        longer (RFC 9113, 8.1.1)."""
        exchange.received = False
        exchange.touch()
        self._assign(exchange)

    def _refuse(self, fault: Fault, headers: Sequence[Field]) -> None:
        """Answer what is not a proper request, and log it."""
        self._connection.strain()
        method, target, fields = improper_request(headers)
        head = RequestHead.improper(method, target[: self.plane.settings.max_line], fields, self.origin)
        exchange = self.exchange = Exchange(self, head, fields)
        self._assign(exchange)
        exchange.fail(fault)

    def _assign(self, exchange: Exchange) -> None:
        """Tell whose app's it is, for the log, of what may never begin."""
        host = exchange.head.host
        route = self.plane.find(host) if host else None
        exchange.app_id = route.app.id if route is not None else ""

    def _improper(self, refused: Refused) -> None:
        """The rest of the request is not what it should be."""
        self._connection.strain()
        self._left = -1
        if self.exchange is not None:
            self.exchange.refuse(refused.fault or refusal(refused.status, refused.reason))
        else:
            self.reset(Error.PROTOCOL_ERROR)

    def _hear(self, trailers: list[Field]) -> None:
        """The client has said everything."""
        self.heard, self._last_words = True, trailers
        if self._said:
            self.closed = True
            self._connection.forget(self._number, self, known=True)

    def _say_no_more(self) -> None:
        """The answer is on its way. A client that still sends is heard for a while, and not heeded, as many look for
        an answer only when they have sent what they have to."""
        self._said = True
        self._connection.earn(_ANSWERED)
        self._deadline = monotonic() + self.plane.settings.linger
        if self.heard:
            self.closed = True
            self._connection.forget(self._number, self, known=True)

    def _head(self, fields: list[Field]) -> bytes:
        last = self._ended and not self._pieces and not self._trailers and fields is self._heads[-1]
        return self._outlet.pack(self._number, fields, end=last)

    def _cut(self, room: int) -> memoryview:
        piece = self._pieces[0]
        if len(piece) <= room:
            self._pieces.popleft()
        else:
            self._pieces[0], piece = piece[room:], piece[:room]
        size = len(piece)
        self.window -= size
        self._outlet.window -= size
        self._connection.earn(size)
        self._sent += size
        self._waiting -= size
        if self.write_paused and self._waiting <= _ENOUGH:
            self.write_paused = False
            if self.exchange is not None and self.exchange.upstream is not None:
                self.exchange.touch()
                self.exchange.upstream.resume()
        return piece

    def _give_back(self) -> None:
        """What has come of the body goes nowhere: there is room for others'."""
        self._free(len(self._held))
        self._held.clear()

    def _free(self, size: int) -> None:
        """So many bytes of the body have gone on."""
        self._connection.free(size)
        self._freed += size
        if self._freed * 2 >= self.plane.settings.stream_window and not self.heard and not self.closed:
            self._outlet.say(frames.window_update(self._number, self._freed))
            self._room += self._freed
            self._freed = 0


_WRONG_LENGTH = Refused(400, "bad body: it is not as long as Content-Length says")
