"""Trailers: fields after a chunked body, which go on where there are chunks and they are harmless."""

from __future__ import annotations

from conformance.case import CHUNKED, ENDED, GONE, HEAD, POST, Case, hear, logged, ok, say, talk, tell, took

_BODY = b"5|hello|0|"
_ANSWER = b"HTTP/1.1 200 OK|Transfer-Encoding: chunked||"
_OLD = b"GET / HTTP/1.0|Host: a||"
_GOOD = (b"X: y|", b"X: 1|X: 2|", b"Content-MD5: abc|", b"Content-Digest: sha-256=:x:|", b"Server-Timing: a|",
         b"Grpc-Status: 0|", b"X: \xe9|", b"ETag: \"x\"|")  # fmt: skip
_FORBIDDEN = (
    b"Host: b", b"Keep-Alive: x", b"Upgrade: x", b"TE: trailers", b"Trailer: x",
    b"Content-Type: text/html", b"Content-Encoding: gzip", b"Content-Range: x", b"Authorization: x", b"Cookie: x",
    b"Proxy-Authorization: x", b"Set-Cookie: x", b"Cache-Control: x", b"Expires: x", b"Location: /", b"Vary: x",
    b"Date: x", b"Age: 1", b"Via: x", b"Max-Forwards: 1", b"Expect: 100-continue", b"Range: x", b"If-Match: x",
    b"X-Forwarded-For: 6.6.6.6", b"X_Forwarded_For: 6.6.6.6", b"X-Forwarded-Proto: https", b"X-Request-ID: x",
    b"X-Request-Start: 1", b"X-Real-IP: 6.6.6.6", b"Forwarded: for=6.6.6.6", b"WWW-Authenticate: x",
    b"Sec-WebSocket-Key: x", b"Content_Length: 3", b"Transfer_Encoding: chunked",
)  # fmt: skip
_BROKEN = (
    (b"X : y|", "a blank before the colon"),
    (b"X: y| z|", "obs-fold"),
    (b"X|", "no colon"),
    (b"X: a\x00|", "NUL"),
    (b"X: a\nY: b|", "a bare LF"),
    (b"X: a\rb|", "a bare CR"),
    (b"Content-Length: 5|", "a length"),
    (b"Transfer-Encoding: chunked|", "a transfer coding"),
)

CASES: tuple[Case, ...] = (
    *(ok("9112 7.1.2", f"of a request: {lines.decode('latin-1')}", CHUNKED + _BODY + lines + b"|") for lines in _GOOD),
    *(ok("9112 7.1.2", f"of an answer: {lines.decode('latin-1')}", answer=_ANSWER + _BODY + lines + b"|")
      for lines in _GOOD),
    *(ok("9110 6.5.1", f"not of a request: {line.decode()}", CHUNKED + _BODY + b"X: y|" + line + b"||",
         CHUNKED + _BODY + b"X: y||") for line in _FORBIDDEN),
    *(ok("9110 6.5.1", f"not of an answer: {line.decode()}", answer=_ANSWER + _BODY + line + b"|X: y||",
         get=_ANSWER + _BODY + b"X: y||") for line in _FORBIDDEN),
    ok("9110 6.6.2", "Trailer announces them to the dyno",
       POST + b"Trailer: X, Y|Transfer-Encoding: chunked||" + _BODY + b"X: 1||",
       POST + b"Trailer: X, Y|Transfer-Encoding: chunked||" + _BODY + b"X: 1||"),
    ok("9110 6.6.2", "without those that do not go on",
       POST + b"Trailer: X, Host, Content-Length|Transfer-Encoding: chunked||" + _BODY + b"X: 1||",
       POST + b"Trailer: X|Transfer-Encoding: chunked||" + _BODY + b"X: 1||"),
    ok("9110 6.6.2", "and to the client",
       answer=b"HTTP/1.1 200 OK|Transfer-Encoding: chunked|Trailer: X||5|hello|0|X: 1||"),
    ok("9110 6.5", "an HTTP/1.0 client gets none", _OLD, HEAD, _ANSWER + _BODY + b"X: y||",
       b"HTTP/1.1 200 OK|Connection: close||hello", via=b"1.0", closed=True),
    *(talk("9112 7.1.2", f"refused: {what}", say(CHUNKED + _BODY + lines + b"|"), hear(400), ENDED,
           logged('cause="bad chunk')) for lines, what in _BROKEN),
    *(talk("9112 7.1.2", f"an answer broken off: {what}", say(HEAD), took(HEAD), tell(_ANSWER + b"5|hello|"),
           hear(_ANSWER + b"5|hello|"), tell(b"0|" + lines + b"|"), ENDED, logged("code=H17"))
      for lines, what in _BROKEN[:-1]),
    talk("9110 6.5.1", "refused: Connection: close", say(CHUNKED + _BODY + b"Connection: close||"), hear(400), ENDED,
         logged('cause="bad chunk')),
    talk("9110 6.5.1", "a dyno's Connection: close is heard, and goes no further", say(HEAD), took(HEAD),
         tell(_ANSWER + _BODY + b"Connection: close||"), hear(_ANSWER + _BODY + b"|"), GONE),
)  # fmt: skip
