"""Mutations: valid requests, and what chance makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

SEEDS = (
    b"GET / HTTP/1.1|Host: a||",
    b"GET /a?b=c HTTP/1.1|Host: a|Accept: */*|Cookie: a=b||GET /2 HTTP/1.1|Host: a||",
    b"POST /1 HTTP/1.1|Host: a|Content-Length: 5||helloGET /2 HTTP/1.1|Host: a||",
    b"POST /1 HTTP/1.1|Host: a|Transfer-Encoding: chunked||5|hello|3;x=y|abc|0||GET /2 HTTP/1.1|Host: a||",
    b"POST /1 HTTP/1.1|Host: a|Transfer-Encoding: chunked|Trailer: X||a|0123456789|0|X: y||POST /2 HTTP/1.1|Host: a|"
    b"Content-Length: 2||ok",
    b"PUT /1 HTTP/1.1|Host: a|Content-Length: 35||GET /smuggled HTTP/1.1|Host: a||GET /2 HTTP/1.1|Host: a||",
    b"POST /1 HTTP/1.1|Host: a|Transfer-Encoding: chunked||23|GET /smuggled HTTP/1.1|Host: a|X: y||0||"
    b"GET /2 HTTP/1.1|Host: a||",
    b"GET /1 HTTP/1.0|Host: a|Connection: keep-alive||GET /2 HTTP/1.0|Host: a||",
    b"OPTIONS * HTTP/1.1|Host: a||GET http://a/2 HTTP/1.1|Host: a|Connection: close||GET /3 HTTP/1.1|Host: a||",
    b"POST /1 HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: foo|Content-Length: 4||GET GET /2 HTTP/1.1|Host: a||",
    b"POST /1 HTTP/1.1|Host: a|Expect: 100-continue|Content-Length: 4||bodyGET /2 HTTP/1.1|Host: a||",
    b"HEAD /1 HTTP/1.1|Host: a|X: y||DELETE /2 HTTP/1.1|Host: a|Content-Length: 0||GET /3 HTTP/1.1|Host: a||",
)
_SIGNS = (
    b"\r", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"\x0b", b"\x7f", b"\x80", b"0",
    b"1", b"f", b"-", b"+", b"_", b"\"", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b"Host: b\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Connection: close\r\n", b"0\r\n\r\n",
    b"Connection: Upgrade\r\n",
    b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", b"Upgrade: foo\r\n", b"HTTP/1.1", b"Proxy-Connection: close\r\n",
)  # fmt: skip


def stream(chance: Random, seeds: Sequence[bytes] = SEEDS) -> list[bytes]:
    """The bytes of one side, in the pieces in which they are sent."""
    data = b"".join(chance.choice(seeds) for _ in range(chance.choice((1, 1, 2)))).replace(b"|", b"\r\n")
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 5))):
        data = chance.choice(_WAYS)(data, chance)
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 0, 0, 1, 2))))
    return [piece for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if (piece := data[start:end])]


def _insert(data: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(_SIGNS) + data[at:]


def _insert_line(data: bytes, chance: Random) -> bytes:
    at = _line(data, chance)
    return data[:at] + chance.choice(_SIGNS) + data[at:]


def _drop(data: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.choice((1, 1, 2, 4, 20)) :]


def _replace(data: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(_SIGNS) + data[at + 1 :]


def _flip(data: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(data)) if data else 0
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :] if data else data


def _double_line(data: bytes, chance: Random) -> bytes:
    start = _line(data, chance)
    end = data.find(b"\r\n", start) + 2
    return data[:end] + data[start:end] + data[end:]


def _swap_lines(data: bytes, chance: Random) -> bytes:
    lines = data.split(b"\r\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\r\n".join(lines)


def _bare(data: bytes, chance: Random) -> bytes:
    at = max(_line(data, chance) - 2, 0)
    return data[:at] + chance.choice((b"\n", b"\r")) + data[at + 2 :]


def _truncate(data: bytes, chance: Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _line(data: bytes, chance: Random) -> int:
    """Where some line begins."""
    starts = [0, *(at + 2 for at in range(len(data) - 1) if data[at : at + 2] == b"\r\n")]
    return chance.choice(starts)


_WAYS: tuple[Callable[[bytes, Random], bytes], ...] = (
    _insert, _insert_line, _insert_line, _drop, _replace, _flip, _double_line, _swap_lines, _bare, _truncate,
)  # fmt: skip
