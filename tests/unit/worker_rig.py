"""Whole worker processes: their sockets from systemd, what they say to it, their control sockets, what they hold."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from router_rig import Call, Wire

import router

START = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); from router.worker import main; sys.exit(main())"
_HASTY = """
import os, sys
from dataclasses import replace
os.environ["LISTEN_PID"] = str(os.getpid())
from router import worker
from router.settings import Settings
worker.Settings = lambda: replace(Settings(), **{limits})
worker._HANDSHAKE = {handshake}
sys.exit(worker.main())
"""
ROOT = Path(__file__).parents[2]
SOURCE = Path(router.__file__).parents[1]
"""Where the tests' own router is from, which may be a compiled one."""
PATIENCE = 60.0
"""Seconds for what is soon on any machine."""
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
LARGE = 64 * 2**20


class Process:
    """A worker with its listening sockets, as systemd would start it again and again. Several of different numbers can
    share a folder, and the ports of the first."""

    def __init__(self, folder: Path, number: int = 1, ports: tuple[int, int] = (0, 0), script: str = START) -> None:
        self.folder = folder
        self.number = number
        self.control = folder / f"{number}.sock"
        self.notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.notifications.bind(str(folder / f"notify-{number}"))
        self.listeners = [socket.create_server(("127.0.0.1", port), backlog=4096, reuse_port=True) for port in ports]
        self.port, self.secure_port = (item.getsockname()[1] for item in self.listeners)
        self.pid = 0
        self._script = script

    async def start(self) -> asyncio.subprocess.Process:
        first, second = (item.fileno() for item in self.listeners)
        shuffle = f"exec {sys.executable} -P -c \"$0\" \"$@\" 3<&{first} 4<&{second}"
        with (self.folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                "bash", "-c", shuffle, self._script, "--worker", str(self.number),
                "--routes", str(self.folder / "routes.json"),
                "--control", str(self.control), "--tls-directory", str(self.folder),
                env={**os.environ, "PYTHONPATH": f"{SOURCE}:{ROOT}", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:https",
                     "NOTIFY_SOCKET": str(self.folder / f"notify-{self.number}")},
                pass_fds=(first, second), stderr=log,
            )  # fmt: skip
        assert (await self.told()).startswith("READY=1")
        self.pid = process.pid
        return process

    async def told(self) -> str:
        async with asyncio.timeout(10):
            return (await asyncio.get_running_loop().sock_recv(self.notifications, 1000)).decode()

    async def ask(self, path: str, method: str = "GET", body: str = "") -> Any:
        """What is answered on the control socket."""
        reader, writer = await asyncio.open_unix_connection(str(self.control), limit=2**24)
        head = f"{method} {path} HTTP/1.1\r\nHost: router\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        said, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert said.startswith(b"HTTP/1.1 200"), (said, answer)
        return json.loads(answer)

    async def files(self) -> int:
        """Open files, without the connections that are kept to dynos."""
        kept = sum(dyno["idle_connections"] for dyno in (await self.ask("/metrics"))["dynos"])
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir())) - kept

    def memory(self) -> int:
        """Bytes of memory, shared pages divided among their users."""
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{self.pid}/smaps_rollup").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def close(self) -> None:
        for item in (self.notifications, *self.listeners):
            item.close()


def hasty(*, handshake: float = 10.0, **limits: float) -> str:
    """The script of a worker with other limits than a worker's own, in seconds."""
    return _HASTY.format(limits=limits, handshake=handshake)


@contextmanager
def certificate(folder: Path) -> Iterator[ssl.SSLContext]:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=hello.localhost", "-addext", "subjectAltName=DNS:hello.localhost",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    yield ssl.create_default_context(cafile=str(folder / "cert.pem"))


@asynccontextmanager
async def dialled(port: int, context: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    name = "hello.localhost" if context else None
    wire = Wire(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name))
    try:
        yield wire
    finally:
        await wire.close()


async def obliging(call: Call) -> None:
    """A dyno that does what it is asked for: takes bodies, sends much, switches protocols and repeats what it hears."""
    if call.headers("upgrade"):
        await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        while said := await call.reader.read(65536):
            await call.send(said)
        call.writer.close()
        return
    await _swallow(call)
    if " /large" in call.line:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
        for _ in range(LARGE // 65536):
            await call.send(bytes(65536))
    else:
        await call.answer()


async def _swallow(call: Call) -> None:
    """Take a body; what comes in crumbs, in whole reads."""
    if not call.headers("transfer-encoding"):
        await call.body()
        return
    tail = b""
    while not (tail.endswith(b"\r\n\r\n") and b"\r\n0\r\n" in tail):
        said = await call.reader.read(2**20)
        if not said:
            raise ConnectionError("the body ended early")
        tail = (tail + said)[-100:]
