"""Pages: what a client sees when the app's own answer is not to be had. Small, readable by anyone, JSON on demand."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from time import time

from router.answers import http_date
from router.faults import REASONS, Fault
from router.fields import Field
from router.heads import RequestHead

_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem }}
main {{ border-left: .3rem solid #79589f; padding-left: 1.2rem; margin-bottom: 1.5rem }}
h1 {{ font-size: 1.7rem; line-height: 1.25; margin: 0 0 .6rem }}
p {{ margin: 0 }}
footer {{ font-size: .85rem; opacity: .75; overflow-wrap: anywhere }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{advice}</p>
</main>
<footer>{trace}</footer>
</body>
</html>
"""
_IDENTITIES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    429: "rate_limit",
    503: "unavailable",
}
"""What JSON calls a status."""


def render(fault: Fault, *, accept: bytes, request_id: str, own: bytes | None = None) -> tuple[str, bytes]:
    """The content type and body for a fault: JSON when the Accept header prefers it, a web page otherwise."""
    if _wants_json(accept):
        return "application/json", _json(fault, request_id)
    return "text/html; charset=utf-8", _html(fault, request_id) if own is None else own


def answer(
    fault: Fault, head: RequestHead, fields: Sequence[Field], *, keep_alive: bool, own: bytes | None = None
) -> bytes:
    """The whole HTTP answer to a request. `own` is the app's page, for clients that do not prefer JSON."""
    accept = next((value for name, value in fields if name.lower() == b"accept"), b"")
    kind, body = render(fault, accept=accept, request_id=head.request_id, own=own)
    lines = [
        f"HTTP/1.1 {fault.status} {REASONS.get(fault.status, 'Error')}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-cache, no-store",
        f"Date: {http_date(int(time())).decode()}",
        "Via: 1.1 hostd-router",
    ]
    lines += fault.headers
    if head.request_id:
        lines.append(f"X-Request-ID: {head.request_id}")
    if fault.status == 405:
        lines.append("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
    if not keep_alive:
        lines.append("Connection: close")
    elif head.old:
        lines.append("Connection: keep-alive")
    wire = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
    return wire if head.method == b"HEAD" else wire + body


def _wants_json(accept: bytes) -> bool:
    """Whether JSON comes before HTML in the Accept header; order decides, which is how clients write it."""
    for part in accept.lower().split(b","):
        kind = part.partition(b";")[0].strip()
        if kind in (b"text/html", b"application/xhtml+xml"):
            return False
        if kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json")):
            return True
    return False


def _html(fault: Fault, request_id: str) -> bytes:
    parts = [f"{fault.code} {fault.desc}".strip(), f"request {request_id}" if request_id else ""]
    trace = " · ".join(html.escape(part) for part in parts if part)
    return _HTML.format(title=html.escape(fault.title), advice=html.escape(fault.advice), trace=trace).encode()


def _json(fault: Fault, request_id: str) -> bytes:
    identity = _IDENTITIES.get(fault.status, "bad_request")
    document = {"id": identity, "message": f"{fault.title}. {fault.advice}"}
    if fault.code:
        document["code"] = fault.code
    if request_id:
        document["request_id"] = request_id
    return (json.dumps(document) + "\n").encode()
