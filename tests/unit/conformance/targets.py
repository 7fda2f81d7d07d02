"""Targets: request lines, and which app and path they mean."""

from __future__ import annotations

from conformance.case import HEAD, Case, no, ok

_PATHS = (
    b"/", b"/a", b"/a/", b"//a", b"//", b"/a//b", b"/.", b"/..", b"/a/../b", b"/./a", b"/a/..%2fb", b"/%2e%2e/a",
    b"/%2F", b"/%2f", b"/%41", b"/a%20b", b"/%00", b"/%0d%0aX:%20y", b"/%", b"/%zz", b"/%e2%82%ac", b"/a+b", b"/a;b=c",
    b"/a,b", b"/a:80", b"/:", b"/@", b"/a@b", b"/~a", b"/a*b", b"/*", b"/a'b", b"/a(b)", b"/a!b", b"/a$b", b"/a&b=c",
    b"/a=b", b"/[a]", b"/{a}", b'/"a"', b"/<a>", b"/a\\b", b"/a^b", b"/a`b", b"/?", b"/??", b"/?a", b"/?a=b&c=d",
    b"/?a=/b?c", b"/?a=b;c", b"/?%26", b"/?a=http://b/", b"/a?b=%2F", b"/http://b/", b"/a/http://b:80/?c",
    b"/index.html", b"/a.b-c_d", b"/" + b"a" * 4000, b"/?" + b"a" * 4000,
)  # fmt: skip
_METHODS = (
    b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND", b"PROPPATCH", b"MKCOL", b"COPY",
    b"MOVE", b"LOCK", b"UNLOCK", b"REPORT", b"SEARCH", b"PURGE", b"LINK", b"UNLINK", b"MKCALENDAR", b"M-SEARCH",
)  # fmt: skip
_BAD_LINES = (
    (b"GET  HTTP/1.1", b"no target"),
    (b"GET / a HTTP/1.1", b"a blank in the target"),
    (b"GET /\ta HTTP/1.1", b"a tab in the target"),
    (b"GET\t/ HTTP/1.1", b"a tab after the method"),
    (b"GET / HTTP/1.1 ", b"a blank after the version"),
    (b"GET / HTTP/1.1 a", b"a fourth word"),
    (b"GET / http/1.1", b"the version in small letters"),
    (b"GET / HTTP/1", b"a version without a minor number"),
    (b"GET / HTTP/11", b"a version without a dot"),
    (b"GET / HTTP/1.10", b"a version with two digits"),
    (b"GET / HTTP/01.1", b"a version with a leading zero"),
    (b"GET / HTTP /1.1", b"a blank in the version"),
    (b"GET / XTTP/1.1", b"another protocol's name"),
    (b"GET / RTSP/1.0", b"RTSP"),
    (b"OPTIONS / RTSP/1.1", b"RTSP 1.1"),
    (b"SOURCE / ICE/1.0", b"ICE"),
    (b"GET / HTTP/1.1\rX: y", b"a bare CR at its end"),
    (b"GET /\x00 HTTP/1.1", b"NUL in the target"),
    (b"GET /\x01 HTTP/1.1", b"a control character in the target"),
    (b"GET /\x7f HTTP/1.1", b"DEL in the target"),
    (b"GET /\x80 HTTP/1.1", b"a byte that is not ASCII in the target"),
    (b"GET /\xe2\x82\xac HTTP/1.1", b"UTF-8 in the target"),
    (b" GET / HTTP/1.1", b"a blank before the method"),
    (b"G\x00T / HTTP/1.1", b"NUL in the method"),
    (b"GET a HTTP/1.1", b"a target that is no path"),
    (b"GET a/b HTTP/1.1", b"a target without its first slash"),
    (b"GET ?a HTTP/1.1", b"a target that is a query"),
    (b"GET \\a HTTP/1.1", b"a target that begins with a backslash"),
    (b"GET * HTTP/1.1", b"* with a method other than OPTIONS"),
    (b"POST * HTTP/1.1", b"* with POST"),
    (b"OPTIONS ** HTTP/1.1", b"a target that begins with *"),
    (b"GET /#a HTTP/1.1", b"a fragment"),
    (b"GET /a?b#c HTTP/1.1", b"a fragment after a query"),
    (b"GET http://a/#b HTTP/1.1", b"a fragment in the absolute form"),
    (b"GET http:// HTTP/1.1", b"the absolute form without a host"),
    (b"GET http:///a HTTP/1.1", b"the absolute form with an empty host"),
    (b"GET http://?a HTTP/1.1", b"the absolute form with a query for a host"),
    (b"GET http://u@a/ HTTP/1.1", b"user information in the absolute form"),
    (b"GET http://u:p@a/ HTTP/1.1", b"a password in the absolute form"),
    (b"GET ftp://a/ HTTP/1.1", b"a scheme other than http and https"),
    (b"GET file:///etc/passwd HTTP/1.1", b"a file"),
    (b"GET a:80 HTTP/1.1", b"the authority form with GET"),
    (b"GET http://a b/ HTTP/1.1", b"a blank in the absolute form"),
    (b"GET http://[::1/ HTTP/1.1", b"half an IPv6 address"),
)
_REFUSED_METHODS = (
    (b"CONNECT a:80", 405, b"CONNECT, which would tunnel to anywhere"),
    (b"get /", 501, b"a method in small letters"),
    (b"NONSENSE /", 501, b"a method nobody knows"),
    (b"GETS /", 501, b"a method that begins as another"),
    (b"X-A /", 501, b"a method with a dash"),
)
_VERSIONS = (b"0.9", b"1.2", b"1.9", b"2.0", b"3.0", b"9.9")
_GOOD_HOSTS = (b"a", b"A", b"a:80", b"a:8080", b"a:", b"a.", b"a.:80")
_BAD_HOSTS = (
    b"a b", b"a/b", b"a@b", b"u@a", b"a:b", b"a:80:80", b"a\\b", b"a?b", b"a#b", b"a\"b", b"<a>", b"[a", b"::1",
    b"[::1]a", b"http://a", b"a:-1", b"a\xe9", b"a" * 301,
)  # fmt: skip

