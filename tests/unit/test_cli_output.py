"""Times, sizes, columns and colours."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostd.cli import output
from hostd.cli.logcolour import Painter
from hostd.cli.output import Style, age, columns, cut, moment, pairs, size, size_name, wants_colour

STAMP = "2015-11-17T17:37:41Z"
THEN = 1447781861.0


@pytest.mark.parametrize(
    ("later", "text"),
    [
        (0, " (~ 0s ago)"), (59, " (~ 59s ago)"), (60, " (~ 1m ago)"), (3599, " (~ 59m ago)"), (3600, " (~ 1h ago)"),
        (86400, " (~ 24h ago)"), (25 * 3600 - 1, " (~ 24h ago)"), (25 * 3600, ""), (10**8, ""), (-5, " (~ 0s ago)"),
    ],
)  # fmt: skip
def test_a_moment_with_its_age(later, text):
    assert moment(STAMP, THEN + later) == f"2015/11/17 17:37:41 +0000{text}"


def test_ages():
    assert [age(s) for s in (-1, 0, 59.9, 60, 7200, 90000)] == ["0s", "0s", "59s", "1m", "2h", "1d"]


def test_sizes():
    assert [size(n) for n in (None, 0, 999, 67584, 8_700_000, 2**41)] == [
        "0 B", "0 B", "999 B", "66 KB", "8.3 MB", "2.0 TB",
    ]  # fmt: skip
    assert [size_name(n) for n in ("standard-1x", "Standard-2X", "eco", "performance-m", "768m")] == [
        "Standard-1X", "Standard-2X", "Eco", "Performance-M", "768M",
    ]  # fmt: skip


def test_columns_and_pairs_align_whatever_the_colours():
    style = Style(True)
    assert columns([("a", "b"), ("long", "c")]) == ["a     b", "long  c"]
    red = columns([(style.paint("a", 31), "b"), ("long", "c")])
    assert output.ESCAPE.sub("", red[0]) == "a     b"
    assert columns([]) == []
    assert pairs({"A": "1", "LONG": "2"}) == ["A:    1", "LONG: 2"]


def test_shell_lines_come_back_exactly():
    values = {"A": "it's $HOME\n`x`", "B": ""}
    assert [shlex.split(line)[0].partition("=")[2] for line in output.shell(values)] == list(values.values())


def test_cut():
    assert [cut("python app.py", n) for n in (13, 7, 0)] == ["python app.py", "python…", "…"]


def test_when_colours_are_wanted():
    assert wants_colour({"TERM": "xterm"}, True)
    for env, terminal in (({"TERM": "xterm"}, False), ({"TERM": "dumb"}, True), ({"TERM": "x", "NO_COLOR": "1"}, True)):
        assert not wants_colour(env, terminal)
    assert Style(False).app("hello") == "hello"
    assert "⬢ hello" in Style(True).app("hello")


LINES = [
    b"2026-01-27T10:48:08.123456+00:00 app[web.1]: Hello \xff\n",
    b"2026-01-27T10:48:08.123456+00:00 heroku[router]: at=error code=H12 desc=\"Request timeout\" method=GET "
    b"path=\"/a\" dyno=web.1 connect=1ms service=30000ms status=503\n",
    b"2026-01-27T10:48:08.123456+00:00 heroku[web.1]: State changed from starting to up\n",
    b"2026-01-27T10:48:08.123456+00:00 heroku[web.1]: Process exited with status 1\n",
    b"2026-01-27T10:48:08.123456+00:00 heroku[worker.2]: Starting process with command `true` by you@x\n",
    b"2026-01-27T10:48:08.123456+00:00 heroku[web.1]: Stopping all processes with SIGTERM\n",
    b"no log line\n",
]  # fmt: skip


def test_log_lines_keep_their_bytes():
    assert Painter(False).paint(LINES) == b"".join(LINES)
    painted = Painter(True).paint(LINES)
    assert b"\x1b[36m2026-01-27T10:48:08.123456+00:00 app[web.1]:\x1b[0m Hello \xff\n" in painted
    plain = output.ESCAPE.sub("", painted.decode(errors="surrogateescape")).encode(errors="surrogateescape")
    assert plain == b"".join(LINES)


@pytest.mark.parametrize(
    ("text", "painted"),
    [
        ("Build succeeded", "\x1b[32m Build succeeded\x1b[0m"),
        ("Build failed: no Procfile", "\x1b[31m Build failed: no Procfile\x1b[0m"),
        ("Deploy 20a5742 by kate@x.org", " Deploy \x1b[36m20a5742\x1b[0m by \x1b[32mkate@x.org\x1b[0m"),
        ("Release v4 created by kate@x.org", " Release \x1b[35mv4\x1b[0m created by \x1b[32mkate@x.org\x1b[0m"),
        ("Set PASS by me@x.org config vars by kate@x.org",
         " Set PASS by me@x.org config vars by \x1b[32mkate@x.org\x1b[0m"),
        ("Starting process with command `make` by kate@x.org (job 3)",
         " Starting process with command \x1b[36m`make`\x1b[0m by \x1b[32mkate@x.org\x1b[0m (job 3)"),
    ],
)  # fmt: skip
def test_what_people_did_is_coloured_as_heroku_does(text, painted):
    line = f"2026-01-27T10:48:08.123456+00:00 heroku[api]: {text}\n".encode()
    assert Painter(True).paint([line]).decode().partition("heroku[api]:\x1b[0m")[2] == f"{painted}\n"


def test_each_process_type_has_its_colour():
    painter = Painter(True)
    colours = {name: painter._of(name) for name in ("web", "worker", "clock", "web", "router")}
    assert len(set(colours.values())) == 4


def test_tables_fit_a_terminal_and_nothing_else_is_cut():
    rows = [("v1", "a description that goes on and on", "kate@example.com", "now"), ("v2", "short", "you@x", "then")]
    whole = columns(rows)
    assert columns(rows, width=0, shorten=(1, 2)) == whole == columns(rows, width=200, shorten=(1, 2))
    fitted = columns(rows, width=44, shorten=(1, 2))
    assert max(map(len, fitted)) == 44
    assert fitted[0] == "v1  a description t…  kate@example.com  now"
    # Nothing is cut to less than can be told apart, nor what may not be cut.
    assert columns(rows, width=10, shorten=(1, 2))[0] == "v1  a descripti…  kate@exampl…  now"
    assert columns(rows, width=10) == whole
    assert columns([("", "x" * 30)], width=20, shorten=(1, 7)) == ["  " + "x" * 17 + "…"]


def test_characters_take_the_columns_that_a_terminal_gives_them():
    rows = [("日本.example", "web"), ("abc.example", "web"), ("e\u0301.example", "web")]
    assert columns(rows) == ["日本.example  web", "abc.example   web", "e\u0301.example     web"]
    # A character of two columns that fits by half is left out.
    assert columns([("日本" * 9, "web")], width=20, shorten=(0,)) == ["日本日本日本日…  web"]
    assert pairs({"鍵": "1", "abc": "2"}) == ["鍵:  1", "abc: 2"]
    assert [cut("日本語 app", n) for n in (10, 6, 2, 1)] == ["日本語 app", "日本…", "…", "…"]


@given(st.lists(st.tuples(*[st.text("abcde", max_size=40)] * 3), min_size=1, max_size=5), st.integers(1, 100))
def test_no_line_is_longer_than_it_has_to_be(rows, width):
    fitted = columns(rows, width=width, shorten=(0, 2))
    middle = max(len(row[1]) for row in rows)
    assert max(map(len, fitted)) <= max(width, 2 * output.NARROWEST + middle + 4)


def test_a_cell_that_is_cut_keeps_its_colours():
    style = Style(True)
    row = (f"{style.paint('0123456789', 31)} {style.paint('0123456789', 32)}",)
    (line,) = columns([row], width=15, shorten=(0,))
    assert line == "\x1b[31m0123456789\x1b[0m \x1b[32m012…\x1b[0m"
