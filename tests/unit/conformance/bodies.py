"""Bodies: of answers: where they end, for clients and dynos of both versions."""

from __future__ import annotations

from conformance.case import ENDED, HANG_UP, HEAD, OK, Case, bad, hear, logged, ok, read, say, talk, tell, took

_OLD = b"GET / HTTP/1.0|Host: a||"
_OLD_KEPT = b"GET / HTTP/1.0|Host: a|Connection: keep-alive||"
_ASKED_HEAD = b"HEAD / HTTP/1.1|Host: a||"
_CHUNKED = b"HTTP/1.1 200 OK|Transfer-Encoding: chunked||"
_OLD_ANSWER = b"HTTP/1.0 200 OK||hello"
_BODILESS = (b"204 No Content", b"304 Not Modified")
_BAD_FRAMING = (
    (b"Content-Length: 5|Transfer-Encoding: chunked|", "a length and chunks", "code=H17", 503),
    (b"Transfer-Encoding: chunked|Content-Length: 5|", "chunks and a length", "code=H17", 503),
    (b"Transfer-Encoding: gzip|", "gzip for a transfer coding", "code=H17", 503),
    (b"Transfer-Encoding: gzip, chunked|", "gzip before chunked", "code=H17", 503),
    (b"Transfer-Encoding: chunked, gzip|", "gzip after chunked", "code=H17", 503),
    (b"Transfer-Encoding: chunked|Transfer-Encoding: chunked|", "chunked in two fields", "code=H17", 503),
    (b"Transfer-Encoding: identity|", "identity", "code=H17", 503),
    (b"Transfer-Encoding : chunked|", "a blank after Transfer-Encoding", "code=H17", 503),
    (b"Content-Length: 5|Content-Length: 6|", "two lengths", "code=H25", 502),
    (b"Content-Length: 5|Content-Length: 5|", "the same length twice", "code=H25", 502),
    (b"Content-Length: 5, 5|", "a list of lengths", "code=H25", 502),
    (b"Content-Length: -5|", "a negative length", "code=H25", 502),
    (b"Content-Length: x|", "a length that is no number", "code=H25", 502),
    (b"Content-Length: " + b"9" * 30 + b"|", "a length over 64 bits", "code=H25", 502),
)

