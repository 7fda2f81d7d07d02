"""What a client of the rendezvous says first."""

from urllib.parse import urlsplit

import pytest

from hostd.errors import BadRequest
from hostd.rendezvous.asking import Asked, address, parse

TOKEN = "AbC_-0123456789abcdefghijklmnopqrstuvwxyzABC"[:43]
"""As long as `secrets.token_urlsafe(32)`."""


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_secret_may_have_a_line_end(end):
    assert parse(TOKEN.encode() + end) == (Asked(TOKEN), b"")


def test_what_is_not_whole_is_waited_for():
    assert parse(b"") is None
    assert parse(TOKEN[:20].encode()) is None


def test_what_comes_behind_the_line_is_for_the_dyno():
    assert parse(f"{TOKEN}?columns=100&lines=30\r\nls\n".encode()) == (Asked(TOKEN, True, 100, 30), b"ls\n")


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\n", b"short\r\n", b"x" * 44, TOKEN.encode() + b" more\n", b"\xff" * 60]
)
def test_what_is_no_secret_is_refused(said):
    with pytest.raises(BadRequest):
        parse(said)


@pytest.mark.parametrize(
    ("env", "terminal", "asked"),
    [
        ({}, True, Asked(TOKEN)),
        ({"COLUMNS": "120", "LINES": "40", "TERM": "xterm"}, True, Asked(TOKEN, True, 120, 40)),
        ({"COLUMNS": "99999999999", "LINES": "-1"}, True, Asked(TOKEN)),
        ({"COLUMNS": "120", "LINES": "40"}, False, Asked(TOKEN, terminal=False)),
    ],
)
def test_an_address_says_what_its_client_says_back(env, terminal, asked):
    parts = urlsplit(address("localhost", 7071, TOKEN, env, terminal=terminal))
    assert (parts.scheme, parts.hostname, parts.port) == ("rendezvous", "localhost", 7071)
    said = parts.path[1:] + (f"?{parts.query}" if parts.query else "")
    assert parse(said.encode() + b"\r\n") == (asked, b"")
