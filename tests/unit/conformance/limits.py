"""Limits: how long lines, fields and heads may be."""

from __future__ import annotations

from conformance.case import CHUNKED, ENDED, Case, hear, logged, no, ok, say, talk

_KIB = 1024


def _header(size: int) -> bytes:
    """A header line of so many bytes, its line break included."""
    return b"X: %b|" % (b"y" * (size - 5))


def _get(lines: bytes) -> bytes:
    return b"GET / HTTP/1.1|Host: a|%b|" % lines


CASES: tuple[Case, ...] = (
    ok("vegur", "a target of almost 8 KiB", b"GET /%b HTTP/1.1|Host: a||" % (b"x" * 8000)),
    no("vegur", "a target of more", b"GET /%b HTTP/1.1|Host: a||" % (b"x" * 8192), 414),
    no("9112 3", "a target without end", b"GET /" + b"x" * 100_000, 414),
    no("vegur", "a query of more", b"GET /?%b HTTP/1.1|Host: a||" % (b"x" * 8192), 414),
    ok("vegur", "a header of 8 KiB", _get(_header(8 * _KIB))),
    no("vegur", "a header of more", _get(_header(8 * _KIB + 1)), 431),
    no("vegur", "a header of 60 KiB", _get(_header(60 * _KIB)), 431),
    no("vegur", "a name of more than 8 KiB", _get(b"%b: y|" % (b"x" * 8192)), 431),
    no("9110 5.4", "a header without end", b"GET / HTTP/1.1|Host: a|X: " + b"y" * 300_000, 431),
    no("9110 5.4", "a name without end", b"GET / HTTP/1.1|Host: a|" + b"x" * 300_000, 431),
    no("9110 5.4", "headers without end", b"GET / HTTP/1.1|Host: a|" + b"X: y|" * 60_000, 431),
    ok("vegur", "1,000 headers", _get(b"X: y|" * 999)),
    no("vegur", "1,001 headers", _get(b"X: y|" * 1000), 431),
    no("vegur", "10,000 headers", _get(b"X: y|" * 10_000), 431),
    ok("9110 5.4", "a head of almost 64 KiB", _get(_header(8 * _KIB) * 7)),
    no("9110 5.4", "a head of more", _get(_header(8 * _KIB) * 9), 431),
    no("9110 5.4", "a Cookie of more than 8 KiB", _get(b"Cookie: %b|" % (b"x" * 8192)), 431),
    talk("9112 7.1.2", "1,001 trailers", say(CHUNKED + b"5|hello|0|" + b"X: y|" * 1001 + b"|"), hear(431), ENDED,
         logged("code=H26")),
    talk("9112 7.1.2", "a trailer of more than 8 KiB", say(CHUNKED + b"5|hello|0|" + _header(9 * _KIB) + b"|"),
         hear(431), ENDED, logged("code=H26")),
    talk("9112 7.1.2", "trailers without end", say(CHUNKED + b"5|hello|0|" + b"X: y|" * 50_000), hear(431), ENDED,
         logged("code=H26")),
    talk("9112 7.1.2", "long trailers without end", say(CHUNKED + b"5|hello|0|" + _header(_KIB) * 500), hear(400),
         ENDED, logged('cause="bad chunk')),
    ok("9112 6.3", "a body of 1 MiB", b"POST / HTTP/1.1|Host: a|Content-Length: 1048576||" + b"x" * 2**20),
    ok("9112 6.3", "an answer of 1 MiB", answer=b"HTTP/1.1 200 OK|Content-Length: 1048576||" + b"x" * 2**20),
)  # fmt: skip
