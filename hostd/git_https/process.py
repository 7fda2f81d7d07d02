"""A git that serves one request: what it is told goes in, what it says comes out, and it ends with its client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import IO

from hostd.ssh.git import KILL_SECONDS

PIECE = 64 * 1024
"""Bytes that are passed on at once; twice as much is the most that is held of either direction."""
TAIL = 2000
"""Bytes of git's complaints that are kept for the log."""


class Git:
    """One process of git, in a process group with its hook and all that this runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._tail = b""
        self._complaints = asyncio.create_task(self._listen())

    @classmethod
    async def begin(
        cls, argv: Sequence[str], env: Mapping[str, str], stdin: IO[bytes] | int, inherited: Sequence[int] = ()
    ) -> Git:
        """Start git; `stdin` is a file, or `subprocess.PIPE` for what `feed` is given."""
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            process_group=0,
            pass_fds=inherited,
            limit=PIECE,
        )
        return cls(process)

    @property
    def complaints(self) -> str:
        """The end of what git wrote to its standard error, in one line."""
        return " ".join(self._tail.decode(errors="replace").split())

    async def feed(self, pieces: AsyncIterator[bytes]) -> None:
        """Pass on a request's body; once git has ended or listens no more, the rest of it is read and dropped."""
        stdin = self._process.stdin
        assert stdin is not None
        listens = True
        try:
            async for piece in pieces:
                if listens:
                    try:
                        stdin.write(piece)
                        await stdin.drain()
                    except (BrokenPipeError, ConnectionResetError):
                        listens = False
        finally:
            stdin.close()

    async def said(self) -> AsyncIterator[bytes]:
        """What git says, as it says it."""
        stdout = self._process.stdout
        assert stdout is not None
        while piece := await stdout.read(PIECE):
            yield piece

    async def ended(self) -> int:
        """Wait for git's end; its exit status, negative for a signal's number."""
        status = await self._process.wait()
        await self._complaints
        return status

    async def end(self) -> None:
        """End git, its hook and what this runs, if it has not ended."""
        group = self._process.pid
        if self._process.returncode is None:
            _signal(group, signal.SIGTERM)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), KILL_SECONDS)
            _signal(group, signal.SIGKILL)
            await self._process.wait()
        self._complaints.cancel()

    async def _listen(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        while piece := await stderr.read(PIECE):
            self._tail = (self._tail + piece)[-TAIL:]


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
