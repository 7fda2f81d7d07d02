"""Outlet: what a connection of HTTP/2 sends: frames at once, bodies a frame of each stream in turn, as the client
takes them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from router import frames
from router.fields import Field
from router.frames import FIRST_WINDOW
from router.packing import Packer

if TYPE_CHECKING:
    from router.stream import Stream

_BATCH = 64 * 1024
"""Bytes written at once, and those that may wait for the client below us."""
_TALK = 4 * _BATCH
"""Bytes that may wait there before we listen no further: a client that makes us answer should read."""


class Outlet:
    """One connection's. What is said in one turn of the loop is written at once."""

    __slots__ = (
        "_loop", "_out", "_packer", "_paused", "_ready", "_scheduled", "_transport", "deaf", "open", "window",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.open = True
        """Whether anything can still be said."""
        self.deaf = False
        """Whether so much waits for the client that we listen no further."""
        self.window = FIRST_WINDOW
        """Bytes of bodies that the client takes now, of all streams together."""
        self._transport = transport
        self._loop = loop
        self._packer = Packer()
        self._ready: dict[Stream, None] = {}
        self._out: list[bytes] = []
        self._scheduled = self._paused = False
        transport.set_write_buffer_limits(high=_BATCH)

    def say(self, frame: bytes) -> None:
        """Send a frame."""
        self._out.append(frame)
        self._pump_soon()

    def wake(self, stream: Stream) -> None:
        """This stream may have something to send."""
        self._ready[stream] = None
        self._pump_soon()

    def forget(self, stream: Stream) -> None:
        """This one has not."""
        self._ready.pop(stream, None)

    def pack(self, number: int, fields: list[Field], *, end: bool) -> bytes:
        """The frames of a head. They have to be sent in the order in which they are made."""
        return frames.head(number, self._packer.pack(fields), end=end)

    def remember(self, size: int) -> None:
        """The client would remember so many bytes of heads."""
        self._packer.limit(size)

    def pause(self) -> None:
        """The client does not read as fast as we send."""
        self._paused = True

    def resume(self) -> None:
        """It has read."""
        self._paused = self.deaf = False
        self._pump_soon()

    def pump(self) -> None:
        """Send what there is."""
        self._scheduled = False
        if not self.open or self._transport.is_closing():
            return
        while self._out or (self._ready and not self._paused):
            if batch := self._batch():
                self._transport.write(b"".join(batch))
        if self._transport.get_write_buffer_size() > _TALK and not self.deaf:
            self.deaf = True
            self._transport.pause_reading()

    def close(self) -> None:
        """Say what was to be said at once, and nothing more."""
        self.open = False
        if not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out = []

    def _batch(self) -> list[bytes]:
        size = 0
        while self._ready and size < _BATCH and not self._paused:
            stream = next(iter(self._ready))
            del self._ready[stream]
            made = stream.emit()
            self._out += made
            size += sum(map(len, made))
        out, self._out = self._out, []
        return out

    def _pump_soon(self) -> None:
        if not self._scheduled and self.open:
            self._scheduled = True
            self._loop.call_soon(self.pump)
