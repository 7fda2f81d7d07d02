"""Where clients that are not on this machine meet dynos and read logs: addresses that fit the door they came by."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from urllib.parse import urlsplit

import pytest
from api_fakes import LOG_KEY, running_api

from hostd.api import log_streams
from hostd.api.requests import CONTEXT
from hostd.logplex.sessions import verify

RUN = {"command": "bash", "attach": True, "env": {"TERM": "xterm", "COLUMNS": 80, "LINES": 24}}


async def test_a_run_by_a_token_is_met_at_the_rendezvous(tmp_path):
    async with running_api(tmp_path) as api:
        api.deployed(api.ledger.apps.create("hello", api.users["you"].id))
        made = await api.with_token(api.token(), "POST", "/apps/hello/dynos", RUN)
        assert made.data["attach_url"] == "rendezvous://localhost:7071/secret-token?columns=80&lines=24"
        flat = await api.with_token(api.token(), "POST", "/apps/hello/dynos", {**RUN, "force_no_tty": True})
        assert flat.data["attach_url"] == "rendezvous://localhost:7071/secret-token?tty=no"
        inside = await api.with_token(api.token(), "POST", "/apps/hello/dynos/web.1", {"command": "ls"})
        assert inside.data["attach_url"] == "rendezvous://localhost:7071/visit-token"
        detached = await api.with_token(api.token(), "POST", "/apps/hello/dynos", {"command": "date"})
        assert detached.data["attach_url"] is None


@pytest.mark.parametrize(
    ("said", "place"),
    [("localhost:4001", "localhost:4001"), ("evil.example:1", "localhost:7071"), ("localhost:x", "localhost:7071")],
)
async def test_a_tunnel_says_where_its_end_is(tmp_path, said, place):
    async with running_api(tmp_path) as api:
        api.deployed(api.ledger.apps.create("hello", api.users["you"].id))
        headers = {"Hostd-Rendezvous": said}
        made = await api.with_token(api.token(), "POST", "/apps/hello/dynos", RUN, headers=headers)
        assert urlsplit(made.data["attach_url"]).netloc == place


async def test_through_the_router_it_is_the_name_by_which_they_came(tmp_path):
    async with running_api(tmp_path, router=True) as api:
        api.deployed(api.ledger.apps.create("hello", api.users["you"].id))
        headers = {"Host": "api.example.com:8443", "Hostd-Rendezvous": "localhost:1"}
        made = await api.with_token(api.token(), "POST", "/apps/hello/dynos", RUN, headers=headers)
        assert urlsplit(made.data["attach_url"]).netloc == "api.example.com:7071"


async def test_without_a_rendezvous_nothing_is_begun(tmp_path):
    def closed(application):
        context = application[CONTEXT]
        settings = dataclasses.replace(context.settings, rendezvous_port=0)
        application[CONTEXT] = dataclasses.replace(context, settings=settings)

    async with running_api(tmp_path, change=closed) as api:
        api.deployed(api.ledger.apps.create("hello", api.users["you"].id))
        before = len(api.manager.calls)
        refused = await api.with_token(api.token(), "POST", "/apps/hello/dynos", RUN)
        assert refused.status == 422 and "rendezvous_port" in refused.data["message"]
        assert len(api.manager.calls) == before
        made = await api("POST", "/apps/hello/dynos", RUN)
        assert made.data["attach_url"] == "hostd-attach:secret-token"


@contextlib.asynccontextmanager
async def logplex(path, kind, *pieces, ends=True):
    """A stand-in for the logplex that answers each request with these pieces; what it was asked."""
    asked = []

    async def answer(reader, writer):
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if ends:
            writer.write(b"0\r\n\r\n")
            writer.close()
        else:
            await reader.read()
            writer.close()

    path.parent.mkdir(parents=True, exist_ok=True)
    server = await asyncio.start_unix_server(answer, path)
    try:
        yield asked
    finally:
        server.close()


async def test_a_log_is_read_at_the_door_by_which_it_was_asked_for(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        made = await api.with_token(api.token(), "POST", "/apps/hello/log-sessions", {"lines": 5})
        url = made.data["logplex_url"]
        assert url.startswith(f"{api.door}/hostd/signed/logs?app=")
        target = url.removeprefix(api.door)
        run = api.application[CONTEXT].settings.logplex_socket
        async with logplex(run, "text/event-stream", b"retry: 10\n\n", b"id: 1\ndata: a\n\n") as asked:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": "s=1"}
            read = await api.with_token(None, "GET", target, headers=headers)
        assert (read.status, read.data) == (200, b"retry: 10\n\nid: 1\ndata: a\n\n")
        assert read.headers["Content-Type"] == "text/event-stream"
        # aiohttp as a client quotes anew what it is given, and the address is good all the same.
        passed = asked[0].partition("GET /streams?")[2].partition(" HTTP/1.1\r\n")[0]
        assert verify(passed, LOG_KEY, time.time()).lines == 5
        assert "Last-Event-ID: s=1\r\n" in asked[0]
        run.unlink(missing_ok=True)
        assert (await api.with_token(None, "GET", target)).status == 503


async def test_a_silent_tail_is_kept_alive(tmp_path, monkeypatch):
    monkeypatch.setattr(log_streams, "HEARTBEAT_SECONDS", 0.01)
    async with running_api(tmp_path) as api:
        run = api.application[CONTEXT].settings.logplex_socket
        async with logplex(run, "text/event-stream", b"data: a\n\n", ends=False):
            reader, writer = await asyncio.open_connection(*urlsplit(api.door).netloc.split(":"))
            writer.write(b"GET /hostd/signed/logs?x=1 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
            async with asyncio.timeout(10):
                await reader.readuntil(b"data: a\n\n")
                await reader.readuntil(b":\n\n")
            writer.close()
