"""logs: sessions, filters, tails that survive a break. Against a fake logplex."""

from __future__ import annotations

import socket
from itertools import islice

import pytest
from cli_fakes import FakeHostd, Handler, Request, hostctl

from hostd.cli.client import Client
from hostd.cli.logstream import read
from hostd.errors import HostdError

SESSION = (201, {"logplex_url": "http://logplex/streams?app=1&signature=abc"})
STREAM = "GET /streams?app=1&signature=abc"


def line(second: int, text: str = "text") -> bytes:
    return b"2026-01-27T10:48:%02d.000000+00:00 app[web.1]: %b\n" % (second, text.encode())


def event(cursor: str, *lines: bytes) -> bytes:
    return f"id: {cursor}\n".encode() + b"".join(b"data: " + one for one in lines) + b"\n"


class Remarks:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def progress(self, text: str) -> None:
        self.said.append(text)

    notice = progress


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
    monkeypatch.setattr("hostd.cli.logstream.FIRST_PAUSE", 0.01)
    with FakeHostd(tmp_path).on("POST /apps/hello/log-sessions", SESSION).serving("hostd.sock", "logplex.sock") as fake:
        yield fake


def test_lines_come_out_as_they_are_however_they_are_cut(fake, tmp_path):
    whole = b"retry: 10\n\n" + event("c1", line(1), line(2, "é"))
    whole += b"event: unknown\ndata: x\n\n" + event("c2", line(3))
    fake.on(STREAM, streaming(*(whole[at : at + 7] for at in range(0, len(whole), 7))))
    ran = hostctl(tmp_path, "logs", "-a", "hello")
    assert (ran.out.encode(), ran.err) == (line(1) + line(2, "é") + line(3), "")
    assert fake.requests[0].json == {"lines": 100, "tail": False}
    assert fake.requests[1].headers["Accept"] == "text/event-stream"


def test_filters(fake, tmp_path):
    fake.on(STREAM, streaming())
    for words, sent in (
        (["-n", "5", "-s", "heroku", "--ps", "api"], {"lines": 5, "source": "heroku", "processes": ["api"]}),
        (["--num=0", "-d", "web.1"], {"lines": 0, "processes": ["web.1"]}),
        (["-p", "web", "-p", "-router", "--dyno", "run.1"], {"lines": 100, "processes": ["web", "-router", "run.1"]}),
        (["--grep", "a|b", "-i", "--json"], {"lines": 100, "grep": "a|b", "ignore_case": True, "format": "json"}),
        (["--request-id", "4f1c", "--raw"], {"lines": 100, "request_id": "4f1c", "format": "raw"}),
        (["--since", "2015-01-01"], {"since": "2015-01-01T00:00:00.000000+00:00"}),
        (["--since=1d", "-n3", "--until", "2015-11-17T17:00+01:00"],
         {"lines": 3, "since": "2015-11-16T18:37:41.000000+00:00", "until": "2015-11-17T16:00:00.000000+00:00"}),
    ):  # fmt: skip
        fake.requests.clear()
        assert hostctl(tmp_path, "logs", "-a", "hello", *words).status == 0
        assert fake.requests[0].json == {"tail": False, **sent}
    for words in (
        ["-s", "web"], ["-n", "10001"], ["-n", "-1"], ["-p", "we b"], ["-d", ""], ["--since", "soon"], ["-i"],
        ["-g", ""],
        ["--since", "1h", "--until", "2h"], ["-t", "--until", "1h"], ["--json", "--raw"], ["--request-id", "a b"],
    ):  # fmt: skip
        ran = hostctl(tmp_path, "logs", "-a", "hello", *words)
        assert (ran.status, ran.out) == (2, "") and "See: hostctl logs --help" in ran.err, words


def test_a_terminal_gets_colours_unless_told_otherwise(fake, tmp_path):
    fake.on(STREAM, streaming(event("c1", line(1))))
    assert "\x1b[" in hostctl(tmp_path, "logs", "-a", "hello", terminal=True, TERM="xterm").out
    assert "\x1b[" not in hostctl(tmp_path, "logs", "-a", "hello", "--no-color", terminal=True, TERM="xterm").out


def test_a_tail_goes_on_after_a_break_behind_the_last_whole_event(fake, tmp_path):
    cut_off = event("c3", line(3))[:-1]
    fake.on(
        STREAM,
        streaming(event("c1", line(1)), event("c2", line(2), line(2)) + cut_off, breaks=True),
        streaming(b"data: a line of the logplex itself\n\n", breaks=True),
        streaming(event("c3", line(3))),
    )
    remarks = Remarks()
    pieces = read(Client(tmp_path), "hello", {"tail": True, "lines": 10}, remarks)
    lines = (one for piece in pieces for one in piece)
    said = b"a line of the logplex itself\n"
    assert list(islice(lines, 5)) == [line(1), line(2), line(2), said, line(3)]
    asked = fake.asked(STREAM)
    assert [r.headers.get("Last-Event-ID") for r in asked] == [None, "c2", "c2"]
    assert [text.split()[3] for text in remarks.said] == ["broke", "goes", "broke", "goes"]


def test_a_log_that_breaks_off_is_read_to_its_end(fake, tmp_path):
    fake.on(STREAM, streaming(event("c1", line(1)), breaks=True), streaming(event("c2", line(2))))
    ran = hostctl(tmp_path, "logs", "-a", "hello")
    assert (ran.status, ran.out.encode()) == (0, line(1) + line(2))
    assert "broke off" in ran.err and fake.asked(STREAM)[1].headers["Last-Event-ID"] == "c1"


def test_a_search_says_how_far_it_is_on_a_terminal_only(fake, tmp_path):
    said = b"event: progress\ndata: Searching at 2026\n\nevent: notice\ndata: only some\n\n"
    fake.on(STREAM, streaming(said + event("c1", line(1))))
    ran = hostctl(tmp_path, "logs", "-a", "hello")
    assert (ran.err, ran.out.encode()) == (" !    only some\n", line(1))
    ran = hostctl(tmp_path, "logs", "-a", "hello", "--no-color", terminal=True)
    assert ran.err == "\rSearching at 2026\x1b[K\r\x1b[K !    only some\n"


def test_what_the_logplex_gives_up_is_an_error(fake, tmp_path):
    fake.on(STREAM, streaming(event("c1", line(1)) + b"event: failure\ndata: The search was stopped.\n\n"))
    ran = hostctl(tmp_path, "logs", "-t", "-g", "(a+)+b", "-a", "hello")
    assert (ran.status, ran.out.encode(), ran.err) == (1, line(1), " !    The search was stopped.\n")


def test_json_comes_out_as_it_is(fake, tmp_path):
    fake.on(STREAM, streaming(event("c1", b'{"time": "2026"}\n')))
    ran = hostctl(tmp_path, "logs", "--json", "-a", "hello", terminal=True, TERM="xterm")
    assert ran.out == '{"time": "2026"}\n'


def test_a_tail_that_is_refused_says_why(fake, tmp_path):
    fake.on("POST /apps/hello/log-sessions", (404, {"id": "not_found", "message": "Couldn't find that app."}))
    ran = hostctl(tmp_path, "logs", "-t", "-a", "hello")
    assert (ran.status, ran.err) == (1, " !    Couldn't find that app.\n")
    fake.on("POST /apps/hello/log-sessions", SESSION).on(
        STREAM, streaming(line(1), breaks=True), (403, {"message": "x"})
    )
    with pytest.raises(HostdError):
        list(read(Client(tmp_path), "hello", {"tail": True}, Remarks()))
