"""Replies: a client's strict reading of what a server sends it, and answers for chance to mutate."""

from __future__ import annotations

import re

SEEDS = (
    b"HTTP/1.1 200 OK|Content-Length: 5||hello",
    b"HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|3;x=y|abc|0||",
    b"HTTP/1.1 200 OK|Transfer-Encoding: chunked|Trailer: X||5|hello|0|X: y||",
    b"HTTP/1.1 103 Early Hints|Link: </x>||HTTP/1.1 200 OK|Content-Length: 2|Set-Cookie: a=b||ok",
    b"HTTP/1.1 200 OK||until the end",
    b"HTTP/1.0 200 OK|Connection: keep-alive|Content-Length: 2||ok",
    b"HTTP/1.1 204 No Content|X: y||",
    b"HTTP/1.1 304 Not Modified|ETag: x|Content-Length: 5||",
    b"HTTP/1.1 404 Not Found|Content-Length: 47||HTTP/1.1 200 OK|Content-Length: 9||smuggled!",
    b"HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: foo||bytes",
)
_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9][0-9]) [^\x00-\x08\x0a-\x1f\x7f]*\r\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): [^\x00-\x08\x0a-\x1f\x7f]*\r\n")
_SIZE = re.compile(rb"([0-9a-f]+)\r\n")


class Improper(Exception):  # noqa: N818 - a verdict on bytes
    """A client could not make sense of this."""


def statuses(data: bytes) -> tuple[list[int], bool]:
    """The statuses of the answers in a stream that has ended, and whether the last of them is all there; raises
    Improper. Answers are to GET."""
    found: list[int] = []
    at = 0
    while at < len(data):
        line = _LINE.match(data, at)
        if line is None:
            raise Improper(data[at:])
        found.append(int(line[1]))
        end = data.find(b"\r\n\r\n", at)
        if end < 0:
            return found, False
        fields = _fields(data[line.end() : end + 2])
        at = _body(data, end + 4, found[-1], fields)
        if at < 0:
            return found, False
    return found, True


def _fields(head: bytes) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    at = 0
    while at < len(head):
        field = _FIELD.match(head, at)
        if field is None:
            raise Improper(head[at:])
        name = field[1].lower()
        if name in fields and name in (b"content-length", b"transfer-encoding"):
            raise Improper(head)
        fields[name] = field[0].partition(b":")[2].strip()
        at = field.end()
    if b"content-length" in fields and b"transfer-encoding" in fields:
        raise Improper(head)
    return fields


def _body(data: bytes, at: int, status: int, fields: dict[bytes, bytes]) -> int:
    """Where the body ends; -1 if it is not all there."""
    if status < 200 or status in (204, 304):
        return at
    if b"transfer-encoding" not in fields:
        length = int(fields.get(b"content-length", b"%d" % (len(data) - at)))
        return at + length if at + length <= len(data) else -1
    while at < len(data):
        size = _SIZE.match(data, at)
        if size is None and b"\r\n" in data[at:]:
            raise Improper(data[at:])
        if size is None:
            return -1
        at = size.end()
        if int(size[1], 16) == 0:
            end = data.find(b"\r\n\r\n", at - 2)
            return end + 4 if end >= 0 else -1
        at += int(size[1], 16) + 2
        if at <= len(data) and data[at - 2 : at] != b"\r\n":
            raise Improper(data[at - 2 :])
    return -1
