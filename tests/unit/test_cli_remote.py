"""hostctl far from the server: logging in, whose server is meant, and what goes over https with a token."""

from __future__ import annotations

import json
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_fakes import FakeHostd, Handler, Request, dyno, hostctl, release
from tls_kit import make

from hostd.cli.client import Client
from hostd.cli.command import Usage
from hostd.cli.remote import Address, Remote
from hostd.errors import Unavailable

TOKEN = "HRKU-0123456789abcdef"


@pytest.fixture
def far(tmp_path):
    """A server whose API is on a port; the fake, its address, and the environment of a user's home."""
    fake = FakeHostd(tmp_path).on("GET /account", (200, {"email": "you@example.com"}))
    home = tmp_path / "home"
    home.mkdir()
    with fake.listening() as port:
        yield fake, f"http://127.0.0.1:{port}", {"HOME": str(home)}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("example.com", "https://api.example.com"),
        ("API.example.com ", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("https://example.com:8443", "https://example.com:8443"),
        ("localhost:7070", "http://localhost:7070"),
        ("127.0.0.1:7070", "http://127.0.0.1:7070"),
        ("http://127.0.0.1:7070", "http://127.0.0.1:7070"),
        ("https://api.localhost:8443", "https://api.localhost:8443"),
        ("http://[::1]:7070", "http://[::1]:7070"),
    ],
)
def test_addresses_of_servers(text, address):
    assert str(Address.parse(text)) == address
    assert Address.parse(address) == Address.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://example.com", "must not go over http"),
        ("http://localhost.example.com", "must not go over http"),
        ("ftp://example.com", "not ftp"),
        ("", "no address"),
        ("https://you:secret@example.com", "no address"),
        ("https://example.com/apps", "no address"),
        ("example.com:port", "no address"),
        ("https://[::1", "no address"),
        ("\x1b[31m", "no address"),
        ("exa mple.com", "no address"),
    ],
)
def test_what_is_no_address_of_a_server(text, message):
    with pytest.raises(Usage, match=message):
        Address.parse(text)


def test_login_tries_the_token_and_keeps_it_for_its_owner_alone(far):
    fake, address, env = far
    ran = hostctl(None, "login", address, "--token", "-", stdin=f"{TOKEN}\n".encode(), **env)
    assert (ran.status, ran.out) == (0, "Logged in as you@example.com\n"), ran.err
    assert fake.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert "Hostd-User" not in fake.requests[0].headers
    netrc = _netrc(env)
    machine = address.removeprefix("http://")
    assert netrc.read_text() == f"machine {machine}\n  login you@example.com\n  password {TOKEN}\n"
    assert stat.S_IMODE(netrc.stat().st_mode) == 0o600
    assert TOKEN not in ran.out + ran.err


def test_what_is_logged_in_to_is_spoken_to_until_logout(far):
    fake, address, env = far
    fake.on("GET /apps/hello/dynos", (200, [dyno("web.1")]))
    fake.on("GET /oauth/authorizations", (200, [_authorization("a", "9999"), _authorization("b", TOKEN[-4:])]))
    fake.on("DELETE /oauth/authorizations/b", (200, {}))
    hostctl(None, "login", address, "--token", TOKEN, **env)
    assert hostctl(None, "ps", "-a", "hello", **env).out.startswith("=== web (Standard-1X)")
    ran = hostctl(None, "logout", **env)
    assert (ran.status, ran.err) == (0, f"Logging out of {address}... done\n")
    assert len(fake.asked("DELETE /oauth/authorizations/b")) == 1
    assert _netrc(env).read_text() == ""
    gone = hostctl(None, "ps", "-a", "hello", **env)
    assert (gone.status, gone.out) == (1, "")
    assert "hostctl login" in gone.err
    assert hostctl(None, "logout", **env).err == " !    You are logged in to no server.\n"


