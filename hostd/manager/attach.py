"""The attach socket: a client hands over its terminal or pipes, and learns how its command ended.

One JSON line with a token comes in, with descriptors for a new session (SCM_RIGHTS, unix(7)); JSON lines with the
state and the exit status go out. A client that lost hostd comes back with `resume`; one that goes away ends its
session. A token for a forward gets a connected socket instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Sequence
from typing import Any

from hostd.errors import UNEXPECTED, HostdError, NotFound
from hostd.manager.forwards import Forwards
from hostd.manager.session import Host, Session

log = logging.getLogger(__name__)

_REQUEST_BYTES = 4096
_REQUEST_SECONDS = 10.0
_TERMINAL_FDS, _PIPE_FDS = 1, 3
_GONE = "That session is gone: it waited for a terminal too long (R13), or has ended. Run it again."


class AttachServer:
    """Serves the listening unix socket that systemd holds for us."""

    def __init__(self, listener: socket.socket, hosts: Sequence[Host], forwards: Forwards) -> None:
        self._listener = listener
        self._hosts = hosts
        self._forwards = forwards
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
        with client:
            try:
                answer = await self._answer(client)
            except (HostdError, ValueError, TimeoutError) as error:
                await _send(client, {"error": str(error)})
                return
            except OSError as error:
                log.info("a client of the attach socket went away: %s", error)
                return
            except Exception:
                log.exception("a session could not be started")
                await _send(client, {"error": UNEXPECTED})
                return
            if answer is not None:
                await self._follow(client, *answer)

    async def _answer(self, client: socket.socket) -> tuple[Host, Session] | None:
        """Do what is asked: the session to follow; None for a forward, which is done then."""
        async with asyncio.timeout(_REQUEST_SECONDS):
            line, descriptors = await _receive(client)
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or not isinstance(token := request.get("token"), str):
                raise ValueError("the request names no token")
            if request.get("forward"):
                with await self._forwards.connect(token) as made:
                    # A new socket's buffer takes one line whole.
                    socket.send_fds(client, [b'{"state": "up"}\n'], [made.fileno()])
                return None
            if request.get("resume"):
                return self._rejoin(token)
            expected = _TERMINAL_FDS if request.get("tty") else _PIPE_FDS
            if len(descriptors) != expected:
                raise ValueError(f"expected {expected} descriptors, got {len(descriptors)}")
            return await self._attach(token, (descriptors[0], descriptors[expected // 2], descriptors[-1]))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    async def _attach(self, token: str, stdio: tuple[int, int, int]) -> tuple[Host, Session]:
        for host in self._hosts:
            if (session := await host.attach(token, stdio)) is not None:
                return host, session
        raise NotFound(_GONE)

    def _rejoin(self, token: str) -> tuple[Host, Session]:
        for host in self._hosts:
            if (session := host.rejoin(token)) is not None:
                return host, session
        raise NotFound(_GONE)

    async def _follow(self, client: socket.socket, host: Host, session: Session) -> None:
        """Tell the client of the session's end, and the session of the client's."""
        session.clients += 1
        try:
            await _send(client, {"state": "up"})
            gone = asyncio.create_task(_read_until_closed(client))
            done = asyncio.create_task(session.ended.wait())
            try:
                await asyncio.wait((gone, done), return_when=asyncio.FIRST_COMPLETED)
            finally:
                gone.cancel()
                done.cancel()
        finally:
            session.clients -= 1
        if session.ended.is_set():
            await _send(client, {"exit": session.status})
        elif not session.clients:
            await host.client_gone(session)


async def _receive(client: socket.socket) -> tuple[bytes, list[int]]:
    """Read one line and the descriptors that came with it."""
    loop = asyncio.get_running_loop()
    line, descriptors = b"", list[int]()
    try:
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
                raise ValueError("the request is no line of JSON")
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return line, descriptors


async def _read_until_closed(client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while await loop.sock_recv(client, _REQUEST_BYTES):
            continue


async def _send(client: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await asyncio.get_running_loop().sock_sendall(client, json.dumps(message).encode() + b"\n")
