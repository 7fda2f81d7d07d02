"""What a receiver gets: a signed POST at an address that was judged."""

import asyncio
import json
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

import pytest
from aiohttp import web

from hostd.ledger.webhook_subjects import Subject
from hostd.ledger.webhooks import Webhook
from hostd.webhooks.sending import Sender, signature

NOW = datetime(2026, 1, 27, tzinfo=UTC)
LOOPBACK = [ip_network("127.0.0.0/8")]


def webhook(url, authorization=""):
    return Webhook("w", Subject.app("a"), ("api:release",), "sync", url, "s3cret", authorization, NOW, NOW)


@pytest.fixture
async def server():
    """A server that notes what it gets, answers with the status in the path, or not at all."""
    got = []

    async def handle(request):
        got.append((request.path, dict(request.headers), await request.read()))
        if request.path == "/never":
            await asyncio.Event().wait()
        return web.Response(status=int(request.path[1:]), headers={"Location": "/200"})

    app = web.Application()
    app.router.add_route("*", "/{status}", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"127.0.0.1:{port}", got
    await runner.cleanup()


async def test_a_message_is_signed_and_comes_as_json(server):
    address, got = server
    answered = await Sender((), LOOPBACK).send(webhook(f"http://{address}/204", "Bearer x"), {"a": "é"})
    assert (answered.code, answered.error) == (204, None)
    ((_, headers, body),) = got
    assert json.loads(body) == {"a": "é"} and headers["Content-Type"] == "application/json"
    assert headers["Heroku-Webhook-Hmac-SHA256"] == signature("s3cret", body)
    assert headers["Authorization"] == "Bearer x"


def test_the_signature_is_herokus():
    # printf body | openssl dgst -sha256 -hmac secret -binary | base64
    assert signature("secret", b"body") == "3EaYNVf+oSe0OvchRn65s/3iM4/j4U9RlSqoR4wT01U="


async def test_user_and_password_of_an_address_are_sent_unless_a_header_is(server):
    address, got = server
    await Sender((), LOOPBACK).send(webhook(f"http://kate:pw@{address}/200"), {})
    await Sender((), LOOPBACK).send(webhook(f"http://kate:pw@{address}/200", "Bearer x"), {})
    assert [headers["Authorization"] for _, headers, _ in got] == ["Basic a2F0ZTpwdw==", "Bearer x"]


@pytest.mark.parametrize(("status", "said"), [(500, "status 500"), (404, "status 404"), (302, "redirects are not")])
async def test_no_other_status_counts(server, status, said):
    address, got = server
    answered = await Sender((), LOOPBACK).send(webhook(f"http://{address}/{status}"), {})
    assert answered.code == status and said in answered.error and len(got) == 1


async def test_what_is_slow_is_given_up(server):
    address, _ = server
    answered = await Sender((), LOOPBACK, seconds=0.3).send(webhook(f"http://{address}/never"), {})
    assert answered == type(answered)(None, "it took longer than 0.3 seconds")


async def test_what_is_not_there_or_not_allowed_is_said_without_the_address(server):
    address, got = server
    for sender, url, said in (
        (Sender((), LOOPBACK), "http://kate:pw@127.0.0.1:9/", "cannot be reached"),
        (Sender((), LOOPBACK), f"https://kate:pw@{address}/", "certificate is not valid"),
        (Sender(()), f"http://kate:pw@{address}/200", "at a port that is not the router's"),
    ):
        answered = await sender.send(webhook(url), {})
        assert answered.code is None and said in answered.error and "pw" not in answered.error
    assert got == []


@pytest.mark.parametrize(
    ("address", "port", "allowed"),
    [
        ("127.0.0.1", 80, True), ("127.0.0.1", 22, False), ("10.0.0.1", 443, False), ("169.254.169.254", 80, False),
        ("93.184.216.34", 443, True), ("93.184.216.34", 8080, True), ("10.5.0.1", 9000, True),
        ("2606:2800:220:1::1", 443, True), ("::ffff:10.0.0.1", 443, False),
    ],
)  # fmt: skip
def test_addresses_are_judged(address, port, allowed):
    sender = Sender((80, 443), [ip_network("10.5.0.0/16")], own=lambda found: str(found).startswith("127."))
    assert (sender.judge(ip_address(address), port) is None) == allowed
