"""Blocks: heads of HTTP/2, packed (HPACK, RFC 7541) and in pieces (CONTINUATION), put together and unpacked."""

from __future__ import annotations

from router import frames
from router.fields import Field
from router.frames import Broken, Error, Flag, Frame
from router.packing import Unpacker

_MOST_PIECES = 16
"""A head that is as long as it may be comes in four; nobody needs many more, nor empty ones (CVE-2024-27316)."""


class Blocks:
    """The heads of one connection, one after another. `longest`: bytes of an unpacked one."""

    __slots__ = ("_pieces", "_unpacker", "ends", "open", "stream", "until")

    def __init__(self, longest: int) -> None:
        self.open = False
        """Whether a head has begun to arrive and is not complete."""
        self.stream = 0
        """The stream that the last head is of."""
        self.ends = False
        """Whether nothing comes after it on that stream."""
        self.until = 0.0
        """When it must be complete."""
        self._unpacker = Unpacker(longest)
        self._pieces: list[bytes] = []

    def begin(self, frame: Frame, until: float) -> list[Field] | None:
        """A frame of HEADERS. Returns the head if it is complete; raises Broken."""
        self.open = True
        self.stream = frame.stream
        self.ends = bool(frame.flags & Flag.END_STREAM)
        self.until = until
        return self._add(frames.fragment(frame), frame.flags)

    def go_on(self, frame: Frame) -> list[Field] | None:
        """A frame of CONTINUATION. Returns the head if it is complete; raises Broken."""
        if not self.open:
            raise Broken(Error.PROTOCOL_ERROR, "a head goes on that was not begun")
        return self._add(frame.payload, frame.flags)

    def _add(self, piece: bytes, flags: int) -> list[Field] | None:
        self._pieces.append(piece)
        if len(self._pieces) > _MOST_PIECES:
            raise Broken(Error.ENHANCE_YOUR_CALM, "a head comes in too many pieces")
        if not flags & Flag.END_HEADERS:
            return None
        block, self._pieces, self.open = b"".join(self._pieces), [], False
        return self._unpacker.unpack(block)
