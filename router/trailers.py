"""Trailers: fields after a chunked body, and which of them may go on. Pure.

RFC 9110, 6.5.1: fields that frame, route, authenticate, modify a request, control an answer or describe the content
must not come as trailers. Receivers that merge trailers into the head would otherwise take them for what we judged.
"""

from __future__ import annotations

from collections.abc import Sequence

_FRAMING = (b"transfer-encoding", b"content-length", b"trailer", b"te", b"connection", b"keep-alive", b"upgrade")
_ROUTING = (b"host", b"via", b"max-forwards", b"expect", b"forwarded", b"date", b"status", b"http2-settings")
_CONTROL = (b"cache-control", b"pragma", b"range", b"age", b"expires", b"location", b"retry-after", b"vary", b"warning")
_CONTENT = (b"content-encoding", b"content-type", b"content-range", b"content-location", b"content-disposition")
_OTHERS = (b"authorization", b"www-authenticate", b"cookie", b"set-cookie", b"set-cookie2", b"allow", b"refresh")
_FORBIDDEN = frozenset((*_FRAMING, *_ROUTING, *_CONTROL, *_CONTENT, *_OTHERS))
_FORBIDDEN_BEGINNINGS = (b"x-forwarded-", b"x-request-", b"x-real-", b"proxy-", b"if-", b"accept", b"sec-")


def passing(fields: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The trailers that go on."""
    return [field for field in fields if _allowed(field[0])]


def trailer_lines(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Them, as they are written between the last chunk and the empty line."""
    return b"".join(b"%b: %b\r\n" % field for field in passing(fields))


def announcement(values: Sequence[bytes]) -> bytes:
    """The Trailer header that names those which go on; empty if none does."""
    names = [name for value in values for name in map(bytes.strip, value.split(b",")) if name and _allowed(name)]
    return b"Trailer: %b\r\n" % b", ".join(names) if names else b""


def _allowed(name: bytes) -> bool:
    # WSGI and CGI cannot tell a dash from an underscore.
    plain = name.lower().replace(b"_", b"-")
    return plain not in _FORBIDDEN and not plain.startswith(_FORBIDDEN_BEGINNINGS)