def test_logout_that_cannot_revoke_says_so_and_keeping_the_token_asks_nobody(far):
    fake, address, env = far
    fake.on("GET /oauth/authorizations", (403, {"id": "forbidden", "message": "This token is good for read only."}))
    hostctl(None, "login", address, "--token", TOKEN, **env)
    assert "still good" in hostctl(None, "logout", **env).err
    hostctl(None, "login", address, "--token", TOKEN, **env)
    before = len(fake.requests)
    assert "still good" not in hostctl(None, "logout", "--keep-token", **env).err
    assert len(fake.requests) == before


def test_a_token_that_is_not_known_is_not_kept(far):
    fake, address, env = far
    fake.on("GET /account", (401, {"id": "unauthorized", "message": "Invalid credentials provided."}))
    ran = hostctl(None, "login", address, "--token", TOKEN, **env)
    assert ran.status == 1
    assert "does not know that token" in ran.err
    assert not _netrc(env).exists()


def test_a_token_that_is_good_no_more_says_what_to_do(far):
    fake, address, env = far
    fake.on("GET /apps/hello/dynos", (401, {"id": "unauthorized", "message": "Invalid credentials provided."}))
    ran = hostctl(None, "ps", "-a", "hello", HOSTD_HOST=address, HOSTD_TOKEN=TOKEN, **env)
    assert ran.status == 1 and "Invalid credentials provided. Your token has expired or was revoked" in ran.err
    assert "hostctl login" in ran.err


def test_what_is_no_hostd_is_not_logged_in_to(far):
    fake, address, env = far
    fake.on("GET /account", (200, "welcome"))
    assert "no API of hostd" in hostctl(None, "login", address, "--token", TOKEN, **env).err


@pytest.mark.parametrize("token", ["", "two words", "über", "x" * 2000])
def test_what_is_no_token(far, token):
    _, address, env = far
    ran = hostctl(None, "login", address, "--token", "-", stdin=token.encode(), **env)
    assert ran.status == 2
    assert "token" in ran.err


def test_login_without_a_terminal_says_what_is_missing(far):
    _, address, env = far
    assert "hostctl login example.com" in hostctl(None, "login", **env).err
    assert "--token -" in hostctl(None, "login", address, **env).err
    assert hostctl(None, "login", "a.example.com", "--host", "b.example.com", **env).status == 2


def test_login_is_for_ones_own_machine(far):
    _, address, env = far
    ran = hostctl(None, "login", address, user="you@example.com", **env)
    assert (ran.status, ran.err) == (1, " !    auth:login works only where hostctl is installed, not over ssh.\n")


def test_the_environment_goes_before_what_was_logged_in_to(far, tmp_path):
    fake, address, env = far
    fake.on("GET /apps/hello/dynos", (200, []))
    ran = hostctl(None, "ps", "-a", "hello", HOSTD_HOST=address, HOSTD_TOKEN="HRKU-other", **env)
    assert ran.status == 0, ran.err
    assert fake.requests[-1].headers["Authorization"] == "Bearer HRKU-other"
    # A host that is named goes before this machine's sockets, too.
    assert hostctl(tmp_path, "ps", "-a", "hello", HOSTD_HOST=address, HOSTD_TOKEN="HRKU-x", **env).status == 0
    unknown = hostctl(None, "ps", "-a", "hello", HOSTD_HOST="http://localhost:1", **env)
    assert unknown.err == " !    You are not logged in to http://localhost:1. Log in: hostctl login http://localhost:1\n"


def test_over_ssh_only_the_servers_own_sockets_count(far, tmp_path):
    _, address, env = far
    with FakeHostd(tmp_path).on("GET /apps/hello/dynos", (200, [])).serving() as here:
        ran = hostctl(tmp_path, "ps", "-a", "hello", user="kate@example.com", HOSTD_HOST=address, **env)
    assert ran.status == 0
    assert here.requests[0].headers["Hostd-User"] == "kate@example.com"


