"""Health checks, against servers on the loopback address."""

import asyncio
import contextlib
import os

import pytest

from hostd.manager.boot import boot_trouble, came_up
from hostd.manager.check import Check, ask, is_well, wait_well
from hostd.manager.desired import DesiredApp, DesiredProcess
from hostd.manager.dyno import DynoId, Place

HEALTH = Check("/health?deep=1", "hello.localhost")
SICK = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 13\r\n\r\ndb not ready\n"
WELL = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def server(*answers):
    """A server that gives these answers, the last one for ever; None hangs. It yields its place and what it heard."""
    heard = []

    async def serve(reader, writer):
        with contextlib.closing(writer):
            request = await reader.readuntil(b"\r\n\r\n")
            answer = answers[min(len(heard), len(answers) - 1)]
            heard.append(request.decode())
            if answer is None:
                await reader.read()
            else:
                writer.write(answer.encode())
                await writer.drain()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield Place(*listening.sockets[0].getsockname()), heard


def app(check):
    web = DesiredProcess("web", "python app.py", 1, "eco", check)
    return DesiredApp("id", "hello", os.getuid(), 2, "slug", (web,), {}, ("hello.localhost",))


async def test_the_app_is_asked_for_the_path_by_its_own_name():
    async with server(WELL) as (place, heard):
        assert await wait_well(place, HEALTH, 5) is None
    lines = heard[0].split("\r\n")
    assert lines[0] == "GET /health?deep=1 HTTP/1.1"
    assert {"Host: hello.localhost", "User-Agent: hostd-check"} <= set(lines)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (SICK, (503, "503 Service Unavailable: db not ready")),
        ("HTTP/1.1 404 Nope\r\nContent-Length: 0\r\n\r\n", (404, "404 Not Found")),
        ("HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n", (299, "299")),
        ("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", (302, "302 Found")),
        ("HTTP/1.1 500 x\r\nContent-Length: 5\r\n\r\n\x1b[2Jx", (500, "500 Internal Server Error: [2Jx")),
        (f"HTTP/1.1 420 x\r\nContent-Length: 500\r\n\r\n{'x' * 500}", (420, f"420: {'x' * 100}...")),
        (None, (0, "nothing within 0.1 seconds")),
    ],
)
async def test_what_is_answered_is_told_in_words(answer, told):
    async with server(answer) as (place, _):
        assert await ask(place, HEALTH, 0.1 if answer is None else 5) == told


async def test_what_is_no_http_is_told_too():
    async with server("hello\r\n\r\n") as (place, _):
        status, words = await ask(place, HEALTH)
    assert (status, words[:9]) == (0, "no HTTP: ")
    status, words = await ask(place, HEALTH)
    assert (status, words[:9]) == (0, "no HTTP: ")


async def test_it_is_asked_again_until_it_is_well():
    async with server(SICK, SICK, WELL) as (place, _):
        assert not await is_well(place, HEALTH)
        assert await wait_well(place, HEALTH, 5) is None
        assert await is_well(place, HEALTH)


async def test_a_dyno_that_listens_and_is_not_well_does_not_come_up():
    async with server(SICK) as (place, _):
        trouble = await boot_trouble(app("/health"), place, 0.3, clock=iter((0.0, 9.0)).__next__)
        assert await boot_trouble(app(None), place, 5, clock=lambda: 0.0) is None
    assert trouble.why == "health check GET /health: 503 Service Unavailable: db not ready, R10"
    assert trouble.said == [
        "Error R10 (Boot timeout) -> Health check GET /health was not answered with 200 to 399 within 0.3 seconds of "
        "launch; the last answer: 503 Service Unavailable: db not ready",
        "Stopping process with SIGKILL",
    ]


async def test_a_dyno_that_was_up_long_ago_is_not_asked_again():
    async with server(SICK) as (place, heard):
        web = DynoId("hello", "web", 1, 2, place)
        assert await came_up(app("/health"), web, running_for=61, limit=60)
        assert await came_up(app(None), web, running_for=1, limit=60)
        assert not await came_up(app("/health"), web, running_for=59, limit=60)
        assert not await came_up(None, web, running_for=61, limit=60)
    assert len(heard) == 1
    assert not await came_up(app(None), web, running_for=61, limit=60)
    assert await came_up(None, DynoId("hello", "worker", 1, 2, place), running_for=0, limit=60)
