"""What the tests of HTTP/2 run on: a router, behind TLS or not, and a client that says frames byte by byte.

Frames are made and read with hyperframe and hpack; the router has its own for the former.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from router_rig import PATIENT, Behaviour, Rig, rig
from tls_kit import make

from router.certificates import Certificates
from router.door import Door
from router.doorstep import Doorstep
from router.plane import Plane
from router.settings import Settings

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATIENCE = 5.0
Fields = Sequence[tuple[str | bytes, str | bytes]]


def get(
    path: str = "/", *extra: tuple[str, str], method: str = "GET", host: str = "hello.localhost", scheme: str = "https"
) -> Fields:
    """The head of a request."""
    return [(":method", method), (":scheme", scheme), (":authority", host), (":path", path), *extra]


def raw(kind: int, flags: int, stream: int, payload: bytes = b"", length: int | None = None) -> bytes:
    """Any frame, whether it makes sense or not."""
    size = len(payload) if length is None else length
    return struct.pack(">HBBBI", size >> 8, size & 255, kind, flags, stream) + payload


def data(stream: int, body: bytes, *, end: bool = False, pad: int | None = None) -> bytes:
    """A piece of a body."""
    frame = DataFrame(stream, body, flags=["END_STREAM"] if end else [])
    if pad is not None:
        frame.flags.add("PADDED")
        frame.pad_length = pad
    return frame.serialize()


def reset(stream: int, code: int = 8) -> bytes:
    """The client wants no answer any more."""
    return RstStreamFrame(stream, error_code=code).serialize()


def window(stream: int, more: int) -> bytes:
    """The client takes so many bytes more."""
    return WindowUpdateFrame(stream, window_increment=more).serialize()


def settings(**values: int) -> bytes:
    """What the client wants to be so."""
    return SettingsFrame(0, settings={getattr(SettingsFrame, key): value for key, value in values.items()}).serialize()


@dataclass
class Answer:
    """What came on one stream."""

    heads: list[dict[str, str]] = field(default_factory=list)
    fields: list[tuple[str, str]] = field(default_factory=list)
    """Of the last head."""
    body: bytearray = field(default_factory=bytearray)
    sizes: list[int] = field(default_factory=list)
    ended: bool = False
    code: int | None = None
    """Why it was reset."""

    @property
    def final(self) -> dict[str, str]:
        return next(head for head in self.heads if head[":status"] >= "200")

    @property
    def status(self) -> int:
        return int(self.final[":status"])


class Wire2:
    """A client's connection. `answers` is what came on each stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.answers: dict[int, Answer] = {}
        self.settings: dict[int, int] = {}
        self.went_away: list[tuple[int, int]] = []
        """Of each GOAWAY the last stream and the code."""
        self.pings: list[bytes] = []
        self.room: dict[int, int] = {}
        """By how much each window grew."""
        self.acknowledged = 0
        self.said = 0
        """Bytes sent."""
        self.over = False
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._next = -1

    async def greet(self, **values: int) -> None:
        """Begin, as every client does, and hear what the router has to say."""
        self.say(PREFACE, settings(**values))
        await self.until(lambda: bool(self.settings) and self.acknowledged > 0)
        self.say(SettingsFrame(0, flags=["ACK"]).serialize())

    def say(self, *pieces: bytes) -> None:
        """Send these."""
        written = b"".join(pieces)
        self.said += len(written)
        self.writer.write(written)

    def pack(self, fields: Fields) -> bytes:
        """A head as HPACK packs it; whatever is in it."""
        return self._encoder.encode(fields)

    def head(self, stream: int, fields: Fields, *, end: bool = True) -> bytes:
        """The frames of a head."""
        block = self.pack(fields)
        pieces = [block[at : at + 16_384] for at in range(0, len(block), 16_384)]
        made: list[Frame] = [HeadersFrame(stream, pieces[0], flags=["END_STREAM"] if end else [])]
        made += [ContinuationFrame(stream, piece) for piece in pieces[1:]]
        made[-1].flags.add("END_HEADERS")
        return b"".join(frame.serialize() for frame in made)

    def ask(self, fields: Fields, body: Iterable[bytes] = (), *, end: bool = True) -> int:
        """Send a request on the next stream. Returns its number."""
        self._next += 2
        pieces = list(body)
        self.say(self.head(self._next, fields, end=end and not pieces))
        for number, piece in enumerate(pieces):
            self.say(data(self._next, piece, end=end and number == len(pieces) - 1))
        return self._next

    async def answer(self, stream: int) -> Answer:
        """What is answered on this stream, when there is no more of it."""
        await self.until(lambda: stream in self.answers and (self.answers[stream].ended or self.code(stream)))
        return self.answers[stream]

    async def get(self, path: str = "/", *extra: tuple[str, str], **more: str) -> Answer:
        """Ask, and hear the answer."""
        return await self.answer(self.ask(get(path, *extra, **more)))

    def code(self, stream: int) -> bool:
        """Whether the router has reset this stream."""
        return stream in self.answers and self.answers[stream].code is not None

    async def until(self, met: object) -> None:
        """Read until this is so; raises AssertionError when the connection ends before, or nothing comes."""
        async with asyncio.timeout(PATIENCE):
            while not met():  # type: ignore[operator]
                assert not self.over, f"the connection has ended: {self.went_away}"
                await self._read()

    async def end(self) -> None:
        """Read until the router closes."""
        async with asyncio.timeout(PATIENCE):
            while not self.over:
                await self._read()

    async def ended(self) -> int:
        """Read until the router says that the connection ends. Returns why."""
        await self.until(lambda: bool(self.went_away))
        return self.went_away[-1][1]

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()

    async def _read(self) -> None:
        try:
            header = await self.reader.readexactly(9)
            frame, length = Frame.parse_frame_header(memoryview(header))
            frame.parse_body(memoryview(await self.reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.over = True
            return
        self._take(frame)

    def _take(self, frame: Frame) -> None:
        answer = self.answers.setdefault(frame.stream_id, Answer()) if frame.stream_id else Answer()
        if isinstance(frame, SettingsFrame):
            self.settings.update(frame.settings)
            self.acknowledged += "ACK" in frame.flags
        elif isinstance(frame, HeadersFrame | ContinuationFrame):
            self._block = (self._block if isinstance(frame, ContinuationFrame) else b"") + frame.data
            if "END_HEADERS" in frame.flags:
                answer.fields = [(str(name), str(value)) for name, value in self._decoder.decode(self._block)]
                answer.heads.append(dict(answer.fields))
            answer.ended |= "END_STREAM" in frame.flags
        elif isinstance(frame, DataFrame):
            answer.body += frame.data
            answer.sizes.append(len(frame.data))
            answer.ended |= "END_STREAM" in frame.flags
        elif isinstance(frame, RstStreamFrame):
            answer.code = frame.error_code
        elif isinstance(frame, GoAwayFrame):
            self.went_away.append((frame.last_stream_id, frame.error_code))
        elif isinstance(frame, WindowUpdateFrame):
            self.room[frame.stream_id] = self.room.get(frame.stream_id, 0) + frame.window_increment
        else:
            self.pings.append(frame.opaque_data)

    _block = b""


@cache
def _folder() -> TemporaryDirectory[str]:
    folder = TemporaryDirectory()
    made = make("hello.localhost", "other.localhost", "a")
    (Path(folder.name) / "cert.pem").write_text(made.pem)
    (Path(folder.name) / "key.pem").write_text(made.key_pem)
    return folder


@cache
def trusting(*protocols: str) -> ssl.SSLContext:
    """A client's context that takes any certificate and would speak these."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(list(protocols))
    return context


class Rig2:
    """A router on https, or on http."""

    def __init__(self, made: Rig, port: int, protocol: str) -> None:
        self.rig = made
        self.plane = made.plane
        self.port = port
        self.protocol = protocol

    @asynccontextmanager
    async def client(
        self, name: str = "hello.localhost", *, greeted: bool = True, **values: int
    ) -> AsyncIterator[Wire2]:
        """A client that has, on https, asked for this name; `values` are its settings."""
        secure = {"ssl": trusting("h2", "http/1.1"), "server_hostname": name} if self.protocol == "https" else {}
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20, **secure)
        assert not secure or writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        wire = Wire2(reader, writer)
        if greeted:
            await wire.greet(**values)
        try:
            yield wire
        finally:
            wire.writer.transport.abort()
            await asyncio.sleep(0)


@asynccontextmanager
async def rig2(
    *behaviours: Behaviour, settings: Settings = PATIENT, kind: type[Plane] = Plane, protocol: str = "https"
) -> AsyncIterator[Rig2]:
    """A running router; with behaviours, an app `hello` that is up with a dyno for each."""
    async with rig(*behaviours, settings=settings, kind=kind) as made:
        certificates = Certificates(Path(_folder().name), made.plane.certificate, lambda _: None)
        certificates.refresh()
        door, context = (Door, certificates.context) if protocol == "https" else (Doorstep, None)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: door(made.plane), "127.0.0.1", 0, ssl=context)
        try:
            yield Rig2(made, server.sockets[0].getsockname()[1], protocol)
        finally:
            server.close()
