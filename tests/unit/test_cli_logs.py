"""logs: sessions, filters, tails that survive a break. Against a fake logplex."""

from __future__ import annotations

import socket
from itertools import islice

import pytest
from cli_fakes import FakeHostd, Handler, Request, hostctl

from hostd.cli.client import Client
from hostd.cli.logs import follow
from hostd.errors import HostdError

SESSION = (201, {"logplex_url": "http://logplex/streams?app=1&signature=abc"})
STREAM = "GET /streams?app=1&signature=abc"


def line(second: int, text: str = "text") -> bytes:
    return b"2026-01-27T10:48:%02d.000000+00:00 app[web.1]: %b\n" % (second, text.encode())


def streaming(*chunks: bytes, breaks: bool = False):
    def stream(handler: Handler, _request: Request) -> None:
        handler.begin_stream()
        for chunk in chunks:
            handler.chunk(chunk)
        if breaks:
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        else:
            handler.chunk(b"")

    return stream


@pytest.fixture
def fake(tmp_path, monkeypatch):
    monkeypatch.setattr("hostd.cli.logs.RECONNECT_PAUSE", 0.01)
    with FakeHostd(tmp_path).on("POST /apps/hello/log-sessions", SESSION).serving("hostd.sock", "logplex.sock") as fake:
        yield fake


def test_lines_come_out_as_they_are_however_they_are_cut(fake, tmp_path):
    fake.on(STREAM, streaming(line(1)[:20], line(1)[20:] + line(2, "é")[:-3], line(2, "é")[-3:], b"no end"))
    ran = hostctl(tmp_path, "logs", "-a", "hello")
    assert ran.out.encode() == line(1) + line(2, "é") + b"no end\n"
    assert fake.requests[0].json == {"lines": 100, "tail": False}
    assert fake.requests[1].headers["Accept"] == "text/plain"


def test_filters(fake, tmp_path):
    fake.on(STREAM, streaming())
    for words, sent in (
        (["-n", "5", "-s", "heroku", "--ps", "api"], {"lines": 5, "source": "heroku", "dyno": "api"}),
        (["--num=0", "-d", "web.1"], {"lines": 0, "dyno": "web.1"}),
        (["--dyno", "web.1"], {"lines": 100, "dyno": "web.1"}),
    ):
        fake.requests.clear()
        assert hostctl(tmp_path, "logs", "-a", "hello", *words).status == 0
        assert fake.requests[0].json == {"tail": False, **sent}
    for words in (["-s", "web"], ["-n", "1501"], ["-n", "-1"], ["-p", "web", "-d", "web.1"]):
        assert hostctl(tmp_path, "logs", "-a", "hello", *words).status == 2


def test_a_terminal_gets_colours_unless_told_otherwise(fake, tmp_path):
    fake.on(STREAM, streaming(line(1)))
    assert "\x1b[" in hostctl(tmp_path, "logs", "-a", "hello", terminal=True, TERM="xterm").out
    assert "\x1b[" not in hostctl(tmp_path, "logs", "-a", "hello", "--no-color", terminal=True, TERM="xterm").out


def event(cursor: str, *lines: bytes) -> bytes:
    return f"id: {cursor}\n".encode() + b"".join(b"data: " + one for one in lines) + b"\n"


def test_a_tail_goes_on_after_a_break_behind_the_last_whole_event(fake, tmp_path):
    cut_off = event("c3", line(3))[:-1]
    fake.on(
        STREAM,
        streaming(event("c1", line(1)), event("c2", line(2), line(2)) + cut_off, breaks=True),
        streaming(b"data: a line of the logplex itself\n\n", breaks=True),
        streaming(event("c3", line(3))),
    )
    lines = (one for piece in follow(Client(tmp_path), "hello", {"tail": True, "lines": 10}) for one in piece)
    said = b"a line of the logplex itself\n"
    assert list(islice(lines, 5)) == [line(1), line(2), line(2), said, line(3)]
    asked = fake.asked(STREAM)
    assert [r.headers.get("Last-Event-ID") for r in asked] == [None, "c2", "c2"]
    assert {r.headers["Accept"] for r in asked} == {"text/event-stream"}


def test_a_tail_that_is_refused_says_why(fake, tmp_path):
    fake.on("POST /apps/hello/log-sessions", (404, {"id": "not_found", "message": "Couldn't find that app."}))
    ran = hostctl(tmp_path, "logs", "-t", "-a", "hello")
    assert (ran.status, ran.err) == (1, " !    Couldn't find that app.\n")
    fake.on("POST /apps/hello/log-sessions", SESSION).on(
        STREAM, streaming(line(1), breaks=True), (403, {"message": "x"})
    )
    with pytest.raises(HostdError):
        list(follow(Client(tmp_path), "hello", {"tail": True}))
