"""What a running build says: heard by everybody who follows it, and kept in the ledger as it comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from hostd.errors import HostdError
from hostd.ledger.build_outputs import BuildOutput

log = logging.getLogger(__name__)

HEAD = 128 * 1024
TAIL = 896 * 1024
"""Bytes of a transcript that are kept: its beginning and its end."""
SAVE_SECONDS = 1.0
"""What is said is on disk so many seconds later: a killed hostd loses no more of a transcript."""


class Recording:
    """The transcript of one build, from its first byte to its end; for one event loop."""

    def __init__(self, save: Callable[[BuildOutput], None]) -> None:
        """`save` keeps what was said so far."""
        self._save = save
        self._head, self._tail, self._total = bytearray(), bytearray(), 0
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False

    @property
    def output(self) -> BuildOutput:
        """What was said so far, as far as it is kept."""
        tail = bytes(self._tail[-TAIL:])
        return BuildOutput(bytes(self._head), tail, self._total - len(self._head) - len(tail))

    def write(self, piece: bytes) -> None:
        """Add what was said just now."""
        room = HEAD - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        if len(self._tail) > 2 * TAIL:
            del self._tail[:-TAIL]
        self._total += len(piece)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SAVE_SECONDS, self.save)
        self._wake()

    def save(self) -> None:
        """Keep what was said so far. That it cannot be kept now stops no build."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._save(self.output)
        except HostdError as error:
            log.warning("a build's output cannot be kept: %s", error)

    def end(self) -> None:
        """No more will be said: keep everything and let the followers go."""
        self.save()
        self._ended = True
        self._wake()

    async def follow(self) -> AsyncIterator[bytes]:
        """All that was said, then what is being said, up to the end. Who is too slow misses a part, and is told."""
        place = 0
        while True:
            news = self._news
            if piece := self._since(place):
                place = self._total
                yield piece
            elif self._ended:
                return
            else:
                await news.wait()

    def _since(self, place: int) -> bytes:
        kept_from = self._total - len(self._tail)
        if place >= kept_from:
            return bytes(self._tail[place - kept_from :])
        head = bytes(self._head[place:])
        missed = kept_from - max(place, len(self._head))
        return BuildOutput(head, bytes(self._tail), missed).text

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
