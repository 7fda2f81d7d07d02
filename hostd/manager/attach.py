"""The attach socket: a client hands over its terminal or pipes, and learns how its command ended.

One JSON line with the token and the descriptors comes in (SCM_RIGHTS, unix(7)); JSON lines with the
state and the exit status go out. A client that goes away first ends its dyno.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from typing import Any

from hostd.errors import HostdError
from hostd.manager.oneoffs import OneOffs

log = logging.getLogger(__name__)

_REQUEST_BYTES = 4096
_REQUEST_SECONDS = 10.0
_TERMINAL_FDS, _PIPE_FDS = 1, 3


class AttachServer:
    """Serves the listening unix socket that systemd holds for us."""

    def __init__(self, listener: socket.socket, one_offs: OneOffs) -> None:
        self._listener = listener
        self._one_offs = one_offs
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to accept clients."""
        self._listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept())

    async def close(self) -> None:
        """Stop accepting; sessions that run go on without us."""
        tasks = [task for task in (self._accepting, *self._tasks) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self._listener)
            client.setblocking(False)
            task = asyncio.create_task(self._serve(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: socket.socket) -> None:
        unit = None
        try:
            with client:
                try:
                    unit, ended = await self._attach(client)
                except (HostdError, ValueError, TimeoutError) as error:
                    await _send(client, {"error": str(error)})
                    return
                await _send(client, {"state": "up"})
                gone = asyncio.create_task(_read_until_closed(client))
                done = asyncio.create_task(ended.wait())
                await asyncio.wait((gone, done), return_when=asyncio.FIRST_COMPLETED)
                gone.cancel()
                done.cancel()
                if ended.is_set():
                    await _send(client, {"exit": self._one_offs.status(unit)})
                else:
                    await self._one_offs.stop_unit(unit)
        except OSError as error:
            log.info("the client of %s went away: %s", unit or "a one-off dyno", error)
            if unit is not None:
                await self._one_offs.stop_unit(unit)

    async def _attach(self, client: socket.socket) -> tuple[str, asyncio.Event]:
        async with asyncio.timeout(_REQUEST_SECONDS):
            line, descriptors = await _receive(client)
        try:
            request = json.loads(line)
            expected = _TERMINAL_FDS if request.get("tty") else _PIPE_FDS
            if len(descriptors) != expected:
                raise ValueError(f"expected {expected} descriptors, got {len(descriptors)}")
            stdio = (descriptors[0], descriptors[expected // 2], descriptors[-1])
            return await self._one_offs.attach(str(request["token"]), stdio)
        except (KeyError, AttributeError) as error:
            raise ValueError("the request names no token") from error
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


async def _receive(client: socket.socket) -> tuple[bytes, list[int]]:
    """Read one line and the descriptors that came with it."""
    loop = asyncio.get_running_loop()
    line, descriptors = b"", list[int]()
    while not line.endswith(b"\n"):
        readable = asyncio.Event()
        loop.add_reader(client, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(client)
        data, fds, _, _ = socket.recv_fds(client, _REQUEST_BYTES, _PIPE_FDS)
        descriptors += fds
        line += data
        if not data or len(line) > _REQUEST_BYTES:
            for descriptor in descriptors:
                os.close(descriptor)
            raise ValueError("the request is no line of JSON")
    return line, descriptors


async def _read_until_closed(client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while await loop.sock_recv(client, _REQUEST_BYTES):
            continue


async def _send(client: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await asyncio.get_running_loop().sock_sendall(client, json.dumps(message).encode() + b"\n")
