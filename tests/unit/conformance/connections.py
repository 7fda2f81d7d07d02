"""Connections: which are kept, pipelining, and who closes."""

from __future__ import annotations

from conformance.case import (
    ENDED,
    GONE,
    HEAD,
    LEAVE,
    OK,
    POST,
    Case,
    hear,
    logged,
    more,
    no,
    ok,
    read,
    say,
    talk,
    tell,
    took,
)

_CLOSING = OK.replace(b"||", b"|Connection: close||")
_GET = b"GET / HTTP/1.1|Host: a|%b|"
_CLOSE = (b"Connection: close|", b"Proxy-Connection: close|",
          b"connection: Close|", b"Connection: x, close|", b"Connection: x|Connection: close|",
          b"Connection: close, keep-alive|")  # fmt: skip
_KEEP = (b"Connection: keep-alive|", b"Connection: |", b"Connection: x|", b"Connection: closed|", b"Keep-Alive: 1|",
         b"Proxy-Connection: keep-alive|")  # fmt: skip


def _path(path: bytes) -> bytes:
    return b"GET /%b HTTP/1.1|Host: a||" % path


def _body(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK|Content-Length: %d||%b" % (len(body), body)


CASES: tuple[Case, ...] = (
    talk("9112 9.3", "kept on both sides", *(3 * (say(HEAD), took(HEAD), tell(OK), hear(OK)))),
    *(ok("9112 9.3", f"the client closes: {lines.decode()}", _GET % lines, HEAD, OK, _CLOSING, closed=True)
      for lines in _CLOSE),
    *(ok("9112 9.3", f"the client stays: {lines.decode()}", _GET % lines, HEAD) for lines in _KEEP),
    *(talk("9112 9.3", f"the dyno closes: {lines.decode()}", say(HEAD), took(HEAD),
           tell(b"HTTP/1.1 200 OK|" + lines + b"Content-Length: 2||ok"), hear(OK), GONE) for lines in _CLOSE),
    talk("9112 9.3.2", "pipelined requests are sent one by one and answered in order",
         say(_path(b"1") + _path(b"2") + _path(b"3")), took(_path(b"1")), tell(_body(b"one")), hear(_body(b"one")),
         took(_path(b"2")), tell(_body(b"two")), hear(_body(b"two")), took(_path(b"3")), tell(_body(b"three")),
         hear(_body(b"three"))),
    talk("9112 9.3.2", "requests with bodies, too", say(POST + b"Content-Length: 2||ab" + _path(b"2")),
         took(POST + b"Content-Length: 2||ab"), tell(OK), hear(OK), took(_path(b"2")), tell(OK), hear(OK)),
    talk("9112 9.3.2", "with chunked ones", say(POST + b"Transfer-Encoding: chunked||2|ab|0||" + _path(b"2")),
         took(POST + b"Transfer-Encoding: chunked||2|ab|0||"), tell(OK), hear(OK), took(_path(b"2")), tell(OK),
         hear(OK)),
    talk("9112 9.3.2", "HEAD between others", say(_path(b"1") + b"HEAD / HTTP/1.1|Host: a||" + _path(b"2")),
         took(_path(b"1")), tell(OK), hear(OK), took(b"HEAD / HTTP/1.1|Host: a||"), tell(b"HTTP/1.1 200 OK|X: y||"),
         hear(b"HTTP/1.1 200 OK|X: y||"), took(_path(b"2")), tell(OK), hear(OK)),
    talk("9112 9.3.2", "one to nowhere between others", say(_path(b"1") + b"GET / HTTP/1.1|Host: no||" + _path(b"2")),
         took(_path(b"1")), tell(OK), hear(OK), hear(404), took(_path(b"2")), tell(OK), hear(OK)),
    talk("9112 9.6", "nothing behind an upload that nobody reads is a request, even in the same breath",
         say(b"POST / HTTP/1.1|Host: no|Content-Length: 2||ok" + _path(b"2")), hear(404), ENDED),
    talk("9112 9.3.2", "a request with a body behind another, in one breath",
         say(_path(b"1") + POST + b"Content-Length: 100000||" + b"x" * 100_000 + _path(b"3")), took(_path(b"1")),
         tell(OK), hear(OK), took(POST + b"Content-Length: 100000||" + b"x" * 100_000),
         tell(OK), hear(OK), took(_path(b"3")),
         tell(OK), hear(OK)),
    talk("9112 9.3.2", "nothing behind a close is answered", say(_GET % b"Connection: close|" + _path(b"2")),
         took(HEAD), tell(OK), hear(_CLOSING), ENDED),
    talk("9112 9.3.2", "what came before an improper request is answered", say(_path(b"1") + b"GET / HTTP/1.1|X Y||"),
         took(_path(b"1")), tell(OK), hear(OK), hear(400), ENDED, logged("code=H26")),
    talk("9112 9.3.2", "another protocol between others is improper",
         say(HEAD + b"GET / RTSP/1.0|Host: a||" + HEAD), took(HEAD), tell(OK), hear(OK), hear(400), ENDED,
         logged("code=H26")),
    talk("9112 9.3.2", "what comes behind one is not", say(b"GET / HTTP/1.1|X Y||" + _path(b"2")), hear(400), ENDED),
    talk("9112 2.2", "an empty line between requests is skipped", say(HEAD + b"|" + HEAD), took(HEAD), tell(OK),
         hear(OK), took(HEAD), tell(OK), hear(OK)),
    talk("9112 9.3.2", "half a request behind another waits for its rest", say(HEAD + b"GET /2 HT"), took(HEAD),
         tell(OK), hear(OK), say(b"TP/1.1|Host: a||"), took(_path(b"2")), tell(OK), hear(OK)),
    talk("9112 2.2", "a request may come byte by byte", *(say(bytes([byte])) for byte in HEAD.replace(b"|", b"\r\n")),
         took(HEAD), tell(OK), hear(OK)),
    talk("9112 7", "a chunked one, too",
         *(say(bytes([byte])) for byte in (POST + b"Transfer-Encoding: chunked||").replace(b"|", b"\r\n")),
         took(POST + b"Transfer-Encoding: chunked||"), say(b"2|a"), more(b"1|a|"), say(b"b|0||"), more(b"1|b|0||"),
         tell(OK), hear(OK)),
    talk("9112 9.6", "an answer before the end of an upload is passed on and ends the connection",
         say(POST + b"Content-Length: 9||part"), took(POST + b"Content-Length: 9||part"), tell(OK), hear(_CLOSING),
         ENDED, GONE),
    talk("9112 9.6", "with chunks, too", say(POST + b"Transfer-Encoding: chunked||2|ab|"),
         took(POST + b"Transfer-Encoding: chunked||2|ab|"), tell(OK), hear(_CLOSING), ENDED, GONE),
    talk("9112 11.2", "the rest of such an upload is no request", say(POST + b"Content-Length: 99||"),
         took(POST + b"Content-Length: 99||"), tell(OK), hear(_CLOSING), say(HEAD), ENDED, GONE),
    talk("9112 9.6", "an answer may begin during an upload and end after it",
         say(POST + b"Content-Length: 4||ab"), took(POST + b"Content-Length: 4||ab"),
         tell(b"HTTP/1.1 200 OK|Content-Length: 4||12"),
         hear(b"HTTP/1.1 200 OK|Content-Length: 4|Connection: close||12"), say(b"cd"), more(b"cd"), tell(b"34"),
         read(b"34"), ENDED),
    talk("Heroku", "H27: the client leaves before the answer", say(HEAD), took(HEAD), LEAVE, GONE,
         logged('sock=client at=warning code=H27 desc="Client Request Interrupted"'), logged("status=499")),
    talk("Heroku", "H27: in the middle of it", say(HEAD), took(HEAD), tell(b"HTTP/1.1 200 OK|Content-Length: 9||part"),
         hear(b"HTTP/1.1 200 OK|Content-Length: 9||part"), LEAVE, GONE, logged("code=H27"), logged("bytes=4")),
    talk("Heroku", "H27: in the middle of an upload", say(POST + b"Content-Length: 9||part"),
         took(POST + b"Content-Length: 9||part"), LEAVE, GONE, logged("code=H27")),
    talk("9112 9.3", "HTTP/1.0 without Host is for no app", say(b"GET / HTTP/1.0||"), hear(404), ENDED),
    no("9112 2.2", "TLS on a connection without", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    no("9112 2.2", "SSH", b"SSH-2.0-OpenSSH_9.2|"),
    no("9112 2.2", "binary zeros", bytes(100)),
)  # fmt: skip