def test_a_file_that_is_there_keeps_its_other_bytes(far):
    _, address, env = far
    _netrc(env).write_text("# mine\nmachine api.heroku.com login me password x # old\n\nmacdef up\nput a\n\n")
    hostctl(None, "login", address, "--token", TOKEN, **env)
    text = _netrc(env).read_text()
    before = "# mine\nmachine api.heroku.com login me password x # old\n\nmacdef up\nput a\n\n"
    assert text.startswith(f"{before}machine 127")
    hostctl(None, "logout", "--keep-token", **env)
    assert _netrc(env).read_text() == text[: text.index("machine 127")]


def test_log_streams_come_by_the_same_door(far):
    fake, address, env = far

    def stream(handler: Handler, _request: Request) -> None:
        handler.begin_stream()
        handler.chunk(b"id: 1\ndata: 2026-01-27T10:48:08.1+00:00 app[web.1]: hi\n\n")
        handler.chunk(b"")

    url = f"{address}/hostd/signed/streams?app=1"
    fake.on("POST /apps/hello/log-sessions", (201, {"logplex_url": url})).on("GET /hostd/signed/streams", stream)
    ran = hostctl(None, "logs", "-a", "hello", HOSTD_HOST=address, HOSTD_TOKEN=TOKEN, **env)
    assert ran.out == "2026-01-27T10:48:08.1+00:00 app[web.1]: hi\n", ran.err


def test_a_deploy_goes_up_and_its_output_comes_down(far, tmp_path):
    fake, address, env = far
    sent = []

    def build(handler: Handler, _request: Request) -> None:
        sent.append(handler.read_chunks())
        handler.begin_stream()
        handler.chunk(b"-----> Building\n")
        handler.chunk(b'\0{"status": "released", "version": 4}\n')
        handler.chunk(b"")

    fake.on("POST /hostd/deploys", build)
    source = tmp_path / "source"
    source.mkdir()
    (source / "app.py").write_text("print(1)")
    ran = hostctl(None, "deploy", str(source), "-a", "hello", HOSTD_HOST=address, HOSTD_TOKEN=TOKEN, **env)
    assert (ran.status, ran.out) == (0, "-----> Building\n"), ran.err
    assert b"print(1)" in sent[0]
    assert fake.requests[-1].headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_deploy_whose_connection_broke_is_asked_for_as_a_build(far, tmp_path, monkeypatch):
    fake, address, env = far

    def break_off(handler: Handler, _request: Request) -> None:
        handler.read_chunks()
        handler.close_connection = True

    fake.on("POST /hostd/deploys", break_off)
    source = tmp_path / "source"
    source.mkdir()
    (source / "app.py").write_text("print(1)")
    number = "0b7f3a2c-0000-4000-8000-000000000000"
    monkeypatch.setattr("hostd.cli.deploy.uuid.uuid4", lambda: number)
    more = {"release_version": 7, "reason": None}
    fake.on(f"GET /apps/hello/builds/{number}", (200, {"status": "succeeded", "extended": more}))
    ran = hostctl(None, "deploy", str(source), "-a", "hello", HOSTD_HOST=address, HOSTD_TOKEN=TOKEN, **env)
    assert ran.status == 0, ran.err
    assert "v7" in ran.err


@pytest.mark.parametrize("line", [["run:inside", "web.1", "ls"], ["ps:exec"], ["ps:copy", "a"], ["ps:forward", "5678"]])
def test_what_needs_ssh_says_how_before_anything_is_begun(far, line):
    fake, address, env = far
    fake.on("GET /hostd/doors", (200, {"ssh_port": 2222, "domain": "localhost"}))
    ran = hostctl(None, *line[:1], "-a", "hello", *line[1:], HOSTD_HOST=address, HOSTD_TOKEN=TOKEN, **env)
    assert ran.status == 1
    assert f" -p 2222 git@localhost {line[0]} -a hello ..." in ran.err
    assert [request.method for request in fake.requests] == ["GET"]


