"""A whole worker process: sockets from systemd, ready and stopping, TLS, a restart under load."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from router_rig import FakeDyno, Wire, get, ok

from router.store import save
from router.table import App, State, Table

START = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); from router.worker import main; sys.exit(main())"
ROOT = Path(__file__).parents[2]


class Process:
    """A worker with its listening sockets, as systemd would start it again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.notifications.bind(str(folder / "notify"))
        self.listeners = [socket.create_server(("127.0.0.1", 0), backlog=128) for _ in range(2)]
        self.port, self.secure_port = (item.getsockname()[1] for item in self.listeners)

    async def start(self) -> asyncio.subprocess.Process:
        first, second = (item.fileno() for item in self.listeners)
        shuffle = f"exec {sys.executable} -c \"$0\" \"$@\" 3<&{first} 4<&{second}"
        with (self.folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                "bash", "-c", shuffle, START, "--worker", "1", "--routes", str(self.folder / "routes.json"),
                "--control", str(self.folder / "1.sock"), "--tls-directory", str(self.folder),
                env={**os.environ, "PYTHONPATH": str(ROOT), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:https",
                     "NOTIFY_SOCKET": str(self.folder / "notify")},
                pass_fds=(first, second), stderr=log,
            )
        assert (await self.told()).startswith("READY=1")
        return process

    async def told(self) -> str:
        async with asyncio.timeout(10):
            return (await asyncio.get_running_loop().sock_recv(self.notifications, 1000)).decode()

    def close(self) -> None:
        for item in (self.notifications, *self.listeners):
            item.close()


@contextmanager
def certificate(folder: Path) -> Iterator[ssl.SSLContext]:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=hello.localhost", "-addext", "subjectAltName=DNS:hello.localhost",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )
    yield ssl.create_default_context(cafile=str(folder / "cert.pem"))


@asynccontextmanager
async def dialled(port: int, context: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    name = "hello.localhost" if context else None
    wire = Wire(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name))
    try:
        yield wire
    finally:
        await wire.close()


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
        while answered < before + 100:
            await asyncio.sleep(0.01)
        over.set()
        await asyncio.gather(*clients)
        process.terminate()
        await process.wait()
    assert failures == []


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
