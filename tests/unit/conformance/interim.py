"""Interim answers: 100, 102 and 103, and Expect."""

from __future__ import annotations

from conformance.case import ENDED, GONE, HEAD, OK, POST, Case, bad, hear, logged, more, no, ok, say, talk, tell, took

_EXPECT = POST + b"Content-Length: 5|Expect: 100-continue||"
_EXPECT_CHUNKS = POST + b"Transfer-Encoding: chunked|Expect: 100-continue||"
_CONTINUE = b"HTTP/1.1 100 Continue||"
_HINTS = b"HTTP/1.1 103 Early Hints|Link: </x>; rel=preload||"
_OLD = b"GET / HTTP/1.0|Host: a||"
_CLOSING = OK.replace(b"||", b"|Connection: close||")
_UNMET = (b"a-miracle", b"100-continue, x", b"100-continue=x", b"200-ok", b"100", b"", b"x-100-continue")

CASES: tuple[Case, ...] = (
    talk("9110 10.1.1", "100 passes, and then the body", say(_EXPECT), took(_EXPECT), tell(_CONTINUE), hear(_CONTINUE),
         say(b"hello"), more(b"hello"), tell(OK), hear(OK)),
    talk("9110 10.1.1", "with chunks", say(_EXPECT_CHUNKS), took(_EXPECT_CHUNKS), tell(_CONTINUE), hear(_CONTINUE),
         say(b"5|hello|0||"), more(b"5|hello|0||"), tell(OK), hear(OK)),
    talk("9110 10.1.1", "a client that does not wait for it", say(_EXPECT + b"hello"), took(_EXPECT + b"hello"),
         tell(_CONTINUE + OK), hear(_CONTINUE), hear(OK)),
    talk("9110 10.1.1", "a dyno that declines the body", say(_EXPECT), took(_EXPECT),
         tell(b"HTTP/1.1 413 Too Large|Content-Length: 0||"),
         hear(b"HTTP/1.1 413 Too Large|Content-Length: 0|Connection: close||"), ENDED, GONE),
    talk("9110 10.1.1", "a dyno that answers at once", say(_EXPECT), took(_EXPECT), tell(OK), hear(_CLOSING), ENDED,
         GONE),
    ok("9110 10.1.1", "in capitals", POST + b"Content-Length: 5|expect: 100-Continue||hello",
       POST + b"Content-Length: 5|Expect: 100-continue||hello"),
    ok("9110 10.1.1", "an expectation of nothing stays here", POST + b"Content-Length: 0|Expect: 100-continue||",
       POST + b"Content-Length: 0||"),
    ok("9110 10.1.1", "an HTTP/1.0 client cannot expect",
       b"POST / HTTP/1.0|Host: a|Content-Length: 5|Expect: 100-continue||hello", POST + b"Content-Length: 5||hello",
       OK, _CLOSING, via=b"1.0", closed=True),
    *(no("9110 10.1.1", f"Expect: {value.decode()} is not met",
         POST + b"Content-Length: 5|Expect: %b||hello" % value, 417,
         'code=H26 desc="Request Error" cause="unsupported expect header value"') for value in _UNMET),
    talk("8297 2", "103 passes", say(HEAD), took(HEAD), tell(_HINTS), hear(_HINTS), tell(OK), hear(OK)),
    talk("9110 15.2", "several interim answers", say(HEAD), took(HEAD), tell(_HINTS + _HINTS), hear(_HINTS),
         hear(_HINTS), tell(b"HTTP/1.1 102 Processing||"), hear(b"HTTP/1.1 102 Processing||"), tell(OK), hear(OK)),
    talk("9110 15.2", "one and the answer in a breath", say(HEAD), took(HEAD), tell(_HINTS + OK), hear(_HINTS),
         hear(OK)),
    talk("9110 15.2", "an unknown one", say(HEAD), took(HEAD), tell(b"HTTP/1.1 199 X|A: b||" + OK),
         hear(b"HTTP/1.1 199 X|A: b||"), hear(OK)),
    talk("9110 15.2", "100 that nobody expected", say(HEAD), took(HEAD), tell(_CONTINUE + OK), hear(_CONTINUE),
         hear(OK)),
    talk("9110 15.2", "an HTTP/1.0 client gets none", say(_OLD), took(HEAD, via=b"1.0"), tell(_HINTS + OK),
         hear(_CLOSING), ENDED),
    talk("9110 7.6.1", "what Connection names in one stays here", say(HEAD), took(HEAD),
         tell(b"HTTP/1.1 103 Early Hints|Link: </x>|Connection: X|X: y|Keep-Alive: 1||" + OK),
         hear(b"HTTP/1.1 103 Early Hints|Link: </x>||"), hear(OK)),
    talk("9110 15.2", "framing in one stays here", say(HEAD), took(HEAD),
         tell(b"HTTP/1.1 103 Early Hints|Link: </x>|Content-Length: 5||" + OK),
         hear(b"HTTP/1.1 103 Early Hints|Link: </x>||"), hear(OK)),
    talk("9110 15.2", "HEAD may have one, too", say(b"HEAD / HTTP/1.1|Host: a||"), took(b"HEAD / HTTP/1.1|Host: a||"),
         tell(_HINTS + b"HTTP/1.1 200 OK|Content-Length: 5||"), hear(_HINTS),
         hear(b"HTTP/1.1 200 OK|Content-Length: 5||")),
    bad("vegur", "interim answers without end", b"HTTP/1.1 103 Early Hints|X: %b||" % (b"y" * 530_000), "code=H25",
        502),
    talk("9112 8", "an interim answer and then nothing is H13", say(POST + b"|"), took(POST + b"|"), tell(_HINTS),
         hear(_HINTS), tell(b"x||"), hear(503), logged("code=H17")),
)  # fmt: skip
