import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostd.logplex.lines import LONGEST, Line, harmless, overflow, stamp, written

AT = 1_769_510_888_123_456


def line(message: bytes, source: str = "app", process: str = "web.1") -> Line:
    return Line("cursor", AT, "app-id", source, process, message)


def test_the_form_is_exact():
    assert written(line(b"text")) == ["2026-01-27T10:48:08.123456+00:00 app[web.1]: text"]
    assert written(line(b"State changed", "heroku", "worker.2"))[0].endswith(" heroku[worker.2]: State changed")


def test_stamps_are_utc_with_six_digits():
    assert stamp(0) == "1970-01-01T00:00:00.000000+00:00"
    assert stamp(AT + 876_544) == "2026-01-27T10:48:09.000000+00:00"


def test_line_breaks_make_lines_of_their_own():
    said = [text.partition(": ")[2] for text in written(line(b"a\r\nb\n\nc\n"))]
    assert said == ["a", "b", "", "c"]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain\ttab", "plain\ttab"),
        ("\x1b[31mred\x1b[0m \x1b[1;38;5;208mbold\x1b[m", "\x1b[31mred\x1b[0m \x1b[1;38;5;208mbold\x1b[m"),
        ("\x1b[2J\x1b[H", "\\e[2J\\e[H"),
        ("\x1b]0;title\x07", "\\e]0;title\\a"),
        ("50%\r100%", "50%\\r100%"),
        ("nul\0bell\a", "nul\\0bell\\a"),
        ("csi\x9b31m del\x7f", "csi\\x9b31m del\\x7f"),
        ("grüße 🎉", "grüße 🎉"),
    ],
)
def test_control_characters_are_spelled_out_but_colours_stay(raw, shown):
    assert harmless(raw) == shown


def test_what_is_not_utf8_is_replaced():
    assert written(line(b"caf\xe9 \xff"))[0].endswith(": caf\N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}")


def test_long_lines_are_split_between_characters():
    pieces = [text.partition(": ")[2] for text in written(line(("é" * 12_001 + "x").encode()))]
    assert "".join(pieces) == "é" * 12_001 + "x"
    assert [len(piece.encode()) for piece in pieces] == [10_000, 10_000, 4_003]
    assert len(written(line(b"x" * LONGEST))) == 1


@given(st.binary(max_size=50_000))
def test_no_entry_can_leave_its_line_or_move_the_cursor(message):
    for text in written(line(message)):
        rest = text.removeprefix("2026-01-27T10:48:08.123456+00:00 app[web.1]: ")
        assert rest != text
        assert len(rest.encode()) <= LONGEST
        assert not any((ord(char) < 32 and char not in "\t\x1b") or 127 <= ord(char) < 160 for char in rest)


def test_overflow_says_how_many_since_when():
    assert overflow(AT + 1_000_000, 1101, AT) == (
        "2026-01-27T10:48:09.123456+00:00 heroku[logplex]: Error L11 (Tail buffer overflow) -> "
        "This tail session dropped 1101 messages since 2026-01-27T10:48:08.123456+00:00."
    )
