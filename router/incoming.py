"""Incoming: what has come of a request, piece by piece: of its head, its trailers, and of its body at once."""

from __future__ import annotations

from typing import Final

from router.fields import Field, Refused
from router.judging import check_lengths, check_protocol
from router.settings import Settings
from router.turns import CRUMBS, HEADS, MORSEL, SLICE

_MANY: Final = 100
"""Headers; a head with fewer that came in one small piece breaks no limit."""


class Incoming:
    """One request. `piece` is what the parser is being fed; `complete` says whether the head is, `target` and `fields`
    are as the parser gives them, trailers behind headers. `leads`: a piece begins with this request. `pieces` are those
    of bodies that came in one read, a head being several, and `mute` the bytes since the last of them."""

    __slots__ = (
        "_before", "_body", "_fed", "_headers", "complete", "fields", "leads", "mute", "piece", "pieces", "target",
    )  # fmt: skip

    def __init__(self) -> None:
        self.piece = self._before = b""
        self.leads = False
        self._body: list[bytes] = []
        self.mute = self.pieces = 0
        self.begin()

    def begin(self) -> None:
        """Another request begins."""
        self.complete = False
        self.target = b""
        self.fields: list[Field] = []
        self._fed = self._headers = 0

    @property
    def headers(self) -> list[Field]:
        """What is no trailer."""
        return self.fields[: self._headers or None]

    @property
    def trailers(self) -> list[Field]:
        """What came behind the body."""
        return self.fields[self._headers :]

    def add_target(self, part: bytes, settings: Settings) -> None:
        """A part of the request target; raises Refused."""
        self.target += part
        if len(self.target) > settings.max_line:
            raise Refused(414, "the request line is too long")

    def add_body(self, part: bytes) -> None:
        """A part of the body, which waits for others that come with it: many may be of a byte."""
        self.mute = 0
        self.pieces += 1
        self._body.append(part)

    def take_body(self) -> bytes:
        """What waits of the body."""
        if not self._body:
            return b""
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        return body

    def await_rest(self, settings: Settings) -> bool:
        """The request goes on behind this piece. Returns whether its head does, and has only begun; raises Refused."""
        if len(self.fields) - self._headers > settings.max_headers:
            raise Refused(431, "there are too many headers")
        self.mute += len(self.piece)
        if self.complete:
            if self.mute > SLICE + settings.max_line:
                raise Refused(400, "bad chunk: its extensions, or the trailers, are too long")
            return False
        first = not self._fed
        self._before += self.piece
        self._fed += 1 if first else len(self.piece)
        if self._fed > settings.max_head + SLICE:
            raise Refused(431, "the head of the request is too long")
        return first

    def end(self, method: bytes, settings: Settings) -> str:
        """The head is complete. Returns its version of HTTP, or "" if that cannot be told at a glance; raises
        Refused."""
        self.mute = 0
        self.pieces += CRUMBS // HEADS
        self.complete = True
        self._headers = len(self.fields)
        if len(self.piece) > MORSEL or self._fed or self._headers > _MANY:
            check_lengths(self.fields, len(self.target), settings)
        before, self._before = self._before, b""
        leads, self.leads = self.leads, False
        if leads and self.piece.startswith(b"%b %b HTTP/1.1\r\n" % (method, self.target)):
            return "1.1"
        check_protocol(self.target, before + self.piece)
        return ""
