"""Heads: what of a request's head goes on to the dyno, and of an answer's head back to the client. Pure.

Nothing is passed on as it came: names and values are taken from the parser and written anew, with one framing of
ours, so that no byte sequence can mean one thing to us and another to a dyno (RFC 9112, 11.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import product
from random import getrandbits

Field = tuple[bytes, bytes]

CHUNKED = -1
"""A body's length when it comes in chunks."""

_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
_REQUEST_ID = re.compile(rb"[A-Za-z0-9-]{20,200}")
_HOST = re.compile(rb"[A-Za-z0-9_.~!$&'()*+,;=%-]*(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


class Refused(Exception):  # noqa: N818 - it is a verdict on a request, not a failure of ours
    """The request is not passed on: HTTP status and the reason in words."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Framing(Enum):
    """How the end of an answer is told to the client."""

    NONE = "no body"
    LENGTH = "Content-Length"
    CHUNKED = "chunks"
    CLOSE = "the end of the connection"


class Origin:
    """Where a client's connection comes from: its address, `http` or `https`, and the port it came to."""

    __slots__ = ("address", "lines", "protocol", "wire_address")

    def __init__(self, address: str, protocol: str, port: int) -> None:
        self.address = address
        self.protocol = protocol
        self.wire_address = address.encode()
        self.lines = (
            f"X-Forwarded-Proto: {protocol}\r\nX-Forwarded-Port: {port}\r\nVia: 1.1 hostd-router\r\n\r\n".encode()
        )


@dataclass(slots=True)
class RequestHead:
    """A request as the rest of the router needs it. `wire` is the head for the dyno, ready to be sent.

    `length` is the body's bytes, 0 without one, or CHUNKED. `replayable`: it may be sent a second time.
    """

    method: bytes
    target: bytes
    host: str
    wire: bytes
    length: int
    keep_alive: bool
    old: bool
    expects: bool
    upgrade: bool
    replayable: bool
    request_id: str
    forwarded: str

    @classmethod
    def improper(cls, target: bytes, origin: Origin) -> RequestHead:
        """What can be said of a request that cannot be read."""
        return cls(b"-", target, "", b"", 0, False, False, False, False, False, new_request_id(), origin.address)


@dataclass(slots=True)
class AnswerHead:
    """An answer's head for the client, its framing, and whether either connection can be used again.

    `until_close`: the dyno tells the end of its answer by the end of its connection (RFC 9112, 6.3, rule 8).
    """

    wire: bytes
    framing: Framing
    until_close: bool
    keep_client: bool
    keep_dyno: bool


def _spellings(name: str) -> Iterable[bytes]:
    """A name with every dash as dash or underscore: WSGI and CGI cannot tell these apart."""
    for marks in product("-_", repeat=name.count("-")):
        parts = name.split("-")
        yield "".join(part + mark for part, mark in zip(parts, (*marks, ""), strict=True)).encode()


_HOP_BY_HOP = ("keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer", "http2-settings")
_OURS = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-request-id", "x-request-start")
_READ = ("host", "connection", "content-length", "transfer-encoding", "upgrade", "expect", "x-forwarded-for")

_Rules = Mapping[bytes, bytes]
"""Headers that are not simply passed on: kept aside under a name to be read, or dropped (the empty name)."""

_REQUEST_RULES: _Rules = {
    **{other: b"" for name in (*_OURS, "content-length", "transfer-encoding") for other in _spellings(name)},
    **{name.encode(): b"" for name in _HOP_BY_HOP},
    **{name.encode(): name.encode() for name in (*_READ, "x-request-id")},
}
_ANSWER_RULES: _Rules = {
    **{name.encode(): b"" for name in ("keep-alive", "proxy-connection", "proxy-authenticate", "te", "trailer")},
    **{name: name for name in (b"connection", b"content-length", b"transfer-encoding", b"upgrade")},
}
_Found = dict[bytes, list[bytes]]


def read_request(
    method: bytes, target: bytes, version: str, fields: Sequence[Field], *, origin: Origin, now_ms: int
) -> RequestHead:
    """Judge a request's head and write the one for the dyno; raises Refused. `now_ms` is Unix time."""
    old = version == "1.0"
    if not old and version != "1.1":
        raise Refused(505, f"HTTP/{version} is not spoken here; use HTTP/1.1")
    lines, found = _sort(fields, _REQUEST_RULES)
    length, framing = _body(found, old)
    keep_alive, upgrade = not old, b""
    if b"connection" in found:
        tokens = _tokens(found[b"connection"])
        keep_alive = b"close" not in tokens and (not old or b"keep-alive" in tokens)
        if b"upgrade" in tokens and not old and not length:
            upgrade = _protocols(found)
        lines = _without(lines, tokens)
    target, host = _where(method, target, found, old)
    expects = b"expect" in found and _expects(found[b"expect"]) and length != 0 and not old
    given = found.get(b"x-request-id")
    request_id = given[0].decode() if given and _REQUEST_ID.fullmatch(given[0]) else new_request_id()
    forwarded = origin.wire_address
    if b"x-forwarded-for" in found:
        forwarded = b", ".join((*found[b"x-forwarded-for"], forwarded))
    wire = b"".join(
        (
            b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (method, target, host.encode()),
            *lines,
            framing,
            b"Connection: Upgrade\r\nUpgrade: %b\r\n" % upgrade if upgrade else b"",
            b"Expect: 100-continue\r\n" if expects else b"",
            b"X-Request-ID: %b\r\nX-Request-Start: %d\r\n" % (request_id.encode(), now_ms),
            b"X-Forwarded-For: %b\r\n" % forwarded,
            origin.lines,
        )
    )
    return RequestHead(
        method,
        target,
        host,
        wire,
        length,
        keep_alive,
        old,
        expects,
        bool(upgrade),
        not length and method in _IDEMPOTENT,
        request_id,
        forwarded.decode("latin-1"),
    )


def read_answer(
    status: int,
    reason: bytes,
    version: str,
    fields: Sequence[Field],
    *,
    head_only: bool,
    old_client: bool,
    keep_client: bool,
) -> AnswerHead:
    """Write the head for the client; raises Refused. The parser has already refused heads with two framings."""
    lines, found = _sort(fields, _ANSWER_RULES)
    keep_dyno = version == "1.1"
    if b"connection" in found:
        tokens = _tokens(found[b"connection"])
        keep_dyno = b"close" not in tokens and (keep_dyno or b"keep-alive" in tokens)
        lines = _without(lines, tokens)
    start = b"HTTP/1.1 %d %b\r\n" % (status, reason)
    if status == 101:
        wire = b"%b%bConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % (start, b"".join(lines), _protocols(found))
        return AnswerHead(wire, Framing.NONE, False, False, False)
    framing, line = _answer_framing(status, found, head_only, old_client)
    until_close = framing in _STREAMED and b"transfer-encoding" not in found
    keep_client = keep_client and framing is not Framing.CLOSE
    if not keep_client:
        line += b"Connection: close\r\n"
    elif old_client:
        line += b"Connection: keep-alive\r\n"
    if status == 426:
        line += b"Upgrade: %b\r\n" % _protocols(found)
    wire = b"%b%b%bVia: 1.1 hostd-router\r\n\r\n" % (start, b"".join(lines), line)
    return AnswerHead(wire, framing, until_close, keep_client, keep_dyno and not until_close)


def interim(status: int, reason: bytes, fields: Sequence[Field]) -> bytes:
    """An informational answer (100, 103) for the client."""
    lines = [b"%b: %b\r\n" % field for field in fields if field[0].lower() not in _ANSWER_RULES]
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason, b"".join(lines))


