"""hostctl run far from the server: the meeting with a dyno over TLS, its bytes both ways, and its exit status."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cli_fakes import FakeHostd, as_a_program
from tls_kit import make

from hostd.cli.client import Client
from hostd.cli.command import Refused
from hostd.cli.meeting import meet, status_of
from hostd.cli.remote import Address, Remote
from hostd.errors import Unavailable

SECRET = "s" * 43


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    now, day = datetime.now(UTC), timedelta(days=1)
    made = make("localhost", starts=now - day, ends=now + day)
    file = tmp_path_factory.mktemp("tls") / "chain.pem"
    file.write_text(made.key_pem + made.pem)
    return file


class Rendezvous:
    """A port at which one client is served by a function that is given its connection, after its first line."""

    def __init__(self, chain, serve):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self._listener = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
        self.port = self._listener.getsockname()[1]
        self.first = b""
        self._serve = serve
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def url(self):
        return f"rendezvous://localhost:{self.port}/{SECRET}?tty=no"

    def _run(self):
        with contextlib.suppress(OSError):
            sock, _ = self._listener.accept()
            with sock:
                while not self.first.endswith(b"\r\n"):
                    self.first += sock.recv(1)
                self._serve(sock)
                with contextlib.suppress(OSError):
                    sock.unwrap()

    def close(self):
        self._listener.close()


def _echo(sock):
    """Back in capitals until the input ends."""
    sock.sendall(b"rendezvous\r\n")
    while not (piece := sock.recv(65536)).endswith(b"\x04"):
        sock.sendall(piece.upper())
    sock.sendall(piece.removesuffix(b"\x04").upper() + b"end\n")


@pytest.fixture
def far(tmp_path, chain):
    """hostctl run against a fake API and a rendezvous that does what it is given."""
    with contextlib.ExitStack() as cleanup:
        fake = FakeHostd(tmp_path).on("GET /hostd/doors", (200, {"authority": _public(chain)}))
        port = cleanup.enter_context(fake.listening())

        def run(serve, *line, status=0, given=b""):
            place = Rendezvous(chain, serve)
            cleanup.callback(place.close)
            fake.on("POST /apps/hello/dynos", (201, {"name": "run.1", "attach_url": place.url}))
            starting = {"state": "up", "extended": {"exit_status": None}}
            ended = {"state": "complete", "extended": {"exit_status": status}}
            fake.on("GET /apps/hello/dynos/run.1", (200, starting), (200, ended))
            env = as_a_program(tmp_path, HOSTD_HOST=f"http://127.0.0.1:{port}", HOSTD_TOKEN="HRKU-x")
            program = "import sys; from hostd.cli import main; sys.exit(main())"
            done = subprocess.run(
                [sys.executable, "-c", program, "run", "-a", "hello", *line],
                env=env, input=given, capture_output=True, check=False, timeout=60,
            )  # fmt: skip
            return done, place, fake

        yield run


def test_input_goes_there_output_comes_back_and_the_status_is_the_commands(far):
    done, place, fake = far(_echo, "cat", status=3, given=b"hello\n")
    assert (done.stdout, done.returncode) == (b"HELLO\nend\n", 3), done.stderr
    assert place.first == f"{SECRET}?tty=no\r\n".encode()
    assert fake.asked("POST /apps/hello/dynos")[0].json["force_no_tty"] is True
    assert b"up, run.1" in done.stderr


@pytest.mark.thorough
def test_much_goes_both_ways_at_once(far):
    given = b"0123456789abcdef" * 200_000
    done, _, _ = far(_echo, "cat", given=given)
    assert done.stdout == given.upper() + b"end\n"


def test_what_the_server_complains_of_is_shown(far):
    said = " ▸    No memory.\r\n".encode()
    done, _, _ = far(lambda sock: sock.sendall(b"rendezvous\r\n" + said), "cat", status=1)
    assert (done.stdout, done.returncode) == (said, 1)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 "])
def test_what_is_no_rendezvous(far, said):
    done, _, _ = far(lambda sock: sock.sendall(said), "cat")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b" !    " in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_certificate_of_another_is_not_believed(tmp_path, chain):
    now, day = datetime.now(UTC), timedelta(days=1)
    other = make("localhost", starts=now - day, ends=now + day)
    place = Rendezvous(chain, _echo)
    with FakeHostd(tmp_path).on("GET /hostd/doors", (200, {"authority": other.pem})).listening() as port:
        client = Client(Remote(Address.parse(f"http://127.0.0.1:{port}"), "HRKU-x"))
        with pytest.raises(Unavailable, match="is not trusted"):
            meet(client, place.url)
    assert place.first == b""
    place.close()


def test_nobody_at_the_port_says_how_else(tmp_path, chain):
    with FakeHostd(tmp_path).on("GET /hostd/doors", (200, {"authority": _public(chain)})).listening() as port:
        client = Client(Remote(Address.parse(f"http://127.0.0.1:{port}"), "HRKU-x"))
        with pytest.raises(Unavailable, match="ssh -t git@HOST run"):
            meet(client, f"rendezvous://localhost:1/{SECRET}")
        with pytest.raises(Refused, match="ssh -t git@HOST run"):
            meet(client, "hostd-attach:token")


def test_a_status_that_nobody_knows_is_not_made_up(tmp_path):
    fake = FakeHostd(tmp_path).on("GET /apps/hello/dynos/run.1", (200, {"state": "up", "extended": {}}))
    passed = iter(range(0, 1000, 10))
    with fake.serving(), pytest.raises(Refused, match="is not known"):
        status_of(Client(tmp_path), "hello", "run.1", lambda: next(passed), lambda _: None)
    fake.on("GET /apps/hello/dynos/run.1", (200, {"state": "complete", "extended": {"exit_status": None}}))
    with fake.serving(), pytest.raises(Refused, match="is not known"):
        status_of(Client(tmp_path), "hello", "run.1", lambda: 0.0)


def _public(chain):
    text = chain.read_text()
    return text[text.index("-----BEGIN CERTIFICATE") :]