CASES: tuple[Case, ...] = (
    ok("9112 6.3", "by length"),
    ok("9112 6.3", "an empty one by length", answer=b"HTTP/1.1 200 OK|Content-Length: 0||"),
    ok("9112 6.3", "in chunks", answer=_CHUNKED + b"5|hello|0||"),
    ok("9112 6.3", "in several chunks", answer=_CHUNKED + b"2|he|3|llo|0||"),
    ok("9112 7.1.1", "extensions of chunks are dropped", answer=_CHUNKED + b"5;a=b|hello|0||",
       get=_CHUNKED + b"5|hello|0||"),
    ok("9112 6.3", "no chunk but the last", answer=_CHUNKED + b"0||"),
    ok("9112 9.3", "a dyno that closes with its answer does not end the client's connection",
       answer=OK.replace(b"||", b"|Connection: close||"), get=OK),
    talk("9112 6.3", "until the dyno closes: the client gets chunks", say(HEAD), took(HEAD),
         tell(b"HTTP/1.1 200 OK||hello"), hear(_CHUNKED + b"5|hello|"), HANG_UP, read(b"0||")),
    talk("9112 6.3", "until an HTTP/1.0 dyno closes", say(HEAD), took(HEAD), tell(_OLD_ANSWER), HANG_UP,
         hear(_CHUNKED.replace(b"||", b"||5|hello|0||"))),
    talk("9112 6.3", "an HTTP/1.0 dyno with a length", say(HEAD), took(HEAD),
         tell(b"HTTP/1.0 200 OK|Content-Length: 2||ok"), hear(OK)),
    talk("9112 9.3", "an HTTP/1.0 dyno that stays", say(HEAD), took(HEAD),
         tell(b"HTTP/1.0 200 OK|Connection: keep-alive|Content-Length: 2||ok"), hear(OK), say(HEAD), took(HEAD),
         tell(OK), hear(OK)),
    talk("9112 6.1", "an HTTP/1.0 dyno's chunks are read once, and its connection is not used again", say(HEAD),
         took(HEAD), tell(b"HTTP/1.0 200 OK|Connection: keep-alive|Transfer-Encoding: chunked||5|hello|0||"),
         hear(_CHUNKED + b"5|hello|0||"), say(HEAD), took(HEAD), tell(OK), hear(OK)),
    ok("9112 6.1", "an HTTP/1.0 client gets no chunks", _OLD, HEAD, _CHUNKED + b"2|he|3|llo|0||",
       b"HTTP/1.1 200 OK|Connection: close||hello", via=b"1.0", closed=True),
    ok("9112 9.3", "nor one that would stay", _OLD_KEPT, HEAD, _CHUNKED + b"5|hello|0||",
       b"HTTP/1.1 200 OK|Connection: close||hello", via=b"1.0", closed=True),
    ok("9112 9.3", "an HTTP/1.0 client that would stay, does", _OLD_KEPT, HEAD, OK,
       OK.replace(b"||", b"|Connection: keep-alive||"), via=b"1.0"),
    ok("9112 9.3", "an HTTP/1.0 client that says nothing, does not", _OLD, HEAD, OK,
       OK.replace(b"||", b"|Connection: close||"), via=b"1.0", closed=True),
    talk("9112 6.3", "both of HTTP/1.0: until the dyno closes", say(_OLD), took(HEAD, via=b"1.0"), tell(_OLD_ANSWER),
         HANG_UP, hear(b"HTTP/1.1 200 OK|Connection: close||hello"), ENDED),
    ok("9110 9.3.2", "HEAD has the length and no body", _ASKED_HEAD, answer=b"HTTP/1.1 200 OK|Content-Length: 5||"),
    ok("9110 9.3.2", "HEAD without a length", _ASKED_HEAD, answer=b"HTTP/1.1 200 OK|X: y||"),
    ok("9110 9.3.2", "HEAD of what would be chunked", _ASKED_HEAD, answer=_CHUNKED, get=b"HTTP/1.1 200 OK||"),
    talk("9110 9.3.2", "a body in answer to HEAD goes nowhere", say(_ASKED_HEAD), took(_ASKED_HEAD), tell(OK),
         hear(b"HTTP/1.1 200 OK|Content-Length: 2||"), say(HEAD), took(HEAD), tell(OK), hear(OK)),
    talk("9110 9.3.2", "what follows HEAD on the same connection is in step", say(_ASKED_HEAD), took(_ASKED_HEAD),
         tell(b"HTTP/1.1 200 OK|Content-Length: 5||"), hear(b"HTTP/1.1 200 OK|Content-Length: 5||"), say(HEAD),
         took(HEAD), tell(OK), hear(OK)),
    *(ok("9112 6.3", f"{status.decode()} has no body", answer=b"HTTP/1.1 %b|X: y||" % status) for status in _BODILESS),
    ok("9110 15.4.5", "304 may tell a length", answer=b"HTTP/1.1 304 Not Modified|Content-Length: 5||"),
    ok("9110 8.6", "204 may not", answer=b"HTTP/1.1 204 No Content|Content-Length: 0||",
       get=b"HTTP/1.1 204 No Content||"),
    *(talk("9112 6.3", f"a body after {status.decode()} goes nowhere", say(HEAD), took(HEAD),
           tell(b"HTTP/1.1 %b|Content-Length: 5||hello" % status),
           hear(b"HTTP/1.1 %b|%b|" % (status, b"Content-Length: 5|" if status[:3] == b"304" else b"")),
           say(HEAD), took(HEAD), tell(OK), hear(OK)) for status in _BODILESS),
    talk("9112 6.3", "a second answer goes nowhere", say(HEAD), took(HEAD), tell(OK + OK), hear(OK), say(HEAD),
         took(HEAD), tell(OK), hear(OK)),
    *(bad("9112 6.3", f"an answer with {what}", b"HTTP/1.1 200 OK|" + lines + b"|hello", code, status)
      for lines, what, code, status in _BAD_FRAMING),
    talk("9112 8", "shorter than its length is H18, and the client can tell", say(HEAD), took(HEAD),
         tell(b"HTTP/1.1 200 OK|Content-Length: 9||part"), HANG_UP,
         hear(b"HTTP/1.1 200 OK|Content-Length: 9||part"), ENDED, logged("sock=backend at=error code=H18")),
    talk("9112 8", "chunks without an end are H18, and the client can tell", say(HEAD), took(HEAD),
         tell(_CHUNKED + b"4|part|"), HANG_UP, hear(_CHUNKED + b"4|part|"), ENDED, logged("code=H18")),
    talk("9112 8", "a bad chunk breaks the answer off", say(HEAD), took(HEAD), tell(_CHUNKED + b"4|part|"),
         hear(_CHUNKED + b"4|part|"), tell(b"z|"), ENDED, logged("code=H17")),
    talk("9112 7.1", "each chunk of an answer goes on at once", say(HEAD), took(HEAD), tell(_CHUNKED), hear(_CHUNKED),
         tell(b"1|a|"), read(b"1|a|"), tell(b"2|bc|"), read(b"2|bc|"), tell(b"0||"), read(b"0||")),
    talk("9112 6.3", "and each part of a body with a length", say(HEAD), took(HEAD),
         tell(b"HTTP/1.1 200 OK|Content-Length: 5||h"), hear(b"HTTP/1.1 200 OK|Content-Length: 5||h"), tell(b"ello"),
         read(b"ello")),
)  # fmt: skip
