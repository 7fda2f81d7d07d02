"""Chunks: chunked bodies of requests, framed anew for the dyno."""

from __future__ import annotations

from conformance.case import CHUNKED, ENDED, GONE, OK, Case, hear, logged, more, ok, say, talk, tell, took

_FIVE = CHUNKED + b"5|hello|0||"
_GOOD = (
    (b"5|hello|0||", "one chunk"),
    (b"05|hello|0||", "a size with a zero before it"),
    (b"0" * 30 + b"5|hello|0||", "a size with many zeros"),
    (b"5|hello|000||", "an end of several zeros"),
    (b"5;a|hello|0||", "an extension without a value"),
    (b"5;a=b|hello|0||", "an extension"),
    (b"5;a=b;c=d|hello|0||", "two extensions"),
    (b"5;a=\"b c;d\"|hello|0||", "a quoted extension"),
    (b"5;a=\"\\\"\"|hello|0||", "an escaped quote in an extension"),
    (b"5|hello|0;a=b||", "an extension of the last chunk"),
    (b"5;" + b"a" * 4000 + b"|hello|0||", "a long extension"),
)
_BAD = (
    (b"x|hello|0||", "a size that is no number"),
    (b"-5|hello|0||", "a negative size"),
    (b"+5|hello|0||", "a sign"),
    (b"0x5|hello|0||", "0x"),
    (b"|hello|0||", "an empty size"),
    (b" 5|hello|0||", "a blank before the size"),
    (b"5 |hello|0||", "a blank after the size"),
    (b"5\t|hello|0||", "a tab after the size"),
    (b"5_0|hello|0||", "an underscore in the size"),
    (b"5.0|hello|0||", "a fraction"),
    (b"5,|hello|0||", "a comma"),
    (b"fffffffffffffffff|hello|0||", "a size over 64 bits"),
    (b"10000000000000005|hello|0||", "a size that overflows to 5"),
    (b"\xd9\xa5|hello|0||", "a digit of Arabic"),
    (b"5\nhello|0||", "a bare LF after the size"),
    (b"5\rhello|0||", "a bare CR after the size"),
    (b"5\r\r\nhello|0||", "CR CR LF after the size"),
    (b"5;|hello|0||", "an empty extension"),
    (b"5 ;a|hello|0||", "a blank before an extension"),
    (b"5; a|hello|0||", "a blank in an extension"),
    (b"5;a= b|hello|0||", "a blank before an extension's value"),
    (b"5;a\nhello|0||", "a bare LF after an extension"),
    (b"5;a\rb|hello|0||", "a bare CR in an extension"),
    (b"5;\nX|hello|0||", "a bare LF in an extension (TERM.EXT)"),
    (b"5;a=\"|\"|hello|0||", "a line break in a quoted extension"),
    (b"5;a\x00|hello|0||", "NUL in an extension"),
    (b"5;a=\x80|hello|0||", "a byte that is not ASCII in an extension"),
    (b"5;" + b"a" * 100_000, "an extension without end"),
)
_BROKEN_LATER = (
    (b"5|helloX|0||", "a byte between a chunk and its line break"),
    (b"5|hello0||", "no line break after a chunk"),
    (b"5|hello\n0||", "a bare LF after a chunk (TERM.SPILL)"),
    (b"5|hello\r0||", "a bare CR after a chunk"),
    (b"5|hello\r\r\n0||", "CR CR LF after a chunk"),
    (b"4|hello|0||", "a chunk longer than its size"),
    (b"5|hello|z||", "a second size that is no number"),
    (b"5|hello|0\n\n", "bare LFs at the end"),
    (b"5|hello|0|\n", "a bare LF for the last line"),
    (b"5|hello|0|\rX", "a bare CR for the last line"),
)

CASES: tuple[Case, ...] = (
    *(ok("9112 7.1", what, CHUNKED + chunks, _FIVE) for chunks, what in _GOOD),
    ok("9112 7.1", "a size in small hexadecimal", CHUNKED + b"a|0123456789|0||"),
    ok("9112 7.1", "a size in large hexadecimal", CHUNKED + b"A|0123456789|0||", CHUNKED + b"a|0123456789|0||"),
    ok("9112 7.1", "no chunk but the last", CHUNKED + b"0||"),
    ok("9112 7.1", "several chunks that come at once go on as one", CHUNKED + b"2|he|3|llo|0||",
       CHUNKED + b"5|hello|0||"),
    ok("9112 7.1", "a line break in a chunk", CHUNKED + b"2|||0||"),
    ok("9112 7.1", "a chunk that looks like an end", CHUNKED + b"5|0|||0||"),
    *(talk("9112 7.1", f"refused: {what}", say(CHUNKED + chunks), hear(400), ENDED, logged('cause="bad chunk'))
      for chunks, what in _BAD),
    *(talk("9112 7.1", f"refused: {what}", say(CHUNKED + chunks), hear(400), ENDED, logged('cause="bad chunk'))
      for chunks, what in _BROKEN_LATER),
    talk("9112 7.1", "a bad chunk breaks off what the dyno has begun to receive", say(CHUNKED + b"5|hello|"),
         took(CHUNKED + b"5|hello|"), say(b"z|"), hear(400), ENDED, GONE,
         logged('at=error code=H26 desc="Request Error" cause="bad chunk: '), logged("dyno=web.1")),
    talk("9112 7.1", "each chunk goes on at once", say(CHUNKED + b"5|hello|"), took(CHUNKED + b"5|hello|"),
         say(b"1|!|"), more(b"1|!|"), say(b"0||"), more(b"0||"), tell(OK), hear(OK)),
    talk("9112 7.1", "a chunk in parts is passed on in parts", say(CHUNKED + b"5|he"), took(CHUNKED + b"2|he|"),
         say(b"llo|0|"), more(b"3|llo|"), say(b"|"), more(b"0||"), tell(OK), hear(OK)),
)  # fmt: skip
