"""Lines on their way to the journal: in order, bounded, and never lost unsaid. The sockets are real."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostd import relay as module
from hostd.logplex.suppressed import told
from hostd.relay import Relay
from units.journal_sender import Sender

NOW = 1_769_510_888.123456


class FakeJournald:
    """Takes datagrams when it is asked to; sixteen wait in the kernel, or what `net.unix.max_dgram_qlen` says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(str(path))

    async def take(self, count: int) -> list[str]:
        """The next lines, as `source[process]: text`."""
        async with asyncio.timeout(10):
            return [_line(await asyncio.get_running_loop().sock_recv(self.socket, 1 << 17)) for _ in range(count)]


def _line(entry: bytes) -> str:
    fields = dict(row.split("=", 1) for row in entry.decode().splitlines())
    return f"{fields['HOSTD_SOURCE']}[{fields['HOSTD_PROCESS']}]: {fields['MESSAGE']}"


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[FakeJournald]:
    made = FakeJournald(tmp_path / "socket")
    yield made
    made.socket.close()


@pytest.fixture
def heard() -> list[tuple[str, ...]]:
    return []


@pytest.fixture
def relay(journald: FakeJournald, heard: list[tuple[str, ...]]) -> Relay:
    sender = Sender(path=str(journald.path))
    return Relay(sender, "app-id", "build", clock=lambda: NOW, heard=lambda *said: heard.append(said))


async def test_every_line_comes_in_order_however_many_there_are(journald: FakeJournald, relay: Relay) -> None:
    for number in range(5000):
        relay.say(str(number))
    ending = asyncio.create_task(relay.end())
    assert await journald.take(5000) == [f"app[build]: {number}" for number in range(5000)]
    await ending


async def test_what_waits_is_bounded_and_the_loss_is_said(
    journald: FakeJournald, relay: Relay, heard: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 10 * (module._LINE + 4))
    for number in range(100):
        relay.say(f"{number:04d}")
    ending = asyncio.create_task(relay.end())
    assert await journald.take(11) == [
        "heroku[logplex]: Error L12 (Local buffer overflow) -> 90 messages of build dropped since "
        "2026-01-27T10:48:08.123456+00:00.",
        *(f"app[build]: {number:04d}" for number in range(90, 100)),
    ]
    [(app_id, process, text)] = heard
    assert (app_id, process) == ("app-id", "build") and text.startswith("Error L12 (Local buffer overflow) -> 90 ")
    await ending


async def test_a_journald_that_comes_back_gets_what_waited(
    journald: FakeJournald, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.001)
    journald.socket.close()
    journald.path.unlink()
    relay.say("one")
    relay.say("two")
    await asyncio.sleep(0)
    again = FakeJournald(journald.path)
    try:
        assert await again.take(2) == ["app[build]: one", "app[build]: two"]
        await relay.end()
    finally:
        again.socket.close()


async def test_an_end_does_not_wait_for_ever(
    journald: FakeJournald, relay: Relay, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    for number in range(5000):
        relay.say(str(number))
    await relay.end()
    assert "of build are lost" in caplog.text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"Suppressed 4213 messages from hostd-hello-web.1-v12.service", (4213, "web.1")),
        (b"Suppressed 1 messages from hostd-a-b-c-bar.web.2-v1.service", (1, "bar-web.2")),
        (b"Suppressed 7 messages from hostd-hello-run.4711-v3.service", (7, "run.4711")),
        (b"Suppressed 7 messages from ssh.service", None),
        (b"Journal started", None),
        (b"x Suppressed 7 messages from hostd-hello-run.4711-v3.service", None),
    ],
)
def test_what_journald_dropped_is_read_from_its_own_entry(text: bytes, found: tuple[int, str] | None) -> None:
    assert told(text) == found
