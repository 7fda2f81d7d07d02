"""Judging: limits of heads and trailers, and what to call bytes that are not HTTP. Pure."""

from __future__ import annotations

import re

import httptools

from router.fields import Field, Refused
from router.settings import Settings

_UNKNOWN_METHOD = re.compile(
    rb"(?!(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) )[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} \S+ HTTP/1\.[01]\r\n"
)
_OTHER_PROTOCOLS = (b"RTSP/", b"ICE/")
_OF_CONNECTIONS = (b"connection", b"proxy-connection")


def check_lengths(fields: list[Field], target: int, settings: Settings) -> None:
    """Raises Refused when a head is longer than the limits allow. `target` is the length of the request's target."""
    sizes = [len(name) + len(value) + 4 for name, value in fields]
    if max(sizes, default=0) > settings.max_line:
        raise Refused(431, "a header is too long")
    if sum(sizes) + target > settings.max_head or len(sizes) > settings.max_headers:
        raise Refused(431, "the head of the request is too long")


def check_protocol(target: bytes, head: bytes) -> None:
    """Raises Refused for what the parser takes for HTTP, too: RTSP, ICE and what names no protocol. `head` may have
    further requests behind this one."""
    if head.find(b" HTTP/") >= 0 and all(head.find(b" " + other) < 0 for other in _OTHER_PROTOCOLS):
        return
    _, *rests = head.split(b" %b " % target)
    said = [rest.lstrip(b" ") for rest in rests]
    if not any(rest.startswith(b"HTTP/") for rest in said) or any(rest.startswith(_OTHER_PROTOCOLS) for rest in said):
        raise Refused(400, "bad request line: this is not HTTP")


def check_trailers(trailers: list[Field], settings: Settings) -> None:
    """Raises Refused for trailers that are too long, and for one that would say what becomes of the connection: the
    parser minds it, and would refuse what comes after."""
    check_lengths(trailers, 0, settings)
    if any(name.lower() in _OF_CONNECTIONS for name, _ in trailers):
        raise Refused(400, "bad chunk: Connection cannot be a trailer")


def improper(error: httptools.HttpParserError, piece: bytes, in_body: bool, has_target: bool) -> Refused:
    """What to call an error of the parser, which does not know how far in the piece it had come."""
    if in_body:
        return Refused(400, f"bad chunk: {error}")
    if has_target:
        status = 505 if str(error) == "Invalid HTTP version" else 400
        return Refused(status, f"bad header: {error}")
    if isinstance(error, httptools.HttpParserInvalidMethodError) and _UNKNOWN_METHOD.match(piece):
        return Refused(501, "this method is not known here")
    return Refused(400, f"bad request line: {error}")
