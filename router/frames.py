"""Frames: HTTP/2 as bytes (RFC 9113, 4 to 7): the frames in what a client sends, and the ones we write. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from router.settings import Settings

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first."""
MAX_FRAME = 16 * 1024
"""The longest payload that we take, and make: what every implementation takes."""
MAX_WINDOW = 2**31 - 1
"""The largest window, and the highest number of a stream."""
FIRST_WINDOW = 65_535
"""The window of a connection, and of streams until SETTINGS say otherwise."""

_HEAD = Struct(">HBBBI")
_WORD = Struct(">I")
_SETTING = Struct(">HI")
_HIGHEST = 0x7FFFFFFF


class Kind:
    """What a frame is. Others are skipped."""

    DATA: Final = 0
    HEADERS: Final = 1
    PRIORITY: Final = 2
    RST_STREAM: Final = 3
    SETTINGS: Final = 4
    PUSH_PROMISE: Final = 5
    PING: Final = 6
    GOAWAY: Final = 7
    WINDOW_UPDATE: Final = 8
    CONTINUATION: Final = 9


class Flag:
    """What a flag means depends on the frame."""

    END_STREAM: Final = 1
    ACK: Final = 1
    END_HEADERS: Final = 4
    PADDED: Final = 8
    PRIORITY: Final = 32


class Error(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Setting(IntEnum):
    """What each side tells the other. Others are skipped."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6
    ENABLE_CONNECT_PROTOCOL = 8
    NO_RFC7540_PRIORITIES = 9


class Broken(Exception):  # noqa: N818 - it is a verdict on a connection, not a failure of ours
    """The connection cannot go on: the code for the client, and the reason in words."""

    def __init__(self, code: Error, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Frame(NamedTuple):
    """One frame. `stream` is 0 for what concerns the connection."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class Reader:
    """Takes the frames from what a client sends, however it comes in pieces."""

    __slots__ = ("_at", "_begun", "_data")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._begun = False

    @property
    def behind(self) -> bool:
        """Whether something was fed that was not taken."""
        return self._at < len(self._data)

    def feed(self, data: bytes) -> None:
        """This has come."""
        self._data = self._data[self._at :] + data if self.behind else data
        self._at = 0

    def frames(self) -> Iterator[Frame]:
        """The frames that are complete; raises Broken. Those that are not taken come the next time."""
        data = self._data
        if not self._begun:
            if data[: len(PREFACE)] != PREFACE[: len(data)]:
                raise Broken(Error.PROTOCOL_ERROR, "this is not HTTP/2")
            if len(data) < len(PREFACE):
                return
            self._begun = True
            self._at = len(PREFACE)
        at, size = self._at, len(data)
        while size - at >= _HEAD.size:
            high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
            length = high << 8 | low
            if length > MAX_FRAME:
                raise Broken(Error.FRAME_SIZE_ERROR, "a frame is too long")
            end = at + _HEAD.size + length
            if end > size:
                break
            self._at = end
            yield Frame(kind, flags, stream & _HIGHEST, data[at + _HEAD.size : end])
            at = end
        self._data, self._at = data[at:], 0


def unpadded(frame: Frame) -> bytes:
    """What a frame of DATA or HEADERS carries, without its padding; raises Broken."""
    if not frame.flags & Flag.PADDED:
        return frame.payload
    if not frame.payload:
        raise Broken(Error.FRAME_SIZE_ERROR, "a padded frame is empty")
    end = len(frame.payload) - frame.payload[0]
    if end < 1:
        raise Broken(Error.PROTOCOL_ERROR, "a frame has more padding than content")
    return frame.payload[1:end]


def fragment(frame: Frame) -> bytes:
    """What a frame of HEADERS carries of a head, without the priority that it may have (it counts for nothing)."""
    data = unpadded(frame)
    if not frame.flags & Flag.PRIORITY:
        return data
    if len(data) < 5:
        raise Broken(Error.FRAME_SIZE_ERROR, "a priority is cut short")
    return data[5:]


def word(frame: Frame) -> int:
    """The number that RST_STREAM or WINDOW_UPDATE consists of; raises Broken."""
    if len(frame.payload) != _WORD.size:
        raise Broken(Error.FRAME_SIZE_ERROR, "a frame has the wrong length")
    number: int = _WORD.unpack(frame.payload)[0]
    return number if frame.kind == Kind.RST_STREAM else number & _HIGHEST


def settings_of(frame: Frame) -> dict[int, int]:
    """The settings of a client, of each the last value; raises Broken."""
    if len(frame.payload) % _SETTING.size:
        raise Broken(Error.FRAME_SIZE_ERROR, "SETTINGS are cut short")
    settings = dict(_SETTING.iter_unpack(frame.payload))
    if settings.get(Setting.ENABLE_PUSH, 0) > 1:
        raise Broken(Error.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
    if settings.get(Setting.INITIAL_WINDOW_SIZE, 0) > MAX_WINDOW:
        raise Broken(Error.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large")
    if not MAX_FRAME <= settings.get(Setting.MAX_FRAME_SIZE, MAX_FRAME) < 2**24:
        raise Broken(Error.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of bounds")
    return settings


def write(kind: int, flags: int, stream: int, payload: bytes | memoryview = b"") -> bytes:
    """A frame."""
    length = len(payload)
    return b"".join((_HEAD.pack(length >> 8, length & 255, kind, flags, stream), payload))


def head(stream: int, block: bytes, *, end: bool) -> bytes:
    """The frames of a compressed head. `end`: nothing of the stream comes after it."""
    flags = Flag.END_STREAM if end else 0
    if len(block) <= MAX_FRAME:
        return write(Kind.HEADERS, flags | Flag.END_HEADERS, stream, block)
    pieces = [block[at : at + MAX_FRAME] for at in range(0, len(block), MAX_FRAME)]
    first, *more, last = pieces
    return b"".join(
        (
            write(Kind.HEADERS, flags, stream, first),
            *(write(Kind.CONTINUATION, 0, stream, piece) for piece in more),
            write(Kind.CONTINUATION, Flag.END_HEADERS, stream, last),
        )
    )


def greeting(bounds: Settings) -> bytes:
    """What we say first: our settings, and how much of all bodies together may come."""
    ours = {
        Setting.MAX_CONCURRENT_STREAMS: bounds.max_streams,
        Setting.INITIAL_WINDOW_SIZE: bounds.stream_window,
        Setting.MAX_HEADER_LIST_SIZE: bounds.max_head,
        Setting.ENABLE_CONNECT_PROTOCOL: 1,
        Setting.NO_RFC7540_PRIORITIES: 1,
    }
    return settings(ours) + window_update(0, bounds.connection_window - FIRST_WINDOW)


def settings(values: Mapping[Setting, int]) -> bytes:
    """Settings of ours."""
    return write(Kind.SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in values.items()))


def window_update(stream: int, increment: int) -> bytes:
    """Room for so many bytes more."""
    return write(Kind.WINDOW_UPDATE, 0, stream, _WORD.pack(increment))


def reset(stream: int, code: Error) -> bytes:
    """The end of a stream before its end."""
    return write(Kind.RST_STREAM, 0, stream, _WORD.pack(code))


def goaway(last: int, code: Error, reason: str = "") -> bytes:
    """The last stream that was, or will be, heard, and why there are no more."""
    return write(Kind.GOAWAY, 0, 0, b"%b%b%b" % (_WORD.pack(last), _WORD.pack(code), reason.encode()))
