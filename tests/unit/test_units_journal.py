import os
import socket
from contextlib import closing

import pytest

from units.journal import Entry, JournalUnavailable, Reader, Writer, encode_entry, socket_path


@pytest.fixture
def journald(tmp_path):
    """A socket that takes entries as journald does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "socket"))
        server.settimeout(5)
        yield server


def test_namespaces_have_sockets_of_their_own():
    assert socket_path("hostd") == "/run/systemd/journal.hostd/socket"
    assert socket_path(None) == "/run/systemd/journal/socket"


def test_plain_values_are_lines():
    assert encode_entry({"MESSAGE": "hello", "PRIORITY": 6}) == b"MESSAGE=hello\nPRIORITY=6\n"


def test_values_with_newlines_carry_their_length_so_that_no_field_can_be_smuggled_in():
    assert encode_entry({"MESSAGE": "a\nHOSTD_APP=x"}) == (
        b"MESSAGE\n" + (13).to_bytes(8, "little") + b"a\nHOSTD_APP=x\n"
    )


def test_bytes_pass_as_they_are():
    assert encode_entry({"MESSAGE": b"\xff\x00="}) == b"MESSAGE=\xff\x00=\n"


@pytest.mark.parametrize("name", ["", "lower", "_TRUSTED", "A B", "A=B", "A\nB", "1A", "A" * 65])
def test_field_names_that_journald_would_drop_are_refused(name):
    with pytest.raises(ValueError, match="cannot be a journal field"):
        encode_entry({name: "x"})


def test_an_entry_is_one_datagram(journald):
    with closing(Writer(path=journald.getsockname())) as writer:
        writer.send("hello", HOSTD_PROCESS="web.1")
    assert journald.recv(100) == b"MESSAGE=hello\nHOSTD_PROCESS=web.1\n"


def test_a_large_entry_goes_as_a_sealed_file(journald):
    message = b"x" * 20_000_000
    with closing(Writer(path=journald.getsockname())) as writer:
        writer.send(message)
    data, descriptors, _, _ = socket.recv_fds(journald, 10, 1)
    assert data == b""
    with os.fdopen(descriptors[0], "rb") as file:
        file.seek(0)
        assert file.read() == b"MESSAGE=" + message + b"\n"


def test_a_restarted_journald_is_found_again(tmp_path):
    path = tmp_path / "socket"
    writer = Writer(path=str(path))
    for message in (b"first", b"second"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(str(path))
            writer.send(message)
            assert server.recv(100) == b"MESSAGE=" + message + b"\n"
        path.unlink()
    with pytest.raises(JournalUnavailable, match="No such file"):
        writer.send("third")


class FakeFiles:
    """The journal's files with one entry, and which of its fields were read."""

    def __init__(self, **_flags: object) -> None:
        self.left, self.read = 1, list[str]()

    def fileno(self) -> int:
        return -1

    def flush_matches(self) -> None:
        """There are none."""

    def _next(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def _get(self, name: str) -> bytes:
        self.read.append(name)
        return b"1000"

    def _get_cursor(self) -> str:
        return "s=1"

    def _get_realtime(self) -> int:
        return 2


@pytest.mark.parametrize(
    ("believed", "fields", "message"),
    [(True, {"_UID": "1000", "HOSTD_APP": "1000"}, b"1000"), (False, {"_UID": "1000"}, b"")],
)
def test_what_a_stranger_sent_is_not_even_read(monkeypatch, believed, fields, message):
    monkeypatch.setattr("units.journal._Reader", FakeFiles)
    reader = Reader(fields=("HOSTD_APP", "_UID"), believed=lambda sender: believed and sender == {"_UID": "1000"})
    assert reader.read() == [Entry("s=1", 2, message, fields)]
    assert reader._reader.read == [*fields, *(["MESSAGE"] if believed else [])]
