"""Has the logplex end the streams of somebody who may read a log no more."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from hostd.logplex.sessions import Ending, sign_ending

SECONDS = 5.0
"""For the logplex to answer."""

_log = logging.getLogger(__name__)


class Tails:
    """The logplex behind its socket; `key` is the one that log sessions are signed with."""

    def __init__(self, path: Path, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._key = key
        self._clock = clock

    async def end(self, holder: str, app_id: str | None) -> int:
        """Cut the streams of a user, or of one with a token, of an app or with None all; how many there were.

        A reader that still may read goes on by itself. A logplex that does not answer serves no stream either: that is
        logged.
        """
        query = sign_ending(Ending(holder, app_id, int(self._clock())), self._key)
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._path)
                try:
                    writer.write(f"DELETE /streams?{query} HTTP/1.1\r\nHost: logplex\r\n\r\n".encode())
                    answer = await reader.read()
                finally:
                    writer.close()
            return _ended(answer)
        except (OSError, ValueError, TimeoutError) as error:
            _log.error("the logplex did not end log streams: %s", error or type(error).__name__)
            return 0


def _ended(answer: bytes) -> int:
    """How many, from a chunked answer with one chunk."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError(f"it answered {head[:60]!r}")
    return int(json.loads(body.split(b"\r\n")[1])["ended"])