def new_request_id() -> str:
    """A random id: 32 hexadecimal digits, as Heroku's."""
    return f"{getrandbits(128):032x}"


_STREAMED = (Framing.CHUNKED, Framing.CLOSE)
_COMMON_CONNECTIONS = {
    b"keep-alive": frozenset((b"keep-alive",)),
    b"close": frozenset((b"close",)),
    b"Upgrade": frozenset((b"upgrade",)),
}
_CONNECTION_WORDS = frozenset((b"", b"close", b"keep-alive", b"upgrade"))


def _sort(fields: Sequence[Field], rules: _Rules) -> tuple[list[bytes], _Found]:
    """Header lines to pass on as they are, and the values of those that a rule keeps aside."""
    lines: list[bytes] = []
    found: _Found = {}
    for name, value in fields:
        rule = rules.get(name.lower())
        if rule is None:
            lines.append(b"%b: %b\r\n" % (name, value))
        elif rule in found:
            found[rule].append(value.strip(b" \t"))
        elif rule:
            found[rule] = [value.strip(b" \t")]
    return lines, found


def _tokens(values: list[bytes]) -> Set[bytes]:
    common = _COMMON_CONNECTIONS.get(values[0])
    if common is not None and len(values) == 1:
        return common
    return {token.strip() for token in b",".join(values).lower().split(b",")}


