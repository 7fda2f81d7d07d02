"""Heads: what of a request's head goes on to the dyno. Pure; `answers` does the same for the way back.

Nothing is passed on as it came: names and values are taken from the parser and written anew, with one framing of
ours, so that no byte sequence can mean one thing to us and another to a dyno (RFC 9112, 11.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from os import urandom
from typing import Final

from router import faults
from router.fields import VIA, Field, Found, Refused, Rules, protocols, sort, tokens, without
from router.trailers import announcement

CHUNKED: Final = -1
"""A body's length when it comes in chunks."""

_IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
_ID_BYTES: Final = 16
_HASH: Final = ord("#")
_MAX_LENGTH: Final = 2**63 - 1
"""Longest body; some servers count no further than this."""
_MOST_DIGITS: Final = 1000
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9+/=-]{20,200}")
_HOST: Final = re.compile(rb"[A-Za-z0-9_.~!$&'()*+,;=%-]*(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)


class Origin:
    """Where a client's connection comes from: its address, `http` or `https`, and the port it came to. `via` says what
    is spoken there, unless a request says that it is HTTP/1.0."""

    __slots__ = ("address", "lines", "old_lines", "protocol", "wire_address")

    def __init__(self, address: str, protocol: str, port: int, via: bytes = VIA["1.1"]) -> None:
        self.address = address
        self.protocol = protocol
        self.wire_address = address.encode()
        lines = f"X-Forwarded-Proto: {protocol}\r\nX-Forwarded-Port: {port}\r\n".encode()
        self.lines, self.old_lines = (lines + line + b"\r\n" for line in (via, VIA["1.0"]))


class RequestHead:
    """A request as the rest of the router needs it. `wire` is the head for the dyno, ready to be sent.

    `length` is the body's bytes, 0 without one, or CHUNKED. `upgrade` is what the client would switch to, in lower
    case. `replayable`: it may be sent a second time.
    """

    __slots__ = (
        "expects", "forwarded", "host", "keep_alive", "length", "method", "old", "replayable", "request_id", "target",
        "upgrade", "wire",
    )  # fmt: skip

    # Written out, as a dataclass makes its own when the module is loaded, and what is made then is not compiled.
    def __init__(  # noqa: PLR0917 - as a dataclass would have it
        self,
        method: bytes,
        target: bytes,
        host: str,
        wire: bytes,
        length: int,
        keep_alive: bool,
        old: bool,
        expects: bool,
        upgrade: bytes,
        replayable: bool,
        request_id: str,
        forwarded: str,
    ) -> None:
        self.method = method
        self.target = target
        self.host = host
        self.wire = wire
        self.length = length
        self.keep_alive = keep_alive
        self.old = old
        self.expects = expects
        self.upgrade = upgrade
        self.replayable = replayable
        self.request_id = request_id
        self.forwarded = forwarded

    @classmethod
    def improper(cls, method: bytes, target: bytes, fields: Sequence[Field], origin: Origin) -> RequestHead:
        """What can be said of a request that cannot be read."""
        hosts = [value for name, value in fields if name.lower() == b"host"]
        host = hosts[0].decode() if len(hosts) == 1 and _HOST.fullmatch(hosts[0]) else ""
        return cls(method, target, host, b"", 0, False, False, False, b"", False, new_request_id(), origin.address)


def _spellings(name: str) -> Iterable[bytes]:
    """A name with every dash as dash or underscore: WSGI and CGI cannot tell these apart."""
    for marks in product("-_", repeat=name.count("-")):
        parts = name.split("-")
        yield "".join(part + mark for part, mark in zip(parts, (*marks, ""), strict=True)).encode()


_HOP_BY_HOP = ("keep-alive", "proxy-authorization", "http2-settings")
_OURS = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-request-id", "x-request-start")
_READ = (
    *("host", "connection", "content-length", "transfer-encoding", "upgrade", "expect", "x-forwarded-for", "te"),
    *("trailer", "max-forwards", "sec-websocket-version", "proxy-connection"),
)

_REQUEST_RULES: Final = Rules({
    **{other: b"" for name in (*_OURS, "content-length", "transfer-encoding") for other in _spellings(name)},
    **{name.encode(): b"" for name in _HOP_BY_HOP},
    **{name.encode(): name.encode() for name in (*_READ, "x-request-id")},
})
_COMMON: Final = frozenset(
    (b"host", b"connection", b"content-length", b"transfer-encoding", b"expect", b"x-forwarded-for")
)
"""What is kept aside of ordinary requests."""


def read_request(
    method: bytes, target: bytes, version: str, fields: Sequence[Field], *, origin: Origin, now_ms: int
) -> RequestHead:
    """Judge a request's head and write the one for the dyno; raises Refused. `now_ms` is Unix time."""
    old = version == "1.0"
    if not old and version != "1.1":
        raise Refused(505, f"HTTP/{version} is not spoken here; use HTTP/1.1")
    lines, found = sort(fields, _REQUEST_RULES)
    length, framing = _body(found, old)
    keep_alive, upgrade, usual = not old, b"", 1
    if b"connection" in found:
        usual = 2
        named = tokens(found[b"connection"])
        keep_alive = b"close" not in named and (not old or b"keep-alive" in named)
        if b"upgrade" in named and not old and not length:
            upgrade = protocols(found)
        lines = without(lines, named)
    if len(found) > usual and not found.keys() <= _COMMON:
        # Not of HTTP, but the parser minds it, and would refuse what comes after.
        keep_alive = keep_alive and b"close" not in tokens(found.get(b"proxy-connection", [b""]))
        lines = [*lines, *_less_common(method, found, length, upgrade)]
    target, name = _where(method, target, found, old)
    host = _host(name)
    expects = b"expect" in found and _expects(found[b"expect"]) and length != 0 and not old
    given = found.get(b"x-request-id")
    request_id = given[0].decode() if given and _REQUEST_ID.fullmatch(given[0]) else new_request_id()
    forwarded = origin.wire_address
    if b"x-forwarded-for" in found:
        forwarded = b", ".join((*found[b"x-forwarded-for"], forwarded))
    wire = b"".join(
        (
            b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (method, target, name),
            *lines,
            framing,
            b"Connection: Upgrade\r\nUpgrade: %b\r\n" % upgrade if upgrade else b"",
            b"Expect: 100-continue\r\n" if expects else b"",
            b"X-Request-ID: %b\r\nX-Request-Start: %d\r\n" % (request_id.encode(), now_ms),
            b"X-Forwarded-For: %b\r\n" % forwarded,
            origin.old_lines if old else origin.lines,
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
        upgrade.lower(),
        not length and method in _IDEMPOTENT,
        request_id,
        forwarded.decode("latin-1"),
    )


def _request_ids() -> Iterator[str]:
    """Random ids, many of them drawn at once."""
    while True:
        digits = urandom(_ID_BYTES * 256).hex()
        for at in range(0, len(digits), 2 * _ID_BYTES):
            yield digits[at : at + 2 * _ID_BYTES]


_ids: Final = _request_ids()


def new_request_id() -> str:
    """A random id: 32 hexadecimal digits, as Heroku's."""
    return next(_ids)


def _less_common(method: bytes, found: Found, length: int, upgrade: bytes) -> Iterable[bytes]:
    """Lines for the dyno from fields that few requests have; raises Refused."""
    if b"te" in found and b"trailers" in tokens(found[b"te"]):
        # The only thing of TE that we can answer for (RFC 9110, 10.1.4): trailers are passed on, codings are not.
        yield b"Connection: TE\r\nTE: trailers\r\n"
    if b"trailer" in found and length == CHUNKED:
        yield announcement(found[b"trailer"])
    if b"max-forwards" in found:
        yield _max_forwards(method, found[b"max-forwards"])
    if b"sec-websocket-version" in found:
        if not upgrade and method == b"GET":
            raise Refused(503, "WebSocket without Upgrade", faults.H23)
        yield from (b"Sec-WebSocket-Version: %b\r\n" % value for value in found[b"sec-websocket-version"])


def _max_forwards(method: bytes, values: list[bytes]) -> bytes:
    """Count one proxy down, for the methods that ask for it (RFC 9110, 7.6.2)."""
    if method not in (b"OPTIONS", b"TRACE"):
        return b"".join(b"Max-Forwards: %b\r\n" % value for value in values)
    if len(values) != 1 or not values[0].isdigit() or len(values[0]) > 9:
        raise Refused(400, "bad header: Max-Forwards is not a number")
    if int(values[0]) == 0:
        raise Refused(200 if method == b"OPTIONS" else 405, "Max-Forwards is 0, the request was to end here")
    return b"Max-Forwards: %d\r\n" % (int(values[0]) - 1)


def _body(found: Found, old: bool) -> tuple[int, bytes]:
    """The length of a request's body and the header that tells it to the dyno (RFC 9112, 6.3)."""
    lengths, codings = found.get(b"content-length"), found.get(b"transfer-encoding")
    if lengths is None and codings is None:
        return 0, b""
    if codings is None and lengths is not None and len(lengths) == 1 and lengths[0].isdigit():
        # Python reads no numbers of thousands of digits.
        length = int(lengths[0]) if len(lengths[0]) <= _MOST_DIGITS else _MAX_LENGTH + 1
        if length > _MAX_LENGTH:
            raise Refused(400, "bad header: Content-Length is too large")
        return length, b"Content-Length: %d\r\n" % length
    if codings is None or len(codings) != 1 or lengths is not None or old:
        raise Refused(400, "bad header: the length of the body is not clear")
    if codings[0].lower() != b"chunked":
        raise Refused(501, "bad header: the only transfer coding taken here is chunked")
    return CHUNKED, b"Transfer-Encoding: chunked\r\n"


def _expects(values: list[bytes]) -> bool:
    if any(value.lower() != b"100-continue" for value in values):
        raise Refused(417, "unsupported expect header value")
    return True


def _where(method: bytes, target: bytes, found: Found, old: bool) -> tuple[bytes, bytes]:
    """Target and host for the dyno: the absolute form (`GET http://host/path`) is taken apart; raises Refused."""
    hosts = found.get(b"host", [])
    if len(hosts) > 1 or (not hosts and not old):
        raise Refused(400, "bad header: a request needs exactly one Host")
    host = hosts[0] if hosts else b""
    if target[:1] != b"/" and not (target == b"*" and method == b"OPTIONS"):
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None or b"@" in absolute[1]:
            raise Refused(400, "bad request line: the target is not a path")
        host, target = absolute[1], absolute[2]
        if target[:1] != b"/":
            target = b"*" if method == b"OPTIONS" and not target else b"/" + target
    if _HASH in target:
        raise Refused(400, "bad request line: a target has no fragment")
    return target, host


@lru_cache(16 * 1024)
def _host(host: bytes) -> str:
    """A Host header as text, sure to be harmless in a log line; raises Refused."""
    if len(host) > 300 or not _HOST.fullmatch(host):
        raise Refused(400, "bad header: Host is not a host name")
    return host.decode("ascii")