def test_changes_and_lists(far):
    fake, address, env = far
    fake.on("GET /apps/hello/releases/current", (200, release(3)))
    fake.on("GET /apps/hello/releases", (200, [release(2), release(3)]))
    fake.on("POST /apps/hello/releases", (201, {}, {"Hostd-Release": "4"}))
    ran = hostctl(None, "rollback", "-a", "hello", HOSTD_HOST=address, HOSTD_TOKEN=TOKEN, **env)
    assert "done, v4" in ran.err
    assert json.loads(fake.requests[-1].body) == {"release": "id-2"}


def test_a_page_of_a_router_is_not_printed(far):
    fake, address, _ = far

    def page(handler: Handler, _request: Request) -> None:
        text = b"<html>Application error</html>"
        handler.send_response(503)
        handler.send_header("Content-Type", "text/html; charset=utf-8")
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    fake.on("POST /x", page)
    with pytest.raises(Unavailable, match="cannot be reached now: 503"):
        Client(Remote(Address.parse(address), TOKEN)).request("POST", "/x", {})


def test_nobody_there_and_no_such_host():
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:1 does not answer: Connection refused"):
        Client(Remote(Address.parse("http://127.0.0.1:1"), TOKEN)).get("/account")


def test_a_certificate_is_verified(tmp_path, monkeypatch):
    now, day = datetime.now(UTC), timedelta(days=1)
    made = make("api.localhost", starts=now - day, ends=now + day)
    chain = tmp_path / "chain.pem"
    chain.write_text(made.key_pem + made.pem)
    fake = FakeHostd(tmp_path).on("GET /account", (200, {"email": "you@example.com"}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    with fake.listening(context) as port:
        client = Client(Remote(Address.parse(f"https://api.localhost:{port}"), TOKEN))
        with pytest.raises(Unavailable, match="is not trusted") as caught:
            client.get("/account")
        assert "SSL_CERT_FILE" in caught.value.message
        assert not fake.requests
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        assert client.get("/account") == {"email": "you@example.com"}


def test_a_token_is_not_in_what_is_printed_of_a_door():
    assert TOKEN not in repr(Remote(Address.parse("example.com"), TOKEN))


def _netrc(env):
    return Path(env["HOME"]) / ".netrc"


def _authorization(id, end):
    return {"id": id, "access_token": {"token": f"HRKU-**********{end}"}}


def test_the_token_of_a_login_is_printed_and_no_other_is_made(far):
    fake, address, env = far
    fake.on("GET /account", (200, {"email": "you@example.com"}))
    shown = {"access_token": {"expires_in": 600, "id": "x", "token": f"HRKU-**********{TOKEN[-4:]}"}}
    fake.on("GET /oauth/authorizations", (200, [shown]))
    here = {**env, "HOSTD_HOST": address, "HOSTD_TOKEN": TOKEN}
    ran = hostctl(None, "auth:token", **here)
    assert ran.out == f"{TOKEN}\n" and "Warning: token will expire" in ran.err
    assert not fake.asked("POST /oauth/authorizations")
    shown["access_token"]["expires_in"] = None
    assert hostctl(None, "auth:token", **here).err == ""
    assert json.loads(hostctl(None, "auth:token", "--json", **here).out)["access_token"]["token"] == TOKEN


def test_git_is_told_the_token_of_the_login_and_of_no_other_host(far):
    _, _, env = far
    (Path(env["HOME"]) / ".netrc").write_text(f"machine api.example.com\n  login you\n  password {TOKEN}\n")
    env = {**env, "HOSTD_HOST": "example.com"}

    def told(action, asked):
        return hostctl(None, "git:credentials", action, stdin=asked.encode(), **env).out

    asked = "protocol=https\nhost=git.example.com\n\n"
    answer = f"protocol=https\nhost=git.example.com\nusername=hostd\npassword={TOKEN}\n"
    assert told("get", asked) == answer
    assert told("get", "url=https://git.example.com\n") == answer
    assert told("get", asked.replace("git.", "git.evil.")) == ""
    assert told("get", asked.replace("https", "http")) == ""
    assert told("store", asked) == told("erase", asked) == ""
