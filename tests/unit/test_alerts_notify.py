"""The ways to a receiver: what is refused at the door, what arrives, and why something did not."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from ipaddress import ip_address, ip_network

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult
from tls_kit import make

from hostd.alerts.notify.https import Poster
from hostd.alerts.notify.mail import Mailer, MailServer
from hostd.alerts.notify.notifier import Notifier, NotSent
from hostd.alerts.notify.targets import Way, parse, parse_all
from hostd.errors import Invalid

MESSAGE = {"id": "53bd", "event": "firing", "text": "hello: Alert p95>500ms for 5m is firing", "hint": "More: x"}
LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(
    ("text", "way", "shown"),
    [
        ("mail:you@example.com", Way.MAIL, "mail:you@example.com"),
        ("mailto:you@example.com", Way.MAIL, "mail:you@example.com"),
        ("https://hooks.example.com/T0/B1?key=secret", Way.HTTPS, "https://hooks.example.com/***"),
        ("HTTPS://hooks.example.com:8443/secret", Way.HTTPS, "https://hooks.example.com:8443/***"),
        ("https://user:secret@example.com", Way.HTTPS, "https://example.com/***"),
        ("https://example.com", Way.HTTPS, "https://example.com/"),
        ("https://[2001:db8::1]/secret", Way.HTTPS, "https://[2001:db8::1]/***"),
        ("exec:page-me.sh", Way.EXEC, "exec:page-me.sh"),
    ],
)
def test_a_target_is_understood_and_shown_without_its_secret(text, way, shown):
    target = parse(text)
    assert (target.way, str(target)) == (way, shown)
    assert parse(target.text) == target
    assert "secret" not in repr(target)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("you@example.com", "'you@example.com' is no target. Write mail:"),
        ("", "is no target"),
        ("slack:T0/secret", "'slack:T0' is no target"),
        ("mail:you", "you"),
        ("mail:you@example.com\r\nBcc: all@example.com", "characters of ASCII"),
        ("mail:-f@x y", "-f@x y"),
        ("https://", "no address of https"),
        ("https:hooks.example.com/secret", "no address of https"),
        ("https://example.com:0/secret", "no address of https"),
        ("https://example.com:99999/secret", "no address of https"),
        ("https://example.com/x#secret", "has no #"),
        ("https://example.com/a b", "a character in it that none has"),
        ("http://example.com/secret", "by https only"),
        ("exec:../../bin/sh", "cannot be a program"),
        ("exec:page now", "cannot be a program"),
        ("exec:", "cannot be a program"),
        ("mail:" + "x" * 3000, "up to 2000 characters"),
    ],
)
def test_what_is_no_target(text, said):
    with pytest.raises(Invalid, match=re.escape(said)) as refused:
        parse(text)
    assert "secret" not in refused.value.message


def test_no_target_comes_twice():
    assert len(parse_all(["mail:you@example.com", "mail:you@example.com", "exec:page"])) == 2


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """The two ends of a TLS connection to localhost."""
    made = make("localhost", starts=datetime(2020, 1, 1, tzinfo=UTC), ends=datetime(2120, 1, 1, tzinfo=UTC))
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_text(made.pem + made.key_pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    client = ssl.create_default_context(cadata=made.pem)
    client.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return server, client


@asynccontextmanager
async def serving(handler, tls):
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def posted(tls, handler, *, internal=LOOPBACK, **more):
    server, client = tls
    async with serving(handler, server) as port:
        poster = Poster([], internal, trust=client, **more)
        await poster.send(f"https://user:pw@localhost:{port}/secret?key=secret", MESSAGE)


async def refused(tls, handler, **more):
    with pytest.raises(NotSent) as error:
        await posted(tls, handler, **more)
    assert "secret" not in error.value.reason
    return error.value.reason, error.value.final


def answering(status, **headers):
    async def handler(request):
        return web.Response(status=status, headers=headers, body=b"x" * 100_000)

    return handler


async def test_a_message_is_posted_as_json(tls):
    seen = []

    async def handler(request):
        seen.append((request.method, request.path_qs, request.headers["Authorization"], await request.json()))
        return web.Response(status=204)

    await posted(tls, handler)
    assert seen == [("POST", "/secret?key=secret", "Basic dXNlcjpwdw==", MESSAGE)]


@pytest.mark.parametrize(("status", "final"), [(500, False), (429, False), (408, False), (404, True), (410, True)])
async def test_a_status_says_whether_it_is_worth_another_try(tls, status, final):
    assert await refused(tls, answering(status)) == (f"its server answers with status {status}", final)


async def test_redirects_are_not_followed(tls):
    reason, final = await refused(tls, answering(302, Location="https://example.com/"))
    assert reason == "its server answers with status 302, and redirects are not followed" and final


async def test_who_does_not_answer_is_not_waited_for(tls):
    held = asyncio.Event()

    async def handler(request):
        await held.wait()
        return web.Response()

    assert await refused(tls, handler, seconds=0.2) == ("it took longer than 0.2 seconds", False)
    held.set()


async def test_internal_addresses_are_reached_only_if_that_is_set(tls):
    reason, final = await refused(tls, answering(204), internal=())
    assert reason == "it is on this server, at a port that is not the router's" and not final
    poster = Poster([443], [ip_network("10.1.0.0/16")], own=lambda address: str(address) == "192.0.2.1")
    assert poster.judge(ip_address("10.1.2.3"), 5000) is None
    assert "alert_networks" in poster.judge(ip_address("10.2.2.3"), 443)
    assert "alert_networks" in poster.judge(ip_address("169.254.169.254"), 443)
    assert poster.judge(ip_address("192.0.2.1"), 443) is None
    assert poster.judge(ip_address("1.1.1.1"), 8443) is None


async def test_a_certificate_that_nobody_trusts_is_refused(tls):
    server, _ = tls
    async with serving(answering(204), server) as port:
        with pytest.raises(NotSent, match="certificate is not valid"):
            await Poster([], LOOPBACK).send(f"https://localhost:{port}/", MESSAGE)
        with pytest.raises(NotSent, match="cannot be reached"):
            await Poster([], LOOPBACK).send("https://nowhere.invalid/", MESSAGE)


class Mailbox:
    """What a mail server takes and refuses."""

    def __init__(self) -> None:
        self.mails = []
        self.logins = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address.startswith("full"):
            return "452 mailbox full"
        if address.startswith("nobody"):
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, message_from_bytes(envelope.content, policy=default)))
        return "250 taken"

    def authenticate(self, server, session, envelope, mechanism, data):
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)


@asynccontextmanager
async def mail_server(**more):
    box = Mailbox()

    def make_server():
        return SMTP(box, hostname="mail.test", authenticator=box.authenticate, auth_require_tls=False, **more)

    server = await asyncio.get_running_loop().create_server(make_server, "127.0.0.1", 0)
    async with server:
        yield box, server.sockets[0].getsockname()[1]


async def no_program(argv, content):
    raise AssertionError("no program is run")


async def test_a_mail_arrives(tmp_path):
    login = tmp_path / "login"
    login.write_text("hostd\nright\n")
    login.chmod(0o600)
    async with mail_server() as (box, port):
        server = MailServer("127.0.0.1", port, "none", login)
        await Mailer(server, "hostd@example.com", no_program).send("you@example.com", MESSAGE)
    ((sender, to, mail),) = box.mails
    assert (sender, to) == ("hostd@example.com", ["you@example.com"])
    assert mail["Subject"] == MESSAGE["text"] and mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == "<53bd@example.com>" and mail["Date"]
    text = mail.get_content().replace("\r\n", "\n")
    assert text.startswith(f"{MESSAGE['text']}\n\nMore: x\n") and json.loads(text[text.index("{") :]) == MESSAGE
    assert box.logins == [(b"hostd", b"right")]


@pytest.mark.parametrize(
    ("to", "security", "login", "said", "final"),
    [
        ("nobody@example.com", "none", None, "refuses the address: 550 no such user here", True),
        ("full@example.com", "none", None, "refuses the address: 452 mailbox full", False),
        ("you@example.com", "none", "hostd\nwrong-password\n", "refuses the login (mail_login_file): 535", False),
        ("you@example.com", "none", "hostd", "must be a file with a user and a password in two lines", False),
        ("you@example.com", "starttls", None, "does not know STARTTLS", False),
        ("you@example.com", "tls", None, "speaks no TLS", False),
    ],
)
async def test_why_a_mail_does_not_arrive(tmp_path, to, security, login, said, final):
    file = tmp_path / "login" if login else None
    if file:
        file.write_text(login)
        file.chmod(0o600)
    async with mail_server() as (box, port):
        with pytest.raises(NotSent, match=re.escape(said)) as error:
            await Mailer(MailServer("127.0.0.1", port, security, file), "hostd@x.y", no_program).send(to, MESSAGE)
        assert error.value.final is final and "wrong-password" not in error.value.reason
        assert box.mails == []


async def test_a_mail_server_that_is_not_there_or_an_open_password(tmp_path):
    login = tmp_path / "login"
    login.write_text("hostd\nright\n")
    login.chmod(0o644)
    async with mail_server() as (_, port):
        with pytest.raises(NotSent, match="is open to other users"):
            await Mailer(MailServer("127.0.0.1", port, "none", login), "a@b.c", no_program).send("a@b.c", MESSAGE)
    with pytest.raises(NotSent, match="cannot be reached: Connection refused"):
        await Mailer(MailServer("127.0.0.1", port, "none", None), "a@b.c", no_program).send("a@b.c", MESSAGE)


async def test_without_a_mail_server_sendmail_is_run(tmp_path):
    ran = []

    async def run(argv, content):
        ran.append((argv, content))

    mailer = Mailer(None, "hostd@example.com", run, tmp_path / "sendmail")
    with pytest.raises(NotSent, match="no mail can be sent"):
        await mailer.send("you@example.com", MESSAGE)
    (tmp_path / "sendmail").touch()
    assert mailer.trouble is None
    await mailer.send("-oQ/tmp@example.com", MESSAGE)
    ((argv, content),) = ran
    assert argv[1:] == ["-i", "-f", "hostd@example.com", "--", "-oQ/tmp@example.com"]
    assert b"\r" not in content and b"\n\nhello: Alert" in content


async def test_each_way_is_its_senders():
    class Sender:
        def __init__(self) -> None:
            self.got = []

        async def send(self, where, message):
            self.got.append(where)

    mail, https, programs = Sender(), Sender(), Sender()
    notifier = Notifier(mail=mail, https=https, programs=programs)
    for text in ("mail:you@example.com", "https://example.com/x", "exec:page"):
        await notifier.send(parse(text), MESSAGE)
    assert (mail.got, https.got, programs.got) == (["you@example.com"], ["https://example.com/x"], ["page"])
