"""Downgrades: what clients say over HTTP/2 so that it becomes something else once a proxy writes it as HTTP/1.1.

`|` stands for CRLF in names, values and bodies. `/smuggled` is never a request's target.
"""

from __future__ import annotations

from dataclasses import dataclass

_SMUGGLED = "GET /smuggled HTTP/1.1|Host: a|X: y"
_BODY = _SMUGGLED + "||"
_CHUNKS = "0||" + _BODY


@dataclass(frozen=True)
class Downgrade:
    """A head, the pieces of its body (none: the head is the end), and its trailers."""

    fields: tuple[tuple[str, str], ...]
    body: tuple[str, ...] = ()
    trailers: tuple[tuple[str, str], ...] = ()


def _ask(*extra: tuple[str, str], body: str = "", **pseudo: str) -> Downgrade:
    said = {"method": "POST", "scheme": "https", "authority": "a", "path": "/", **pseudo}
    fields = tuple((f":{name}", value.replace("|", "\r\n")) for name, value in said.items())
    more = tuple((name.replace("|", "\r\n"), value.replace("|", "\r\n")) for name, value in extra)
    return Downgrade((*fields, *more), (body,) if body else ())


_LENGTHS = {
    "nothing": "0", "too little": "5", "too much": "500", "a list": "0, 44", "signed": "+0", "negative": "-1",
    "hexadecimal": "0x0", "with a blank": " 0", "with a line": "0|X: y", "empty": "", "chunked": "chunked",
    "with NUL": "0\0", "a vertical tab": "\x0b0", "huge": "9" * 40,
}  # fmt: skip
_CODINGS = {
    "chunked": "chunked", "in capitals": "CHUNKED", "with a blank": " chunked", "with a tab": "chunked\t",
    "identity": "identity",
    "two": "identity, chunked", "a list": "chunked, identity", "xchunked": "xchunked", "with a line": "chunked|X: y",
    "empty": "", "with NUL": "chunked\0",
}  # fmt: skip
_NAMES = (
    "transfer-encoding ", " transfer-encoding", "transfer-encoding:", "transfer-encoding\t", "transfer-encoding\0",
    "transfer-encoding|", "Transfer-Encoding", "transfer_encoding", "transfer-encoding: chunked|x",
    "x|transfer-encoding", "x: y|transfer-encoding", "|transfer-encoding", "transfer\rencoding",
    "\x0btransfer-encoding",
)
_INJECTIONS = {
    "a line": "|X: y", "a coding": "|Transfer-Encoding: chunked", "a length": "|Content-Length: 0",
    "a request": f"||{_SMUGGLED}", "a bare LF": "\nTransfer-Encoding: chunked",
    "a bare CR": "\rTransfer-Encoding: chunked", "NUL": "\0", "an older version": " HTTP/1.0",
    "the end of a line": " HTTP/1.1|Host: a|Transfer-Encoding: chunked|X: y",
    "a blank": " x", "a tab": "\tx",
}  # fmt: skip

DOWNGRADES: dict[str, Downgrade] = {
    **{f"H2.CL: {what}": _ask(("content-length", text), body=_BODY) for what, text in _LENGTHS.items()},
    **{f"H2.CL without a body: {what}": _ask(("content-length", text)) for what, text in _LENGTHS.items()},
    "H2.CL twice": _ask(("content-length", "0"), ("content-length", str(len(_BODY) + 6)), body=_BODY),
    "H2.CL with an underscore": _ask(("content_length", "0"), body=_BODY),
    "H2.CL in capitals": _ask(("Content-Length", "0"), body=_BODY),
    **{f"H2.TE: {what}": _ask(("transfer-encoding", text), body=_CHUNKS) for what, text in _CODINGS.items()},
    **{f"H2.TE and a length: {what}": _ask(("content-length", "3"), ("transfer-encoding", text), body=_CHUNKS)
       for what, text in _CODINGS.items()},
    **{f"H2.TE by the name {name!r}": _ask((name, "chunked"), body=_CHUNKS) for name in _NAMES},
    **{f"{where}: {what}": _ask(("x", f"y{text}"), body=_CHUNKS) if where == "a value" else
       _ask((f"x{text}", "y"), body=_CHUNKS) if where == "a name" else
       _ask(("cookie", f"a=b{text}"), body=_CHUNKS) if where == "a cookie" else
       _ask(body=_CHUNKS, **{where: {"method": "POST", "path": "/", "authority": "a", "scheme": "https"}[where] + text})
       for where in ("a value", "a name", "a cookie", "method", "path", "authority", "scheme")
       for what, text in _INJECTIONS.items()},
    "the path is a request line": _ask(path=f"/ HTTP/1.1|Host: a||{_SMUGGLED}"),
    "the method is a request": _ask(method=f"GET / HTTP/1.1|Host: a||{_SMUGGLED}"),
    "the absolute form, to another": _ask(path="http://b/"),
    "the authority is a path": _ask(authority="a/smuggled"),
    "the authority is two": _ask(authority="a, b"),
    "Host beside it": _ask(("host", "b"), body=_BODY),
    "Host with a line": _ask(("host", "a|X: y"), body=_BODY),
    "Connection hides a length": _ask(("connection", "content-length"), ("content-length", "3"), body=_BODY),
    "Upgrade": _ask(("upgrade", "h2c"), ("http2-settings", "AAAA"), body=_BODY),
    "HTTP2-Settings": _ask(("http2-settings", "AAAA"), body=_BODY),
    "TE": _ask(("te", "trailers, chunked"), body=_BODY),
    "Expect": _ask(("expect", "100-continue"), body=_BODY),
    "GET with a body": _ask(method="GET", body=_BODY),
    "HEAD with a body": _ask(method="HEAD", body=_BODY),
    "chunks in chunks": _ask(body=_CHUNKS),
    "an answer in a body": _ask(body="HTTP/1.1 200 OK|Content-Length: 0||"),
    "trailers that frame": Downgrade(_ask().fields, (_BODY,), (("content-length", "0"), ("te", "trailers"))),
    "trailers of the connection": Downgrade(_ask().fields, (_BODY,), (("transfer-encoding", "chunked"),)),
    "trailers with a request": Downgrade(_ask().fields, (_BODY,), (("x", f"y\r\n\r\n{_BODY}".replace("|", "\r\n")),)),
    "a trailer's name with a request": Downgrade(_ask().fields, (_BODY,), (("x\r\n\r\nget /smuggled http/1.1", "y"),)),
}  # fmt: skip
