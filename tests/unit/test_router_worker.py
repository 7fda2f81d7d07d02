"""A whole worker process: sockets from systemd, ready and stopping, TLS, a restart under load."""

import asyncio
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from router_rig import Call, FakeDyno, Wire, get, ok
from worker_rig import PATIENCE, Process, certificate, dialled, hasty

from router.store import save
from router.table import App, State, Table

__all__ = ["certificate", "installed"]

FIRST_BYTE = 1.0
HURRIED = hasty(first_byte=FIRST_BYTE, tick=0.05)


@pytest.fixture
async def installed(tmp_path: Path) -> AsyncIterator[tuple[Process, FakeDyno]]:
    fake = FakeDyno(ok, "web.1")
    await fake.start()
    app = App("a", "hello", ("hello.localhost",), State.UP, (fake.dyno,))
    save(tmp_path / "routes.json", Table(1, "localhost", (app,)))
    made = Process(tmp_path)
    yield made, fake
    made.close()
    await fake.kill()


async def test_a_worker_is_restarted_under_load_without_a_failed_request(installed):
    made, fake = installed
    with certificate(made.folder) as trusted:
        process = await made.start()
        over, failures, answered = asyncio.Event(), [], 0

        async def load() -> None:
            nonlocal answered
            while not over.is_set():
                async with dialled(made.port) as client:
                    answer = None
                    while not over.is_set() and (answer is None or answer.header("connection") != "close"):
                        answer = await client.get()
                        answered += 1
                        if answer.status != 200:
                            failures.append(answer.head)

        async with dialled(made.secure_port, trusted) as client:
            assert (await client.get()).status == 200
            assert fake.calls[0].headers("x-forwarded-proto") == ["https"]
            assert fake.calls[0].headers("x-forwarded-port") == [str(made.secure_port)]
        clients = [asyncio.create_task(load()) for _ in range(10)]
        await asyncio.sleep(0.1)
        process.terminate()
        assert (await made.told()).startswith("STOPPING=1")
        assert await process.wait() == 0
        assert not (made.folder / "1.sock").exists()
        process = await made.start()
        before = answered
        while answered < before + 100 and not any(client.done() for client in clients):
            await asyncio.sleep(0.01)
        over.set()
        await asyncio.gather(*clients)
        process.terminate()
        await process.wait()
    assert failures == []


@pytest.mark.thorough
async def test_who_shakes_hands_while_a_worker_stops_is_answered(installed):
    made, _ = installed
    with certificate(made.folder) as trusted:
        process = await made.start()
        raw = socket.create_connection(("127.0.0.1", made.secure_port))
        raw.setblocking(False)
        async with dialled(made.secure_port, trusted) as other:
            assert (await other.get()).status == 200
        process.terminate()
        assert (await made.told()).startswith("STOPPING=1")
        # By now it accepts nobody any more, and has no other connection.
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection(sock=raw, ssl=trusted, server_hostname="hello.localhost")
        wire = Wire(reader, writer)
        answer = await wire.get()
        assert (answer.status, answer.header("connection")) == (200, "close")
        await wire.close()
        assert await process.wait() == 0


@pytest.mark.thorough
async def test_without_a_certificate_https_hangs_up_until_there_is_one(installed):
    made, _ = installed
    process = await made.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", made.secure_port)
    with pytest.raises(ConnectionError):
        assert await reader.read() == b""
        raise ConnectionResetError
    writer.close()
    with certificate(made.folder) as trusted:
        process.send_signal(1)
        async with asyncio.timeout(5):
            while True:
                try:
                    async with dialled(made.secure_port, trusted) as client:
                        assert (await client.get()).status == 200
                    break
                except (ConnectionError, ssl.SSLError):
                    await asyncio.sleep(0.02)
    process.kill()
    await process.wait()


@pytest.mark.thorough
async def test_requests_wait_in_the_socket_while_a_killed_worker_is_replaced(installed):
    made, _ = installed
    process = await made.start()
    process.kill()
    await process.wait()
    async with dialled(made.port) as client:
        await client.send(get())
        process = await made.start()
        assert (await client.answer()).status == 200
    process.kill()
    await process.wait()


@pytest.mark.thorough
async def test_a_worker_tells_systemd_that_it_lives_if_that_wants_to_know(installed, monkeypatch):
    made, _ = installed
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    process = await made.start()
    assert [await made.told() for _ in range(2)] == ["WATCHDOG=1"] * 2
    process.kill()
    await process.wait()


@pytest.mark.thorough
async def test_what_came_while_a_worker_stood_still_is_not_late(installed):
    """As when a virtual machine is frozen for a backup."""
    made, fake = installed
    hurried = Process(made.folder, 2, script=HURRIED)
    process = await hurried.start()
    thawed = asyncio.Event()

    async def thinks(call: Call) -> None:
        await thawed.wait()
        await call.answer(b"at last")

    fake.behaviour = thinks
    async with dialled(hurried.port) as client:
        await client.send(get())
        async with asyncio.timeout(PATIENCE):
            while not fake.calls:
                await asyncio.sleep(0.01)
        process.send_signal(signal.SIGSTOP)
        thawed.set()
        await asyncio.sleep(FIRST_BYTE + 0.2)
        process.send_signal(signal.SIGCONT)
        assert (await client.answer()).body == b"at last"
    process.terminate()
    assert await process.wait() == 0
    hurried.close()


@pytest.mark.thorough
async def test_a_worker_that_cannot_read_its_table_begins_all_the_same_and_takes_the_next(installed):
    made, _ = installed
    good = (made.folder / "routes.json").read_text()
    (made.folder / "routes.json").write_text(good[: len(good) // 2])
    process = await made.start()
    assert (await made.ask("/status"))["sequence"] is None
    assert await made.ask("/routes", "PUT", good) == {"sequence": 1}
    async with dialled(made.port) as client:
        assert (await client.get()).status == 200
    process.terminate()
    await process.wait()
    assert "cannot be used: not JSON" in (made.folder / "log").read_text()