def _without(lines: list[bytes], tokens: Set[bytes]) -> list[bytes]:
    """Drop headers that Connection names: they were meant for us alone (RFC 9110, 7.6.1)."""
    if tokens <= _CONNECTION_WORDS:
        return lines
    return [line for line in lines if line.partition(b":")[0].lower() not in tokens]


def _body(found: _Found, old: bool) -> tuple[int, bytes]:
    """The length of a request's body and the header that tells it to the dyno (RFC 9112, 6.3)."""
    lengths, codings = found.get(b"content-length"), found.get(b"transfer-encoding")
    if lengths is None and codings is None:
        return 0, b""
    if codings is None and lengths is not None and len(lengths) == 1 and lengths[0].isdigit():
        length = int(lengths[0])
        return length, b"Content-Length: %d\r\n" % length
    if codings is None or lengths is not None or old:
        raise Refused(400, "The length of the request body is not clear")
    if len(codings) != 1 or codings[0].lower() != b"chunked":
        raise Refused(501, "The only transfer coding taken here is chunked")
    return CHUNKED, b"Transfer-Encoding: chunked\r\n"


def _answer_framing(status: int, found: _Found, head_only: bool, old_client: bool) -> tuple[Framing, bytes]:
    """How the end of an answer is told to the client, and the header that does it."""
    codings, lengths = found.get(b"transfer-encoding"), found.get(b"content-length")
    if codings and (len(codings) != 1 or codings[0].lower() != b"chunked"):
        raise Refused(502, "The dyno uses a transfer coding other than chunked")
    length = b"Content-Length: %b\r\n" % lengths[0] if lengths else b""
    if head_only or status in (204, 304):
        return Framing.NONE, b"" if status == 204 else length
    if length:
        return Framing.LENGTH, length
    return (Framing.CLOSE, b"") if old_client else (Framing.CHUNKED, b"Transfer-Encoding: chunked\r\n")


def _expects(values: list[bytes]) -> bool:
    if any(value.lower() != b"100-continue" for value in values):
        raise Refused(417, "The only expectation met here is 100-continue")
    return True


def _protocols(found: _Found) -> bytes:
    """What Upgrade offers. HTTP/2 is left out: it would hide later requests from us, and RFC 9113 has dropped it."""
    values = b", ".join(found.get(b"upgrade", ()))
    return b"" if b"h2c" in values.lower() else values


def _where(method: bytes, target: bytes, found: _Found, old: bool) -> tuple[bytes, str]:
    """Target and host for the dyno: the absolute form (`GET http://host/path`) is taken apart; raises Refused."""
    hosts = found.get(b"host", [])
    if len(hosts) > 1 or (not hosts and not old):
        raise Refused(400, "A request needs exactly one Host header")
    host = hosts[0] if hosts else b""
    if target[:1] != b"/" and not (target == b"*" and method == b"OPTIONS"):
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None or b"@" in absolute[1]:
            raise Refused(400, "The request target is not a path")
        host, target = absolute[1], absolute[2]
        if target[:1] != b"/":
            target = b"*" if method == b"OPTIONS" and not target else b"/" + target
    return target, _host(host)


@lru_cache(1024)
def _host(host: bytes) -> str:
    """A Host header as text, sure to be harmless in a log line; raises Refused."""
    if len(host) > 300 or not _HOST.fullmatch(host):
        raise Refused(400, "The Host header is not a host name")
    return host.decode("ascii")
