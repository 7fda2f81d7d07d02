"""What HTTP/2 asks of the router, a row to a rule. `|` stands for CRLF; what the router adds to a request is left out.

`python h2_cases.py` in tests/unit prints the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from h2_rig import Fields, data, get, raw, reset, settings, window

HEAD = b"GET / HTTP/1.1|Host: hello.localhost||"
POST = b"POST / HTTP/1.1|Host: hello.localhost|"
_CHUNKED = b"Transfer-Encoding: chunked|"
NO_ERROR, PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, COMPRESSION, CALM = 0, 1, 3, 5, 6, 7, 9, 11


@dataclass(frozen=True)
class Row:
    """One request: its head, the pieces of its body and its trailers, and what a dyno gets of it, or why none does."""

    rule: str
    what: str
    fields: Fields
    took: bytes = b""
    body: tuple[bytes, ...] | None = None
    status: int = 200
    log: str = "status=200"
    trailers: Fields | None = None


@dataclass(frozen=True)
class Abuse:
    """Frames after which the connection ends with this code."""

    rule: str
    what: str
    frames: tuple[bytes, ...]
    code: int


def _post(*extra: tuple[str, str]) -> Fields:
    return get("/", *extra, method="POST")


def yes(rule: str, what: str, fields: Fields, took: bytes, body: tuple[bytes, ...] | None = None) -> Row:
    return Row(rule, what, fields, took, body)


def no(rule: str, what: str, fields: Fields, status: int = 400, *, log: str = "code=H26",
       body: tuple[bytes, ...] | None = None) -> Row:  # fmt: skip
    return Row(rule, what, fields, b"", body, status, log)


def _without(name: str, fields: Fields) -> Fields:
    return [field for field in fields if field[0] != name]


def _swapped(name: str, value: str | bytes) -> Fields:
    return [(key, value if key == name else old) for key, old in get()]


_CONTROLS = {"NUL": "\0", "CR": "\r", "LF": "\n", "CRLF": "\r\n", "escape": "\x1b", "DEL": "\x7f"}

ROWS: tuple[Row, ...] = (
    yes("8.3.1", "a request", get(), HEAD),
    yes("8.3.1", "the target goes on as it came", get("/a%2f..//b?c=%20&d="),
        b"GET /a%2f..//b?c=%20&d= HTTP/1.1|Host: hello.localhost||"),
    yes("8.3.1", "of OPTIONS an asterisk", get("*", method="OPTIONS"), b"OPTIONS * HTTP/1.1|Host: hello.localhost||"),
    yes("8.3.1", "the scheme http means nothing here", get(scheme="http"), HEAD),
    yes("8.3.1", "a Host instead of :authority", [*_without(":authority", get()), ("host", "hello.localhost")], HEAD),
    yes("8.3.1", "a Host that says the same", get("/", ("host", "Hello.localhost")), HEAD),
    yes("8.3.1", "an authority with a port", get(host="hello.localhost:443"),
        b"GET / HTTP/1.1|Host: hello.localhost:443||"),
    *(no("8.3.1", f"without {name}", _without(name, get())) for name in (":method", ":scheme", ":path", ":authority")),
    *(no("8.3.1", f"empty {name}", _swapped(name, "")) for name in (":method", ":scheme", ":path")),
    *(no("8.3", f"{name} twice", [(name, dict(get())[name]), *get()])
      for name in (":method", ":scheme", ":path", ":authority")),
    no("8.3.1", "an empty authority", get(host="")),
    no("8.3.1", "another Host than :authority", get("/", ("host", "other.localhost"))),
    no("8.3.1", "another Host first", [*get()[:2], ("host", "other.localhost"), *get()[2:]]),
    no("8.3.1", "two Hosts", [*_without(":authority", get()), ("host", "hello.localhost"), ("host", "x")]),
    no("8.3.1", "an authority with a user", get(host="me@hello.localhost")),
    no("8.3", "an unknown pseudo-header", [(":proto", "x"), *get()]),
    no("8.3", "one of answers", [(":status", "200"), *get()]),
    no("8.3", "one behind the fields", [*get(), ("x", "y"), (":path", "/")]),
    no("8.3", "one in capitals", [(":Path", "/"), *get()]),
    no("8441 4", "a protocol without CONNECT", [(":protocol", "websocket"), *get()]),
    no("8441 4", "CONNECT for another protocol", [(":protocol", "connect-udp"), *get(method="CONNECT")], 501,
       body=(b"x",)),
    no("8441 4", "a protocol without a path", [(":protocol", "websocket"), *get(method="CONNECT")[:3]], body=(b"x",)),
    no("8441 4", "a protocol twice", [(":protocol", "websocket"), (":protocol", "websocket"), *get(method="CONNECT")],
       body=(b"x",)),
    no("8441 4", "a protocol behind the fields", [*get(method="CONNECT"), ("x", "y"), (":protocol", "websocket")],
       body=(b"x",)),
    no("8441 4", "a tunnel that ends where it begins", [(":protocol", "websocket"), *get(method="CONNECT")]),
    no("8441 4", "a tunnel with a length", [(":protocol", "websocket"), *get("/", ("content-length", "1"),
                                                                             method="CONNECT")], body=(b"x",)),
    no("8.5", "CONNECT", [(":method", "CONNECT"), (":authority", "a:443")], 405),
    no("8.3.1", "the scheme ftp", get(scheme="ftp")),
    no("8.3.1", "a path without a slash", get("a")),
    no("8.3.1", "an asterisk with GET", get("*")),
    no("8.3.1", "the absolute form", get("https://other.localhost/")),
    no("8.3.1", "a fragment", get("/#a")),
    no("8.3.1", "a letter that is not ASCII's", get("/\xe9")),
    *(no("10.3", f"{name} in the path", get(f"/a{char}b")) for name, char in (*_CONTROLS.items(), ("blank", " "))),
    *(no("10.3", f"{name} in the method", get(method=f"GET{char}X")) for name, char in
      (*_CONTROLS.items(), ("blank", " "), ("tab", "\t"), ("quote", '"'))),
    *(no("10.3", f"{name} in the authority", get(host=f"hello{char}localhost")) for name, char in
      (*_CONTROLS.items(), ("blank", " "))),
    *(no("8.2.1", f"{name} in a value", get("/", ("x", f"a{char}b"))) for name, char in _CONTROLS.items()),
    *(no("8.2.1", f"{name} in a name", get("/", (f"x{char}y", "z"))) for name, char in
      (*_CONTROLS.items(), ("blank", " "), ("colon", ":"), ("quote", '"'))),
    no("8.2.1", "a name in capitals", get("/", ("X", "y"))),
    no("8.2.1", "no name", get("/", ("", "y"))),
    *(no("8.2.1", f"a value with a blank {where}", get("/", ("x", value)))
      for where, value in (("before", " a"), ("behind", "a "), ("that is a tab", "a\t"))),
    yes("8.2.1", "an empty value", get("/", ("x", "")), HEAD[:-1] + b"x: ||"),
    yes("8.2.1", "a tab in a value", get("/", ("x", "a\tb")), HEAD[:-1] + b"x: a\tb||"),
    *(no("8.2.2", f"{name}: {value}", get("/", (name, value))) for name, value in (
        ("connection", "close"), ("connection", "x"), ("proxy-connection", "keep-alive"), ("keep-alive", "1"),
        ("transfer-encoding", "chunked"), ("transfer-encoding", "identity"), ("upgrade", "websocket"), ("te", "gzip"),
        ("te", "trailers, deflate"))),
    yes("8.2.2", "te: trailers", get("/", ("te", "trailers")), HEAD[:-1] + b"Connection: TE|TE: trailers||"),
    yes("8.2.3", "cookies are joined", get("/", ("cookie", "a=b"), ("x", "y"), ("cookie", "c=d")),
        HEAD[:-1] + b"x: y|cookie: a=b; c=d||"),
    yes("9110", "names for WSGI's eyes are dropped", get("/", ("x_forwarded_for", "1.2.3.4")), HEAD),
    yes("8.1", "no length and no body, though one is usual", _post(), POST + b"Content-Length: 0||"),
    yes("8.1.1", "a length", _post(("content-length", "5")), POST + b"Content-Length: 5||hello", (b"he", b"llo")),
    yes("8.1.1", "a length of nothing", _post(("content-length", "0")), POST + b"Content-Length: 0||"),
    yes("8.1.1", "a length of nothing, and an empty end", _post(("content-length", "0")), POST + b"Content-Length: 0||",
        (b"", b"")),
    no("8.1.1", "a length of nothing, and a body", _post(("content-length", "0")), body=(b"x",)),
    no("8.1.1", "the same in pieces", _post(("content-length", "0")), body=(b"", b"GET / HTTP/1.1\r\n", b"\r\n")),
    yes("8.1", "no length: chunks", _post(), POST + _CHUNKED + b"|2|he|3|llo|0||", (b"he", b"llo")),
    yes("8.1", "empty DATA is no chunk", _post(), POST + _CHUNKED + b"|2|he|0||", (b"", b"he", b"")),
    yes("8.1", "nothing but an empty end", _post(), POST + _CHUNKED + b"|0||", (b"",)),
    no("8.1.1", "a length without a body", _post(("content-length", "5"))),
    no("8.1.1", "less than the length", _post(("content-length", "5")), body=(b"he",)),
    no("8.1.1", "more than the length", _post(("content-length", "5")), body=(b"hello", b"!")),
    no("8.1.1", "more in one piece", _post(("content-length", "5")), body=(b"hello!",)),
    no("8.1.1", "two lengths", _post(("content-length", "5"), ("content-length", "5")), body=(b"hello",)),
    *(no("8.1.1", f"length {text!r}", _post(("content-length", text)), body=(b"hello",))
      for text in ("+5", "5, 5", "0x5", "5.0", "-5", "", "9" * 30, "\u0665")),
    no("9110", "a method that is none of HTTP's", get(method="BREW"), 501),
    no("9110", "a method in small letters", get(method="get"), 501),
    no("9110", "that of HTTP/2 itself", get(method="PRI"), 501),
    no("9110", "expecting something else", _post(("expect", "x"), ("content-length", "1")), 417, body=(b"x",)),
    no("9110", "Max-Forwards at its end", get("/", ("max-forwards", "0"), method="TRACE"), 405),
    yes("9110", "Max-Forwards", get("/", ("max-forwards", "2"), method="TRACE"),
        b"TRACE / HTTP/1.1|Host: hello.localhost|Max-Forwards: 1||"),
    no("Heroku", "a long path", get("/" + "x" * 8200), 414),
    no("Heroku", "a long header", get("/", ("x", "y" * 8200)), 431),
    no("Heroku", "a long head", get("/", *((f"x{number}", "y" * 1000) for number in range(70))), 431),
    no("Heroku", "many headers", get("/", *((f"x{number}", "y") for number in range(1001))), 431),
    no("Heroku", "an unknown host", get(host="nobody"), 404, log="No such app"),
    no("Heroku", "a WebSocket whose Upgrade was lost", get("/", ("sec-websocket-version", "13")), 503, log="code=H23"),
    Row("8.1", "trailers", _post(), POST + _CHUNKED + b"|2|he|0|x: y||", (b"he",), trailers=(("x", "y"),)),
    Row("9110 6.5.1", "trailers that frame", _post(), POST + _CHUNKED + b"|2|he|0||", (b"he",),
        trailers=(("content-length", "9"), ("host", "x"))),
    Row("8.1", "trailers where there are no chunks", _post(("content-length", "2")),
        POST + b"Content-Length: 2||he", (b"he",), trailers=(("x", "y"),)),
    *(Row("8.1", f"a trailer that is {what}", _post(), b"", (b"he",), 400, "code=H26", trailers=(field,))
      for what, field in (("a pseudo-header", (":path", "/")), ("of the connection", ("connection", "x")),
                          ("in capitals", ("X", "y")), ("two lines", ("x", "y\r\nz: a")),
                          ("a coding", ("transfer-encoding", "chunked")))),
    Row("Heroku", "a long trailer", _post(), b"", (b"he",), 431, "code=H26", trailers=(("x", "y" * 9000),)),
    Row("8.1", "trailers after nothing", _post(("content-length", "0")), POST + b"Content-Length: 0||", (),
        trailers=(("x", "y"),)),
    Row("8.1.1", "trailers before the length is reached", _post(("content-length", "5")), b"", (b"he",), 400,
        "code=H26", trailers=(("x", "y"),)),
)  # fmt: skip

_PING = bytes(8)


def _block(*fields: tuple[str, str]) -> bytes:
    """A head that remembers nothing, so that it can be part of a table."""
    return b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in fields
    )


_HEAD = _block(*[(str(name), str(value)) for name, value in get()])
_ONE = _HEAD + _block(("content-length", "1"))
_OPEN = raw(1, 4, 1, _HEAD)
_WHOLE = raw(1, 5, 1, _HEAD)

ABUSES: tuple[Abuse, ...] = (
    Abuse("4.2", "a frame that is too long", (raw(0, 0, 1, b"", 16385),), SIZE),
    Abuse("5.1", "DATA on no stream", (data(1, b"x"),), PROTOCOL),
    Abuse("5.1", "RST_STREAM on no stream", (reset(1),), PROTOCOL),
    Abuse("5.1", "WINDOW_UPDATE on no stream", (window(1, 5),), PROTOCOL),
    Abuse("5.1", "DATA behind the end", (_WHOLE, data(1, b"x")), CLOSED),
    Abuse("5.1", "a head behind the end", (_WHOLE, _WHOLE), CLOSED),
    Abuse("5.1.1", "a stream of the router's", (raw(1, 5, 2, _HEAD),), PROTOCOL),
    Abuse("5.1.1", "an older stream", (raw(1, 5, 5, _HEAD), raw(1, 5, 3, _HEAD)), CLOSED),
    Abuse("6.1", "DATA on the connection", (raw(0, 0, 0, b"x"),), PROTOCOL),
    Abuse("6.1", "more padding than content", (_OPEN, raw(0, 8, 1, b"\x05abc")), PROTOCOL),
    Abuse("6.1", "padding without a length", (_OPEN, raw(0, 8, 1)), SIZE),
    Abuse("6.2", "HEADERS on the connection", (raw(1, 5, 0, _HEAD),), PROTOCOL),
    Abuse("6.2", "HEADERS with more padding than content", (raw(1, 13, 1, b"\xff" + _HEAD),), PROTOCOL),
    Abuse("6.2", "a priority cut short", (raw(1, 0x25, 1, b"abc"),), SIZE),
    Abuse("6.3", "PRIORITY of the wrong length", (raw(2, 0, 1, b"abc"),), SIZE),
    Abuse("6.3", "PRIORITY of the connection", (raw(2, 0, 0, bytes(5)),), PROTOCOL),
    Abuse("6.4", "RST_STREAM on the connection", (raw(3, 0, 0, bytes(4)),), PROTOCOL),
    Abuse("6.4", "RST_STREAM of the wrong length", (_OPEN, raw(3, 0, 1, bytes(3))), SIZE),
    Abuse("6.5", "SETTINGS on a stream", (_OPEN, raw(4, 0, 1)), PROTOCOL),
    Abuse("6.5", "SETTINGS cut short", (raw(4, 0, 0, bytes(5)),), SIZE),
    Abuse("6.5", "an acknowledgement with settings", (raw(4, 1, 0, bytes(6)),), SIZE),
    Abuse("6.5.2", "ENABLE_PUSH of 2", (settings(ENABLE_PUSH=2),), PROTOCOL),
    Abuse("6.5.2", "a window that is too large", (settings(INITIAL_WINDOW_SIZE=2**31),), FLOW),
    Abuse("6.5.2", "frames that are too small", (settings(MAX_FRAME_SIZE=16383),), PROTOCOL),
    Abuse("6.5.2", "frames that are too large", (settings(MAX_FRAME_SIZE=2**24),), PROTOCOL),
    Abuse("6.6", "PUSH_PROMISE", (_OPEN, raw(5, 4, 1, bytes(4) + _HEAD)), PROTOCOL),
    Abuse("6.7", "PING on a stream", (_OPEN, raw(6, 0, 1, _PING)), PROTOCOL),
    Abuse("6.7", "PING of the wrong length", (raw(6, 0, 0, b"x"),), SIZE),
    Abuse("6.8", "GOAWAY on a stream", (_OPEN, raw(7, 0, 1, bytes(8))), PROTOCOL),
    Abuse("6.8", "GOAWAY cut short", (raw(7, 0, 0, bytes(7)),), SIZE),
    Abuse("6.9", "a window that grows by nothing", (raw(8, 0, 0, bytes(4)),), PROTOCOL),
    Abuse("6.9", "a stream's, too", (_OPEN, raw(8, 0, 1, bytes(4))), PROTOCOL),
    Abuse("6.9", "WINDOW_UPDATE of the wrong length", (raw(8, 0, 0, bytes(5)),), SIZE),
    Abuse("6.9.1", "a window that grows too large", (window(0, 2**31 - 1),), FLOW),
    Abuse("6.9.1", "a stream's, too", (_OPEN, window(1, 2**31 - 1)), FLOW),
    Abuse("6.9.2", "a window made too large by SETTINGS",
          (_OPEN, window(1, 2**30), settings(INITIAL_WINDOW_SIZE=2**31 - 1)), FLOW),
    Abuse("6.10", "CONTINUATION of nothing", (raw(9, 4, 1, _HEAD),), PROTOCOL),
    Abuse("6.10", "CONTINUATION behind a head", (_WHOLE, raw(9, 4, 1, _HEAD)), PROTOCOL),
    Abuse("6.10", "CONTINUATION on another stream", (raw(1, 0, 1, _HEAD), raw(9, 4, 3)), PROTOCOL),
    Abuse("6.10", "another frame between", (raw(1, 0, 1, _HEAD), raw(6, 0, 0, _PING)), PROTOCOL),
    Abuse("6.10", "an unknown one, too", (raw(1, 0, 1, _HEAD), raw(99, 0, 0)), PROTOCOL),
    Abuse("4.3", "a head that is no HPACK", (raw(1, 5, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),), COMPRESSION),
    Abuse("4.3", "one that refers to nothing", (raw(1, 5, 1, b"\xbe"),), COMPRESSION),
    Abuse("4.3", "a table that is too large", (raw(1, 5, 1, b"\x3f\xe2\x1f" + _HEAD),), COMPRESSION),
    Abuse("CVE-2024-27316", "a head without an end", (raw(1, 0, 1, _HEAD), *(raw(9, 0, 1, bytes(100)),) * 20), CALM),
    Abuse("CVE-2024-27316", "of empty pieces", (raw(1, 0, 1, _HEAD), *(raw(9, 0, 1),) * 20), CALM),
    Abuse("CVE-2016-6581", "a small head that is a large one",
          (raw(1, 5, 1, b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4000 + b"\xbe" * 5000),), CALM),
    Abuse("CVE-2023-44487", "requests that are reset at once",
          tuple(raw(1, 5, number, _HEAD) + reset(number) for number in range(1, 1201, 2)), CALM),
    Abuse("CVE-2023-44487", "more requests at once than there may be, again and again",
          tuple(raw(1, 4, number, _HEAD) for number in range(1, 1501, 2)), CALM),
    Abuse("CVE-2025-8671", "requests that the router has to reset",
          tuple(raw(1, 4, number, _ONE) + data(number, b"xy") for number in range(1, 1201, 2)), CALM),
    Abuse("CVE-2019-9512", "PING upon PING", (raw(6, 0, 0, _PING) * 12_000,), CALM),
    Abuse("CVE-2019-9515", "SETTINGS upon SETTINGS", (settings(INITIAL_WINDOW_SIZE=1) * 8_000,), CALM),
    Abuse("CVE-2019-9518", "DATA of nothing", (_OPEN, data(1, b"") * 12_000), CALM),
    Abuse("CVE-2019-9518", "DATA of nothing but padding", (_OPEN, *(data(1, b"", pad=5),) * 12_000), CALM),
    Abuse("CVE-2019-9513", "PRIORITY upon PRIORITY", (raw(2, 0, 1, bytes(5)) * 12_000,), CALM),
    Abuse("CVE-2019-9511", "a window wider by a byte", (window(0, 1) * 12_000,), CALM),
    Abuse("5.5", "frames of no known kind", (raw(77, 0, 0, b"x") * 12_000,), CALM),
)  # fmt: skip


def printed() -> Sequence[str]:
    """The rules as a table."""
    return [f"{case.rule:16} {case.what}" for case in (*ROWS, *ABUSES)]


if __name__ == "__main__":
    print("\n".join(printed()))
