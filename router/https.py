"""Https: what an app wants of clients that come without it, and of those that come with it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from time import time

from router.answers import http_date
from router.fields import Field
from router.heads import RequestHead
from router.table import normal_host

_HSTS = b"strict-transport-security"


def redirect(head: RequestHead, port: int, keep_alive: bool) -> tuple[int, bytes]:
    """The status and the answer that send a client to https; what may not simply be a GET keeps its method (308)."""
    status, reason = (301, b"Moved Permanently") if head.method in (b"GET", b"HEAD") else (308, b"Permanent Redirect")
    lines = [
        b"HTTP/1.1 %d %b" % (status, reason),
        b"Location: https://%b%b%b" % (
            normal_host(head.host).encode(),
            b"" if port == 443 else b":%d" % port,
            head.target if head.target.startswith(b"/") else b"/",
        ),
        b"Content-Length: 0",
        b"Date: %b" % http_date(int(time())),
        b"Via: 1.1 hostd-router",
        b"X-Request-ID: %b" % head.request_id.encode(),
    ]  # fmt: skip
    if not keep_alive:
        lines.append(b"Connection: close")
    elif head.old:
        lines.append(b"Connection: keep-alive")
    return status, b"\r\n".join(lines) + b"\r\n\r\n"


def with_hsts(wire: bytes, fields: Sequence[Field], hsts: str) -> bytes:
    """An answer's head with Strict-Transport-Security, unless the dyno has said that itself (RFC 6797, 6.1)."""
    if not hsts or any(name.lower() == _HSTS for name, _ in fields):
        return wire
    return b"%bStrict-Transport-Security: %b\r\n\r\n" % (wire[:-2], hsts.encode())
