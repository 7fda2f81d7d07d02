"""Challenges: what a certificate authority asks at a name to see that it is ours (ACME, RFC 8555, 8.3). Pure."""

from __future__ import annotations

from time import time

from router.answers import http_date
from router.heads import RequestHead
from router.table import App, normal_host

_PATH = b"/.well-known/acme-challenge/"


def proof(app: App, head: RequestHead, keep_alive: bool) -> tuple[int, bytes] | None:
    """The status and the answer to the authority's question; None for every other request: those are the app's."""
    expected = app.challenges.get(normal_host(head.host))
    if expected is None or head.method not in (b"GET", b"HEAD"):
        return None
    token, _, _ = expected.partition(".")
    if head.target != _PATH + token.encode():
        return None
    lines = [
        b"HTTP/1.1 200 OK",
        b"Content-Type: application/octet-stream",
        b"Content-Length: %d" % len(expected),
        b"Cache-Control: no-store",
        b"Date: %b" % http_date(int(time())),
        b"Via: 1.1 hostd-router",
        b"X-Request-ID: %b" % head.request_id.encode(),
    ]
    if not keep_alive:
        lines.append(b"Connection: close")
    elif head.old:
        lines.append(b"Connection: keep-alive")
    body = b"" if head.method == b"HEAD" else expected.encode()
    return 200, b"\r\n".join(lines) + b"\r\n\r\n" + body
