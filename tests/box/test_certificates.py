"""https through the real router: whose certificate is shown, and what happens to it when things change or break."""

from __future__ import annotations

import json
import socket
import ssl
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hostd.certificates.pem import key_text
from hostd.certificates.requests import new_key, self_signed, subject_of
from tests.support.platform import Platform
from tests.support.waiting import wait_until
from tests.unit.tls_kit import DAY, make, said_of

SHOP, OTHER = "secure-shop", "secure-other"
NAME, WILD = "www.secure.test", "*.wild.test"
STAPLED, RESPONDER = "stapled.secure.test", "says.secure.test"
RESPONDER_FILES = {"requirements.txt": "", "Procfile": "web: python3 responder.py\n", "responder.py": """\
import http.server, os, pathlib

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        # M is how a sequence in DER begins.
        file, kind = ("answer", "ocsp-response") if self.path.startswith("/say/M") else ("issuer", "pkix-cert")
        self.send_response(200)
        self.send_header("Content-Type", f"application/{kind}")
        self.end_headers()
        self.wfile.write(pathlib.Path(file).read_bytes())

http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""}


@pytest.fixture(scope="module", autouse=True)
def apps(platform: Platform) -> Iterator[None]:
    """Two apps without code; the router answers for them."""
    for name in (SHOP, OTHER):
        platform.hostctl("apps:create", name)
    try:
        platform.hostctl("domains:add", NAME, "-a", SHOP)
        platform.hostctl("domains:add", WILD, "-a", SHOP)
        platform.hostctl("domains:add", "other.secure.test", "-a", OTHER)
        yield
    finally:
        for name in (SHOP, OTHER):
            platform.hostctl("apps:destroy", "-a", name, "--confirm", name, check=False)


@pytest.fixture(scope="module")
def port(platform: Platform) -> int:
    """Where https is served."""
    return int(tomllib.loads(platform.run(["cat", "/etc/hostd/hostd.toml"]).stdout)["https_port"])


@dataclass(frozen=True)
class Pair:
    """A private key and its certificate, as `certs:generate` prints them over ssh."""

    text: str

    @property
    def der(self) -> bytes:
        """The certificate, as it goes over the wire."""
        return ssl.PEM_cert_to_DER_cert(self.text[self.text.index("-----BEGIN CERTIFICATE") :])

    @property
    def secret(self) -> str:
        """A line of the private key."""
        return self.text.splitlines()[1]


def generated(*names: str) -> Pair:
    """A new certificate that signs itself."""
    key = new_key()
    made = self_signed(key, subject_of(names[0]), names, now=datetime.now(UTC), days=90)
    return Pair(key_text(key) + made)


def add(platform: Platform, app: str, pair: Pair) -> str:
    """Give an app a certificate, over ssh; its name."""
    made = platform.ssh("certs:add", "-", "-a", app, "--json", input=pair.text)
    return str(json.loads(made.stdout)["name"])


def anybody() -> ssl.SSLContext:
    """A client that trusts everybody."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def dial(
    port: int, name: str, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None
) -> ssl.SSLSocket:
    """A connection after its handshake."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=20)
    return (context or anybody()).wrap_socket(raw, server_hostname=name, session=session)


def shown(port: int, name: str) -> bytes | None:
    """The certificate that somebody who asks for this name is shown."""
    with dial(port, name) as connection:
        return connection.getpeercert(True)


def ask(connection: ssl.SSLSocket, host: str) -> str:
    """The head of an answer."""
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        assert piece, head
        head += piece
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    rest = length - len(head.partition(b"\r\n\r\n")[2])
    while rest > 0:
        rest -= len(connection.recv(rest))
    return head.partition(b"\r\n\r\n")[0].decode()


def test_each_name_is_served_with_the_certificate_of_its_own_app(platform: Platform, port: int) -> None:
    default = shown(port, f"{SHOP}.localhost")
    one, wild = generated(NAME, "other.secure.test"), generated(WILD)
    first, second = add(platform, SHOP, one), add(platform, SHOP, wild)
    assert shown(port, NAME) == one.der
    assert shown(port, "any.wild.test") == wild.der
    assert shown(port, "wild.test") == shown(port, "nobody.test") == default
    # It names the other app's domain, which is none of its business.
    assert shown(port, "other.secure.test") == default
    listed = {each["name"]: each["extended"]["serves"] for each in json.loads(
        platform.ssh("certs", "--json", "-a", SHOP).stdout)}  # fmt: skip
    assert listed == {first: [NAME], second: [WILD]}
    with dial(port, NAME) as connection:
        assert connection.version() == "TLSv1.3"
        assert ask(connection, NAME).startswith("HTTP/1.1 503")
        two = Pair(platform.ssh("certs:generate", NAME, "--selfsigned").stdout)
        platform.ssh("certs:update", "-", "--name", first, "-a", SHOP, input=two.text)
        assert shown(port, NAME) == two.der
        assert ask(connection, NAME).startswith("HTTP/1.1 503")
    platform.hostctl("certs:remove", second, "--confirm", SHOP, "-a", SHOP)
    assert shown(port, "any.wild.test") == default
    platform.hostctl("certs:remove", first, "--confirm", SHOP, "-a", SHOP)
    assert shown(port, NAME) == default


def test_a_worker_that_starts_without_hostd_shows_them_and_resumes_sessions(platform: Platform, port: int) -> None:
    pair = generated(NAME)
    name = add(platform, SHOP, pair)
    sessions = []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = anybody()
        context.minimum_version = context.maximum_version = version
        with dial(port, NAME, context) as connection:
            # TLS 1.3 gives its tickets out with the first bytes that are read.
            ask(connection, NAME)
            sessions.append((context, connection.session))
    platform.run(["systemctl", "stop", "hostd.service", "hostd.socket"])
    try:
        for worker in ("1", "2"):
            platform.run(["systemctl", "try-restart", f"hostd-router@{worker}.service"])
        for context, session in sessions * 10:
            with dial(port, NAME, context, session) as connection:
                assert connection.session_reused
            assert shown(port, NAME) == pair.der
    finally:
        platform.run(["systemctl", "start", "hostd.socket", "hostd.service"])
    platform.hostctl("certs:remove", name, "--confirm", SHOP, "-a", SHOP)


def test_private_keys_are_for_root_and_the_router_alone(platform: Platform) -> None:
    pair = generated(NAME)
    name = add(platform, SHOP, pair)
    places = ["/var/lib/hostd", "/etc", "/run/hostd", "/tmp"]
    found = platform.run(["grep", "-rlF", "--exclude-dir=pool", pair.secret, *places], check=False)
    (path,) = found.stdout.split()
    assert Path(path).parent == Path("/var/lib/hostd/tls")
    assert platform.run(["stat", "-c", "%a %U %G", path]).stdout.strip() == "640 root hostd-router"
    for nobody in ("git", "nobody", "hostd-logplex"):
        refused = platform.run(["runuser", "-u", nobody, "--", "cat", path], check=False)
        assert refused.returncode != 0 and pair.secret not in refused.stdout
    logs = platform.run(["journalctl", "--no-pager", "--namespace=*", "--since=-10min", "-o", "cat"]).stdout
    assert name in logs
    assert pair.secret not in logs
    platform.hostctl("certs:remove", name, "--confirm", SHOP, "-a", SHOP)
    assert platform.run(["test", "-e", path], check=False).returncode == 1


@pytest.mark.parametrize("spoil", [
    lambda one, two: one.text.partition("-----BEGIN CERT")[0] + two.text[two.text.index("-----BEGIN CERT") :],
    lambda one, two: "nothing",
    lambda one, two: one.text[:-40],
], ids=["another's key", "nothing", "cut off"])  # fmt: skip
def test_what_cannot_be_served_changes_nothing(platform: Platform, port: int, spoil: object) -> None:
    before = shown(port, NAME)
    text = spoil(generated(NAME), generated(NAME))  # type: ignore[operator]
    refused = platform.ssh("certs:add", "-", "-a", SHOP, input=text, check=False)
    assert refused.returncode == 1
    assert " !    " in refused.stderr
    assert json.loads(platform.ssh("certs", "--json", "-a", SHOP).stdout) == []
    assert shown(port, NAME) == before


def test_a_redirect_to_https_and_what_browsers_are_told(platform: Platform, port: int) -> None:
    assert platform.http_get("", host=NAME).status == 503
    platform.ssh("https:redirect", "on", "-a", SHOP)
    platform.ssh("https:hsts", "on", "--max-age", "60", "-a", SHOP)
    answer = platform.http_get("", "/a?b=c", host=NAME)
    assert (answer.status, answer.headers["location"]) == (301, f"https://{NAME}:{port}/a?b=c")
    with dial(port, NAME) as connection:
        assert ask(connection, NAME).startswith("HTTP/1.1 503")
    platform.ssh("https:redirect", "off", "-a", SHOP)
    wait_until(lambda: platform.http_get("", host=NAME).status == 503, 10)


def test_a_chain_is_completed_and_what_its_authority_says_comes_with_it(
    platform: Platform, port: int, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    dates = {"starts": now - DAY, "ends": now + 9 * DAY}
    above = make(authority=True, common_name="Root", **dates)
    issuer = make(authority=True, common_name="Issuer", issuer=above, **dates)
    at = f"http://{RESPONDER}:{platform.http_port}"
    made = make(STAPLED, issuer=issuer, issuer_at=f"{at}/issuer", responder=f"{at}/say", must_staple=True, **dates)
    said = said_of(made, issuer, at=now - DAY, until=now + DAY)
    files = {**RESPONDER_FILES, "answer": said, "issuer": ssl.PEM_cert_to_DER_cert(issuer.pem)}
    platform.push(platform.commit(files, tmp_path / "app"), OTHER)
    platform.hostctl("domains:add", RESPONDER, "-a", OTHER)
    platform.hostctl("domains:add", STAPLED, "-a", SHOP)
    platform.run(["sh", "-c", f"echo 127.0.0.1 {RESPONDER} >> /etc/hosts"])
    try:
        # The issuer is fetched, as it is missing.
        added = platform.ssh("certs:add", "-", "--json", "-a", SHOP, input=made.key_pem + made.pem)
        assert "must-staple" in added.stderr
        assert json.loads(added.stdout)["certificate_chain"] == made.pem + issuer.pem
        there = ["find", "/var/lib/hostd/tls", "-name", "*.ocsp"]
        wait_until(lambda: platform.run(there).stdout, 20, what="what the authority says to be there")
        client = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", STAPLED, "-status"]
        shown_to = platform.run(client, input="", check=False).stdout
        assert "OCSP Response Status: successful" in shown_to and "Cert Status: good" in shown_to
        platform.hostctl("domains:remove", STAPLED, "-a", SHOP)
    finally:
        platform.run(["sed", "-i", f"/{RESPONDER}/d", "/etc/hosts"])


def test_http_2_is_spoken_with_those_who_do(platform: Platform, port: int) -> None:
    add(platform, SHOP, generated(NAME))
    asked = ["curl", "--silent", "--insecure", "--http2", "--resolve", f"{NAME}:{port}:127.0.0.1",
             "--write-out", "\n%{http_version} %{response_code}"]  # fmt: skip
    answer = platform.run([*asked, f"https://{NAME}:{port}/a", f"https://{NAME}:{port}/b"]).stdout
    assert answer.count("\n2 503") == 2
    line = f'at=error code=H14 desc="No web processes running" method=GET path="/b" host={NAME}:{port} '
    wait_until(lambda: line in platform.ssh("logs", "-a", SHOP).stdout, 10)