CASES: tuple[Case, ...] = (
    *(ok("9110 4.2", f"{path[:30].decode()} passes byte for byte", b"GET %b HTTP/1.1|Host: a||" % path)
      for path in _PATHS),
    *(ok("9110 9", f"{method.decode()} is passed on", b"%b / HTTP/1.1|Host: a||" % method) for method in _METHODS),
    *(no("9112 3", what.decode(), b"%b|Host: a||" % line)
      for line, what in _BAD_LINES),
    no("9112 3", "a line of one word", b"GET|Host: a||"),
    *(no("9110 9.1", what.decode(), b"%b HTTP/1.1|Host: a||" % line, status)
      for line, status, what in _REFUSED_METHODS),
    *(no("9110 15.6.6", f"HTTP/{version.decode()} is not spoken", b"GET / HTTP/%b|Host: a||" % version, 505)
      for version in _VERSIONS),
    no("9112 3", "HTTP/0.9, a line without a version", b"GET /||"),
    no("9113 3.4", "HTTP/2 by prior knowledge", b"PRI * HTTP/2.0||SM||"),
    ok("9112 3.2.2", "the absolute form means its path", b"GET http://a/b?c HTTP/1.1|Host: a||",
       b"GET /b?c HTTP/1.1|Host: a||"),
    ok("9112 3.2.2", "the absolute form's host wins", b"GET http://A:80/b HTTP/1.1|Host: probe||",
       b"GET /b HTTP/1.1|Host: A:80||"),
    ok("9112 3.2.2", "https, too", b"GET https://a/b HTTP/1.1|Host: a||", b"GET /b HTTP/1.1|Host: a||"),
    ok("9110 4.2.3", "the scheme may be in capitals", b"GET HTTP://a/b HTTP/1.1|Host: a||",
       b"GET /b HTTP/1.1|Host: a||"),
    ok("9112 3.2.2", "an empty path is /", b"GET http://a HTTP/1.1|Host: a||", HEAD),
    ok("9112 3.2.2", "an empty path before a query is /", b"GET http://a?b HTTP/1.1|Host: a||",
       b"GET /?b HTTP/1.1|Host: a||"),
    ok("9112 3.2.4", "OPTIONS *", b"OPTIONS * HTTP/1.1|Host: a||"),
    ok("9112 3.2.4", "OPTIONS of a host is OPTIONS *", b"OPTIONS http://a HTTP/1.1|Host: a||",
       b"OPTIONS * HTTP/1.1|Host: a||"),
    ok("9112 3.2.4", "OPTIONS of a host's root is OPTIONS /", b"OPTIONS http://a/ HTTP/1.1|Host: a||",
       b"OPTIONS / HTTP/1.1|Host: a||"),
    ok("9112 2.2", "an empty line before the request line is skipped", b"|" + HEAD, HEAD),
    ok("9112 2.2", "several are", b"|||" + HEAD, HEAD),
    ok("9112 3", "several blanks in the request line", b"GET   /a   HTTP/1.1|Host: a||", b"GET /a HTTP/1.1|Host: a||"),
    *(ok("9110 7.2", f"Host: {host.decode()}", b"GET / HTTP/1.1|Host: %b||" % host) for host in _GOOD_HOSTS),
    *(no("9110 7.2", f"Host: {host[:20].decode('latin-1')} is no host", b"GET / HTTP/1.1|Host: %b||" % host)
      for host in _BAD_HOSTS),
    no("9112 3.2", "no Host in HTTP/1.1", b"GET / HTTP/1.1||"),
    no("9112 3.2", "no Host beside an absolute form", b"GET http://a/ HTTP/1.1||"),
    no("9112 3.2", "two Hosts", b"GET / HTTP/1.1|Host: a|Host: b||"),
    no("9112 3.2", "the same Host twice", b"GET / HTTP/1.1|Host: a|host: a||"),
    no("9112 3.2", "two Hosts beside an absolute form", b"GET http://a/ HTTP/1.1|Host: a|Host: a||"),
    ok("9110 5.1", "Host in any case, first in what goes on", b"GET / HTTP/1.1|X: y|hOsT: a||",
       b"GET / HTTP/1.1|Host: a|X: y||"),
    ok("9110 5.5", "blanks and tabs around Host", b"GET / HTTP/1.1|Host: \t a \t||", HEAD),
)  # fmt: skip
