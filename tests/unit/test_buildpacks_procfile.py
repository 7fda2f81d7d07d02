"""Procfiles, good and bad."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildpacks.procfile import MAX_BYTES, ProcfileError, parse


def test_types_in_the_order_of_the_file() -> None:
    types = parse(b"web: gunicorn app:app --bind 0.0.0.0:$PORT\nworker: env A=b rake jobs # all\n")
    assert list(types.items()) == [
        ("web", "gunicorn app:app --bind 0.0.0.0:$PORT"),
        ("worker", "env A=b rake jobs # all"),
    ]


def test_what_editors_leave_behind_is_harmless() -> None:
    content = b"\xef\xbb\xbf# my app\r\n\r\n  web:\tpython server.py  \r\nclock:sleep 1"
    assert parse(content) == {"web": "python server.py", "clock": "sleep 1"}


def test_empty_file_declares_nothing() -> None:
    assert parse(b"") == {}
    assert parse(b"\n# nothing yet\n") == {}


def test_names_may_be_anything_alphanumeric() -> None:
    assert list(parse(b"urgworker: a\nMy_proc-2: b\n")) == ["urgworker", "My_proc-2"]
    assert parse("web: echo käse\n".encode()) == {"web": "echo käse"}


@pytest.mark.parametrize(
    ("content", "line", "text"),
    [
        (b"web: a\n\nweb: b\n", 3, 'Procfile, line 3: "web" is declared already in line 1'),
        (b"web: a\nwe b: c\n", 2, '"we b" is no process type'),
        (b"../web: c\n", 1, '"../web" is no process type'),
        (b": c\n", 1, '"" is no process type'),
        (b"w" * 64 + b": c\n", 1, "at most 63"),
        ("wéb: c\n".encode(), 1, "is no process type"),
        (b"web: a\nworker:  \n", 2, '"worker" has no command'),
        (b"python server.py\n", 1, 'no colon; write it as "type: command"'),
        (b"web: a\nworker: caf\xe9\n", 2, "not UTF-8 (byte 12)"),
        (b"web: a\x00b\n", 1, "control characters"),
        (b"web: a\x1b[2J\n", 1, "control characters"),
        (b"#" * (MAX_BYTES + 1), 0, "larger than 64 KB"),
    ],
)
def test_errors_name_the_line_and_the_cure(content: bytes, line: int, text: str) -> None:
    with pytest.raises(ProcfileError) as caught:
        parse(content)
    assert caught.value.line == line
    assert text in str(caught.value)
    assert str(caught.value).isprintable()


@given(st.binary(max_size=300))
def test_any_bytes_give_types_or_a_clear_error(content: bytes) -> None:
    try:
        types = parse(content)
    except ProcfileError as error:
        assert str(error).startswith("Procfile")
    else:
        assert all(name and command and "\0" not in command for name, command in types.items())
