"""Answers: what of the head of a dyno's answer goes on to the client. Pure; see `heads` for why nothing is passed on as
it came."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import formatdate
from enum import Enum
from functools import lru_cache
from time import time
from typing import Final

from router.fields import VIA, Field, Found, Refused, Rules, protocols, sort, tokens, without
from router.trailers import announcement

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_KEPT: Final = ("connection", "proxy-connection", "content-length", "transfer-encoding", "upgrade", "trailer", "date")


class Framing(Enum):
    """How the end of an answer is told to the client."""

    NONE = "no body"
    LENGTH = "Content-Length"
    CHUNKED = "chunks"
    CLOSE = "the end of the connection"
    FRAMES = "the protocol itself, as HTTP/2 does"


class AnswerHead:
    """An answer's head for the client, its framing, and whether either connection can be used again.

    `until_close`: the dyno tells the end of its answer by the end of its connection (RFC 9112, 6.3, rule 8).
    """

    __slots__ = ("framing", "keep_client", "keep_dyno", "until_close", "wire")

    def __init__(self, wire: bytes, framing: Framing, until_close: bool, keep_client: bool, keep_dyno: bool) -> None:
        self.wire = wire
        self.framing = framing
        self.until_close = until_close
        self.keep_client = keep_client
        self.keep_dyno = keep_dyno


_STREAMED: Final = (Framing.CHUNKED, Framing.CLOSE, Framing.FRAMES)
_ANSWER_RULES: Final = Rules({
    **{name.encode(): b"" for name in ("keep-alive", "proxy-authenticate", "te")},
    **{name.encode(): name.encode() for name in _KEPT},
})


def read_answer(
    status: int,
    reason: bytes,
    version: str,
    fields: Sequence[Field],
    *,
    head_only: bool,
    old_client: bool,
    keep_client: bool,
    framed: bool = False,
    offered: bytes = b"",
) -> AnswerHead:
    """Write the head for the client; raises Refused. The parser has already refused heads with two framings.

    `framed`: the client's protocol frames bodies itself. `offered` is what the client asked to switch to
    (`RequestHead.upgrade`).
    """
    lines, found = sort(fields, _ANSWER_RULES)
    keep_dyno = version == "1.1"
    if b"connection" in found:
        named = tokens(found[b"connection"])
        keep_dyno = b"close" not in named and (keep_dyno or b"keep-alive" in named)
        lines = without(lines, named)
    if b"proxy-connection" in found and b"close" in tokens(found[b"proxy-connection"]):
        # Not of HTTP, but the parser minds it, and would refuse the next answer.
        keep_dyno = False
    if version not in VIA:
        raise Refused(502, f"The dyno speaks HTTP/{version}")
    start = _status_line(status, reason)
    date = b"Date: %b\r\n" % (found[b"date"][0] if b"date" in found else http_date(int(time())))
    if status == 101:
        chosen = protocols(found)
        if not chosen or not tokens([chosen]) <= tokens([offered]):
            raise Refused(502, "The dyno switched to a protocol that was not asked for")
        wire = b"%b%b%bConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % (start, b"".join(lines), date, chosen)
        return AnswerHead(wire, Framing.NONE, False, False, False)
    if framed and offered and status < 300:
        # To a client of HTTP/2 this would say that the dyno has switched (RFC 8441, 4).
        raise Refused(502, "The dyno did not switch protocols")
    framing, line = _answer_framing(status, found, head_only, old_client, framed)
    until_close = framing in _STREAMED and b"transfer-encoding" not in found
    keep_client = keep_client and framing is not Framing.CLOSE
    if not keep_client:
        line += b"Connection: close\r\n"
    elif old_client:
        line += b"Connection: keep-alive\r\n"
    if status == 426:
        line += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % protocols(found)
    if b"trailer" in found and framing in (Framing.CHUNKED, Framing.FRAMES):
        line += announcement(found[b"trailer"])
    wire = b"%b%b%b%b%b\r\n" % (start, b"".join(lines), date, line, VIA[version])
    keep_dyno = keep_dyno and not until_close and (version == "1.1" or b"transfer-encoding" not in found)
    return AnswerHead(wire, framing, until_close, keep_client, keep_dyno)


def interim(status: int, reason: bytes, fields: Sequence[Field]) -> bytes:
    """An informational answer (100, 103) for the client; raises Refused."""
    lines, found = sort(fields, _ANSWER_RULES)
    if b"connection" in found:
        lines = without(lines, tokens(found[b"connection"]))
    return b"%b%b\r\n" % (_status_line(status, reason), b"".join(lines))


@lru_cache(2)
def http_date(now: int) -> bytes:
    """A time (Unix, whole seconds) as the Date header has it."""
    return formatdate(now, usegmt=True).encode()


@lru_cache(256)
def _status_line(status: int, reason: bytes) -> bytes:
    """The first line of an answer; raises Refused."""
    if status < 100 or _CONTROL.search(reason):
        raise Refused(502, "The status line of the dyno's answer is not proper")
    return b"HTTP/1.1 %d %b\r\n" % (status, reason)


def _answer_framing(
    status: int, found: Found, head_only: bool, old_client: bool, framed: bool
) -> tuple[Framing, bytes]:
    """How the end of an answer is told to the client, and the header that does it."""
    codings, lengths = found.get(b"transfer-encoding"), found.get(b"content-length")
    if codings and (len(codings) != 1 or codings[0].lower() != b"chunked"):
        raise Refused(502, "The dyno uses a transfer coding other than chunked")
    length = b"Content-Length: %b\r\n" % lengths[0] if lengths else b""
    if head_only or status in (204, 304):
        return Framing.NONE, b"" if status == 204 else length
    if length:
        return Framing.LENGTH, length
    if framed:
        return Framing.FRAMES, b""
    return (Framing.CLOSE, b"") if old_client else (Framing.CHUNKED, b"Transfer-Encoding: chunked\r\n")
