"""Oracle: which requests a stream of bytes contains, read as strictly as RFC 9112 is written, and not by our parser."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from router.table import normal_host

_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([!-~]+) +HTTP/1\.([01])\r\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)\r\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]+)(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)", re.IGNORECASE)


class _EndError(Exception):
    """The stream ends here, or what follows is not HTTP."""


@dataclass(frozen=True)
class Request:
    """A request that is all there."""

    method: bytes
    target: bytes
    body: bytes
    host: str = field(default="a", compare=False)


def requests(data: bytes) -> list[Request]:
    """The requests of a client's stream, up to the first that is improper or incomplete, or asks to close."""
    found: list[Request] = []
    try:
        open_, at = True, 0
        while open_:
            request, open_, at = _request(data, at)
            found.append(request)
    except _EndError:
        return found
    return found


def _request(data: bytes, at: int) -> tuple[Request, bool, int]:
    while data[at : at + 1] in (b"\r", b"\n"):
        at += 1
    line = _match(_LINE, data, at)
    fields, at = _fields(data, line.end())
    old = line[3] == b"0"
    lengths, codings = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
    if codings:
        if lengths or old or [coding.lower() for coding in codings] != [b"chunked"]:
            raise _EndError
        body, at = _chunks(data, at)
    elif lengths:
        if len(lengths) > 1 or not lengths[0].isdigit():
            raise _EndError
        end = at + int(lengths[0][:20])
        if end > len(data):
            raise _EndError
        body, at = data[at:end], end
    else:
        body = b""
    tokens = _tokens(fields, b"connection")
    # Proxy-Connection is not of HTTP; the router hears its `close`.
    closes = b"close" in tokens | _tokens(fields, b"proxy-connection")
    open_ = not closes and (not old or b"keep-alive" in tokens)
    absolute = _ABSOLUTE.match(line[2])
    host = (absolute[1] if absolute else b"".join(fields.get(b"host", [])[:1])).decode("latin-1")
    return Request(line[1], _path(line[1], line[2]), body, normal_host(host)), open_, at


def _tokens(fields: dict[bytes, list[bytes]], name: bytes) -> set[bytes]:
    return {token.strip(b" \t") for token in b",".join(fields.get(name, [])).lower().split(b",")}


def _fields(data: bytes, at: int) -> tuple[dict[bytes, list[bytes]], int]:
    fields: dict[bytes, list[bytes]] = {}
    while data[at : at + 2] != b"\r\n":
        field = _match(_FIELD, data, at)
        fields.setdefault(field[1].lower(), []).append(field[2].strip(b" \t"))
        at = field.end()
    return fields, at + 2


def _chunks(data: bytes, at: int) -> tuple[bytes, int]:
    body = b""
    while True:
        head = _match(_CHUNK, data, at)
        size = int(head[1], 16)
        at = head.end()
        if size == 0:
            return body, _fields(data, at)[1]
        body += data[at : at + size]
        at += size
        if data[at : at + 2] != b"\r\n":
            raise _EndError
        at += 2


def _path(method: bytes, target: bytes) -> bytes:
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        return target
    rest = target[absolute.end() :]
    if rest[:1] == b"/":
        return rest
    return b"*" if method == b"OPTIONS" and not rest else b"/" + rest


def _match(pattern: re.Pattern[bytes], data: bytes, at: int) -> re.Match[bytes]:
    found = pattern.match(data, at)
    if found is None:
        raise _EndError
    return found
