"""Upgrades: what asks for another protocol, what is switched to, and tunnels."""

from __future__ import annotations

from conformance.case import (
    ENDED,
    GONE,
    HANG_UP,
    HEAD,
    LEAVE,
    OK,
    Case,
    bad,
    hear,
    logged,
    more,
    no,
    ok,
    passing,
    read,
    say,
    talk,
    tell,
    took,
)

_GET = b"GET / HTTP/1.1|Host: a|%b|"
_KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==|"
_ASK = _GET % (b"Connection: Upgrade|Upgrade: websocket|Sec-WebSocket-Version: 13|" + _KEY)
_ASKED = _GET % (_KEY + b"Sec-WebSocket-Version: 13|Connection: Upgrade|Upgrade: websocket|")
_SWITCH = b"HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: websocket||"
_TUNNEL = (say(_ASK), took(_ASKED), tell(_SWITCH), hear(_SWITCH))
_OFFERS = (
    (b"Connection: Upgrade|Upgrade: websocket|", b"websocket", "WebSocket"),
    (b"connection: upgrade|upgrade: WebSocket|", b"WebSocket", "in any case"),
    (b"Connection: keep-alive, Upgrade|Upgrade: websocket|", b"websocket", "among other words of Connection"),
    (b"Connection: keep-alive|Connection: Upgrade|Upgrade: websocket|", b"websocket", "in a Connection of its own"),
    (b"Upgrade: websocket|Connection: Upgrade|", b"websocket", "before Connection"),
    (b"Connection: Upgrade|Upgrade: foo/2|", b"foo/2", "any other protocol"),
    (b"Connection: Upgrade|Upgrade: foo, bar/1|", b"foo, bar/1", "several protocols"),
    (b"Connection: Upgrade|Upgrade: foo|Upgrade: bar|", b"foo, bar", "several in several fields"),
    (b"Connection: Upgrade|Upgrade: h2c, websocket|", b"websocket", "HTTP/2 is left out of an offer"),
)
_NO_OFFERS = (
    (b"Upgrade: websocket|", "without Connection"),
    (b"Connection: keep-alive|Upgrade: websocket|", "with another Connection"),
    (b"Connection: Upgrade|", "without Upgrade"),
    (b"Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|HTTP2-Settings: AA|", "to HTTP/2"),
    (b"Connection: Upgrade|Upgrade: h2|", "to HTTP/2 over TLS"),
)

