"""The attach socket, from the side of a process with an event loop: a session, from its start to its end."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hostd.errors import HostdError, Unavailable

PATIENCE_SECONDS = 60.0
"""How long a session is looked for again after hostd went away."""
UP_SECONDS = 90.0
"""How long a dyno may take to start."""
PAUSE_SECONDS = 0.2
_GONE = "The connection to hostd broke before the dyno had started. Run it again."


class Refused(HostdError):  # noqa: N818 - says what happened, as its siblings
    """hostd will not start the session; the message says why."""


class Attachment:
    """A session of the attach socket. Closing it before the end stops what runs."""

    def __init__(self, path: Path, token: str, clock: Callable[[], float]) -> None:
        self._path = path
        self._token = token
        self._clock = clock
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def begin(self, descriptors: Sequence[int], *, terminal: bool) -> None:
        """Hand descriptors over and wait until the command runs. Raises Refused, Unavailable."""
        try:
            async with asyncio.timeout(UP_SECONDS):
                await self._ask({"token": self._token, "tty": terminal}, descriptors)
                if (said := await self._next()) is None:
                    raise Unavailable(_GONE)
        except OSError as error:
            raise Unavailable(f"{_GONE} ({error})") from error
        if "error" in said:
            raise Refused(str(said["error"]))

    async def wait(self) -> None:
        """Wait for the session's end, over restarts of hostd. Raises Unavailable if it cannot be found again."""
        lost_since: float | None = None
        while True:
            try:
                said = await self._next() if self._reader is not None else None
            except OSError:
                said = None
            if said is not None:
                if "exit" in said or "error" in said:
                    return
                lost_since = None
                continue
            lost_since = self._clock() if lost_since is None else lost_since
            if self._clock() - lost_since > PATIENCE_SECONDS:
                raise Unavailable("hostd did not come back.")
            await self._return()

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _return(self) -> None:
        self.close()
        await asyncio.sleep(PAUSE_SECONDS)
        try:
            await self._ask({"token": self._token, "resume": True}, ())
        except OSError:
            self.close()

    async def _ask(self, request: dict[str, object], descriptors: Sequence[int]) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await asyncio.get_running_loop().sock_connect(sock, str(self._path))
            # A new socket's buffer takes one line whole.
            socket.send_fds(sock, [json.dumps(request).encode() + b"\n"], list(descriptors))
            self._reader, self._writer = await asyncio.open_unix_connection(sock=sock)
        except BaseException:
            sock.close()
            raise

    async def _next(self) -> dict[str, Any] | None:
        """The next message; None if hostd is gone."""
        assert self._reader is not None
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            self.close()
            return None
        message = json.loads(line)
        return message if isinstance(message, dict) else {}
