"""Framing: where a request's body ends, told in one way only."""

from __future__ import annotations

from conformance.case import CHUNKED, POST, Case, no, ok

_CL = b"Content-Length: 5|"
_TE = b"Transfer-Encoding: chunked|"
_BODY = b"|hello"
_CHUNKS = b"|5|hello|0||"
_LENGTHS = (
    (b"+5", "a sign"), (b"-5", "a negative length"), (b"5.0", "a fraction"), (b"0x5", "hexadecimal"),
    (b"5 5", "two numbers"), (b"5,5", "a list of equal lengths"), (b"5, 6", "a list of lengths"), (b"5;",
    "a semicolon"),
    (b"", "empty"), (b"five", "a word"), (b"5a", "a number and a letter"), (b"a5", "a letter and a number"),
    (b"1e1", "an exponent"), (b"1_0", "an underscore"), (b"\"5\"", "a quoted number"), (b"\xd9\xa5",
    "a digit of Arabic"),
    (b"9" * 20, "over 64 bits"), (b"9" * 5000, "thousands of digits"), (b"9223372036854775808", "over 63 bits"),
    (b"\x0b5", "a vertical tab"), (b"5\x0c", "a form feed"),
)  # fmt: skip
_CODINGS = (
    (b"chunked, chunked", 400, "chunked twice"),
    (b"chunked, identity", 400, "chunked, and not last"),
    (b"chunked, gzip", 400, "gzip after chunked"),
    (b"gzip, chunked", 501, "gzip before chunked"),
    (b"identity, chunked", 501, "identity before chunked"),
    (b"identity", 501, "identity"),
    (b"gzip", 501, "gzip alone"),
    (b"xchunked", 501, "a word that ends as chunked"),
    (b"chunkedx", 501, "a word that begins as chunked"),
    (b"chunk", 501, "a part of the word"),
    (b"\"chunked\"", 501, "in quotes"),
    (b"'chunked'", 501, "in single quotes"),
    (b"chunked;q=1", 501, "with a weight"),
    (b"chunked;a=b", 501, "with a parameter"),
    (b"chunked,", 400, "with a comma after it"),
    (b",chunked", 501, "with a comma before it"),
    (b"", 400, "empty"),
    (b"chunked\t", 400, "with a tab after it"),
    (b"chunked\x0b", 400, "with a vertical tab"),
    (b"\x0bchunked", 400, "after a vertical tab"),
    (b"chunked\x00", 400, "with NUL"),
    (b"ch\xfcnked", 501, "with an umlaut"),
    (b"chun\r ked", 400, "with a bare CR inside"),
    (b"|chunked", 400, "on the next line, as an obs-fold without a blank"),
    (b"| chunked", 400, "on the next line, as an obs-fold"),
    (b"chunked| , identity", 400, "with an obs-fold after it"),
)  # fmt: skip
_BOTH = (
    (_CL + _TE + _BODY, "a length, then chunks"),
    (_TE + _CL + _CHUNKS, "chunks, then a length"),
    (b"Content-Length: 0|" + _TE + _CHUNKS, "a length of 0 and chunks"),
    (_TE + b"Content-Length: 0|" + _CHUNKS, "chunks and a length of 0"),
    (_CL + _CL + _BODY, "the same length twice"),
    (_CL + b"Content-Length: 6|" + _BODY, "two lengths"),
    (b"Content-Length: 0|" + _CL + _BODY, "0 and another length"),
    (_CL + b"content-length: 5|" + _BODY, "the same length in two spellings"),
    (_TE + _TE + _CHUNKS, "chunked in two fields"),
    (b"Transfer-Encoding: identity|" + _TE + _CHUNKS, "identity, then chunked, in two fields"),
    (_TE + b"Transfer-Encoding: identity|" + _CHUNKS, "chunked, then identity, in two fields"),
    (_CL + b"X: y|" + _TE + _BODY, "both, with another field between"),
    (b"Content-Length : 5|" + _BODY, "a blank after Content-Length"),
    (b"Content-Length\t: 5|" + _BODY, "a tab after Content-Length"),
    (b"Transfer-Encoding : chunked|" + _CHUNKS, "a blank after Transfer-Encoding"),
    (b" Transfer-Encoding: chunked|" + _CHUNKS, "a blank before Transfer-Encoding"),
    (b"X: y\nTransfer-Encoding: chunked|" + _CHUNKS, "Transfer-Encoding after a bare LF"),
    (b"X: y\rTransfer-Encoding: chunked|" + _CHUNKS, "Transfer-Encoding after a bare CR"),
    (b"Content-Length\x00: 5|" + _BODY, "Content-Length with NUL"),
    (b"Transfer-\xc4ncoding: chunked|" + _CHUNKS, "Transfer-Encoding with an umlaut"),
)