CASES: tuple[Case, ...] = (
    *(ok("9110 7.8", f"offered: {what}", _GET % lines, _GET % (b"Connection: Upgrade|Upgrade: %b|" % offer))
      for lines, offer, what in _OFFERS),
    *(ok("9110 7.8", f"not offered: {what}", _GET % lines, HEAD) for lines, what in _NO_OFFERS),
    ok("9110 7.8", "not offered: by HTTP/1.0", b"GET / HTTP/1.0|Host: a|Connection: Upgrade|Upgrade: websocket||", HEAD,
       OK, OK.replace(b"||", b"|Connection: close||"), via=b"1.0", closed=True),
    ok("9110 7.8", "not offered: with a body",
       b"POST / HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: foo|Content-Length: 5||hello",
       b"POST / HTTP/1.1|Host: a|Content-Length: 5||hello"),
    ok("9110 7.8", "not offered: with a chunked body",
       b"POST / HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: foo|Transfer-Encoding: chunked||5|hello|0||",
       b"POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked||5|hello|0||"),
    talk("9112 11.2", "a request in the body of one that offers an upgrade is none",
         say(b"POST / HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: foo|Content-Length: 35||GET /smuggled HTTP/1.1|"
             b"Host: a||" + HEAD),
         took(b"POST / HTTP/1.1|Host: a|Content-Length: 35||GET /smuggled HTTP/1.1|Host: a||"), tell(OK), hear(OK),
         took(HEAD), tell(OK), hear(OK)),
    talk("9112 11.2", "nor in a chunked one, and its trailers pass",
         say(b"POST / HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: foo|Transfer-Encoding: chunked||"),
         took(b"POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked||"), say(b"5|hello|0|X: y||" + HEAD),
         more(b"5|hello|0|X: y||"), tell(OK), hear(OK), took(HEAD), tell(OK), hear(OK)),
    ok("9110 7.8", "declined: an ordinary answer", _ASK, _ASKED, b"HTTP/1.1 403 No|Content-Length: 2||no"),
    talk("9110 7.8", "declined, with a request already behind it", say(_ASK + HEAD), took(_ASKED), tell(OK), hear(OK),
         took(HEAD), tell(OK), hear(OK)),
    *(bad("9110 7.8", f"switched to unasked: {what}",
          b"HTTP/1.1 101 Switching Protocols|" + lines + b"|") for lines, what in (
              (b"Connection: Upgrade|Upgrade: websocket|", "a protocol"), (b"", "nothing"))),
    *(talk("9110 7.8", f"switched to, and not offered: {what}", say(_ASK), took(_ASKED),
           tell(b"HTTP/1.1 101 X|" + lines + b"|"), hear(503), GONE, logged("code=H17")) for lines, what in (
               (b"Connection: Upgrade|Upgrade: foo|", "another protocol"), (b"Connection: Upgrade|", "no protocol"),
               (b"Connection: Upgrade|Upgrade: websocket, foo|", "one more"),
               (b"Connection: Upgrade|Upgrade: h2c|", "HTTP/2"))),
    talk("6455 4", "bytes pass both ways", *_TUNNEL, say(b"one"), more(b"one"), tell(b"two"), read(b"two"),
         say(b"\x00\xff\r\n\r\n"), more(b"\x00\xff\r\n\r\n"), LEAVE, GONE, logged("at=info method=GET"),
         logged("status=101 bytes=3")),
    talk("6455 4", "the dyno speaks first, in the same breath", say(_ASK), took(_ASKED), tell(_SWITCH + b"hello"),
         hear(_SWITCH), read(b"hello"), HANG_UP, ENDED),
    talk("6455 4", "the client speaks before it is answered", say(_ASK + b"early"), took(_ASKED), tell(_SWITCH),
         hear(_SWITCH), more(b"early"), HANG_UP, ENDED),
    talk("9112 11.2", "what looks like a request in a tunnel is none", *_TUNNEL, say(HEAD), more(HEAD), HANG_UP, ENDED,
         logged("status=101")),
    talk("9110 15.2.2", "other fields of 101 pass", say(_ASK), took(_ASKED),
         tell(b"HTTP/1.1 101 X|Upgrade: websocket|Connection: Upgrade|Sec-WebSocket-Accept: x|Keep-Alive: 1||"),
         hear(b"HTTP/1.1 101 X|Sec-WebSocket-Accept: x|Connection: Upgrade|Upgrade: websocket||"), HANG_UP, ENDED),
    talk("6455 5", "closed with the dyno", *_TUNNEL, tell(b"bye"), HANG_UP, read(b"bye"), ENDED),
    talk("Heroku", "exempt from the 30 s rule", *_TUNNEL, passing(40), say(b"x"), more(b"x"), HANG_UP, ENDED,
         logged("at=info method=GET")),
    talk("Heroku", "any byte counts against the 55 s, whoever sends it", *_TUNNEL, passing(50), say(b"x"), more(b"x"),
         passing(50), tell(b"y"), read(b"y"), passing(50), say(b"z"), more(b"z"), HANG_UP, ENDED),
    talk("Heroku", "55 s of silence: H15", *_TUNNEL, passing(55.1), ENDED, GONE,
         logged('at=error code=H15 desc="Idle connection"'), logged("status=101")),
    no("Heroku", "H23: a WebSocket whose Upgrade a proxy removed",
       _GET % (b"Connection: close|Sec-WebSocket-Version: 13|" + _KEY), 503,
       'at=error code=H23 desc="Endpoint misconfigured"'),
    no("Heroku", "H23: by HTTP/1.0",
       (_GET % (b"Connection: Upgrade|Upgrade: websocket|Sec-WebSocket-Version: 13|" + _KEY)).replace(b"1.1", b"1.0"),
       503, "code=H23"),
    ok("6455 4", "Sec-WebSocket-Version of other methods passes",
       b"POST / HTTP/1.1|Host: a|Sec-WebSocket-Version: 13||"),
)  # fmt: skip
