"""The HTTP client: refusals, broken connections, patience. Against a fake server on a real unix socket."""

from __future__ import annotations

import socket
import threading

import pytest
from cli_fakes import FakeHostd, Handler, Request

from hostd.cli.client import Client, ConnectionLost, path
from hostd.errors import Conflict, Forbidden, HostdError, NotFound, Unavailable


def break_off(handler: Handler, _request: Request) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def test_paths_keep_every_segment_one_segment():
    assert path("apps", "../../etc", "x y") == "/apps/%2E%2E%2F..%2Fetc/x%20y"
    assert path("apps", "..") == "/apps/%2E%2E"
    assert path("users", "~", "apps") == "/users/~/apps"
    assert path("a", b="c&d", e=None, f=1) == "/a?b=c%26d&f=1"


def test_an_answer_with_its_release_and_warning(tmp_path):
    with (
        FakeHostd(tmp_path)
        .on("PATCH /x", (200, {"a": 1}, {"hostd-release": "12", "Warning-Message": "careful"}))
        .serving() as fake
    ):
        client = Client(tmp_path, "you@example.com")
        answer = client.request("PATCH", "/x", {"b": None})
    assert (answer.data, answer.release, client.warnings) == ({"a": 1}, 12, ["careful"])
    assert fake.requests[0].json == {"b": None}
    assert fake.requests[0].headers["Hostd-User"] == "you@example.com"


def test_root_names_no_user(tmp_path):
    with FakeHostd(tmp_path).on("GET /x", (200, [])).serving() as fake:
        Client(tmp_path).get("/x")
    assert "Hostd-User" not in fake.requests[0].headers


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (404, {"id": "not_found", "message": "Couldn't find that app."}, NotFound, "Couldn't find that app."),
        (409, {"id": "conflict", "message": "Name is taken"}, Conflict, "Name is taken"),
        (403, {"id": "forbidden", "message": "No."}, Forbidden, "No."),
        (500, "<html>", HostdError, "<html>"),
        (500, [], HostdError, "hostd answered with HTTP status 500 and no reason."),
    ],
)
def test_refusals_come_out_as_errors(tmp_path, status, body, kind, message):
    with FakeHostd(tmp_path).on("POST /x", (status, body)).serving(), pytest.raises(kind) as caught:
        Client(tmp_path).request("POST", "/x", {})
    assert caught.value.message == message


def test_lists_in_parts_come_whole(tmp_path):
    with FakeHostd(tmp_path).on("GET /x", (206, [1, 2], {"Next-Range": "id 3..; max=2"}), (200, [3])).serving() as fake:
        assert Client(tmp_path).get("/x") == [1, 2, 3]
    assert fake.requests[1].headers["Range"] == "id 3..; max=2"


def test_a_get_is_asked_again_when_hostd_goes_away(tmp_path):
    with FakeHostd(tmp_path).on("GET /x", break_off, break_off, (200, "ok")).serving() as fake:
        assert Client(tmp_path).get("/x") == "ok"
    assert len(fake.requests) == 3


def test_a_change_is_never_sent_twice(tmp_path):
    with FakeHostd(tmp_path).on("POST /x", break_off).serving() as fake, pytest.raises(ConnectionLost) as caught:
        Client(tmp_path).request("POST", "/x", {})
    assert "not known" in caught.value.message
    assert len(fake.requests) == 1


def test_a_refused_connection_is_tried_until_patience_ends(tmp_path):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "hostd.sock"))
    pauses: list[float] = []
    with dead, pytest.raises(Unavailable) as caught:
        Client(tmp_path, patience=0.5, clock=lambda: sum(pauses), pause=pauses.append).request("POST", "/x", {})
    assert 4 <= len(pauses) <= 7
    assert "systemctl status hostd" in caught.value.message


def test_a_daemon_that_comes_back_is_waited_for(tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "hostd.sock"))
    listener.close()
    fake = FakeHostd(tmp_path).on("POST /x", (201, "made"))

    def revive(_seconds: float) -> None:
        if not started.is_set():
            (tmp_path / "hostd.sock").unlink()
            running.__enter__()
            started.set()

    started, running = threading.Event(), fake.serving()
    assert Client(tmp_path, pause=revive).request("POST", "/x", {}).data == "made"
    running.__exit__(None, None, None)


def test_no_socket_is_said_at_once(tmp_path):
    with pytest.raises(Unavailable) as caught:
        Client(tmp_path / "nowhere").get("/x")
    assert caught.value.message == f"hostd does not answer on {tmp_path}/nowhere/hostd.sock: systemctl status hostd"


def test_streams_come_piece_by_piece(tmp_path):
    go_on = threading.Event()

    def stream(handler: Handler, _request: Request) -> None:
        handler.begin_stream()
        handler.chunk(b"one")
        go_on.wait(5)
        handler.chunk(b"two")
        handler.chunk(b"")

    with FakeHostd(tmp_path).on("GET /x", stream).serving(), Client(tmp_path).stream("GET", "/x") as response:
        assert response.read1(100) == b"one"
        go_on.set()
        assert response.read1(100) == b"two"
        assert response.read1(100) == b""


def test_a_refused_stream_is_an_error(tmp_path):
    with FakeHostd(tmp_path).serving(), pytest.raises(NotFound):
        Client(tmp_path).stream("GET", "/x")


def test_a_daemon_that_hangs_is_not_waited_for_longer_than_asked(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "hostd.sock"))
        listener.listen()
        with pytest.raises(Unavailable, match="timed out"):
            Client(tmp_path, patience=0).get("/hostd/status", seconds=0.05)