CASES: tuple[Case, ...] = (
    ok("9112 6.3", "a body by its length", POST + _CL + _BODY),
    ok("9112 6.3", "an empty body by its length", POST + b"Content-Length: 0||"),
    ok("9112 6.3", "no length and no chunks is no body", POST + b"|"),
    ok("9112 6.3", "a body of GET", b"GET / HTTP/1.1|Host: a|" + _CL + _BODY),
    ok("9112 6.3", "a body of DELETE", b"DELETE / HTTP/1.1|Host: a|" + _CL + _BODY),
    ok("9112 6.3", "a body of OPTIONS", b"OPTIONS / HTTP/1.1|Host: a|" + _CL + _BODY),
    ok("9112 6.3", "zeros before a length", POST + b"Content-Length: 0005|" + _BODY, POST + _CL + _BODY),
    ok("9110 5.5", "blanks around a length", POST + b"Content-Length: \t5 \t|" + _BODY, POST + _CL + _BODY),
    ok("9112 6.3", "Content-Length in capitals", POST + b"CONTENT-LENGTH: 5|" + _BODY, POST + _CL + _BODY),
    ok("9112 6.1", "chunks", CHUNKED + _CHUNKS[1:]),
    ok("9112 7", "chunked in capitals", POST + b"TRANSFER-ENCODING: CHUNKED|" + _CHUNKS, CHUNKED + _CHUNKS[1:]),
    ok("9110 5.5", "blanks around chunked", POST + b"Transfer-Encoding: \t chunked  |" + _CHUNKS,
       CHUNKED + _CHUNKS[1:]),
    ok("9112 6.3", "Connection cannot take the length away", POST + b"Connection: content-length|" + _CL + _BODY,
       POST + _CL + _BODY),
    ok("9112 6.3", "nor the chunks", POST + b"Connection: transfer-encoding|" + _TE + _CHUNKS, CHUNKED + _CHUNKS[1:]),
    ok("9110 7.6.1", "nor Host", b"GET / HTTP/1.1|Host: a|Connection: host||", b"GET / HTTP/1.1|Host: a||"),
    ok("9112 6.3", "a length within a body is a body", POST + b"Content-Length: 17||Content-Length: 1"),
    ok("9112 6.3", "a request within a body is a body",
       POST + b"Content-Length: 35||GET /smuggled HTTP/1.1|Host: a||"),
    *(no("9112 6.3", f"Content-Length: {what}", POST + b"Content-Length: %b|" % length + _BODY,
         431 if len(length) == 9000 else 400) for length, what in _LENGTHS),
    *(no("9112 6.1", f"Transfer-Encoding: {what}", POST + b"Transfer-Encoding: %b|" % coding + _CHUNKS, status)
      for coding, status, what in _CODINGS),
    *(no("9112 6.3", what, POST + rest) for rest, what in _BOTH),
    no("9112 6.1", "chunks of an HTTP/1.0 client", CHUNKED.replace(b"1.1", b"1.0") + _CHUNKS[1:]),
    no("9112 6.1", "chunks of an HTTP/1.0 client that stays",
       CHUNKED.replace(b"1.1", b"1.0").replace(b"||", b"|Connection: keep-alive||") + _CHUNKS[1:]),
)  # fmt: skip
