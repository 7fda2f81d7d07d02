"""A drain's buffer: at most 1,024 messages, and an exact account of what did not fit."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from dataclasses import dataclass, field

from hostd.logplex.drains.messages import Item
from units.cursors import cursor_of

MOST_MESSAGES = 1024
MOST_BYTES = 2 * 1024 * 1024
"""What the messages of a buffer take in memory, about; lines may have 48 KiB each."""
ITEM_BYTES = 400
"""What an entry takes in memory besides its text, about."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is sent at once, again and again under the same id until it was taken.

    `lost` messages are missing in front of it, the first of them from `since` (microseconds).
    """

    items: tuple[Item, ...]
    lost: int = 0
    since: int = 0
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def count(self) -> int:
        """Messages of the app in it."""
        return sum(item.count for item in self.items)


class Buffer:
    """Messages in the journal's order: those of the frame that is being sent, then those that wait.

    The reader asks `full` and stops, as long as the journal may wait for the drain. With `dropping` it goes on, and the
    oldest messages give way and are counted. `total_lost` counts on when that was told; `last_lost` is when the last
    one was written (microseconds).
    """

    def __init__(self, cursor: str | None = None, lost: int = 0, since: int = 0) -> None:
        self._place: str | bytes | None = cursor
        self.lost, self.since = lost, since
        self.total_lost = self.last_lost = 0
        self.most_bytes = MOST_BYTES
        self.dropping = False
        self._waiting: deque[Item] = deque()
        self._count = self._size = 0
        self._frame: Frame | None = None
        self._attempting = self._hole = False
        self._filled, self._room = asyncio.Event(), asyncio.Event()

    @property
    def cursor(self) -> str | None:
        """The newest entry that needs not be read again: delivered, or lost and counted in `lost`."""
        return None if self._place is None else cursor_of(self._place)

    @property
    def full(self) -> bool:
        """Whether nothing more fits in. What is on its way at this moment does not count."""
        held = self._frame.count if self._frame is not None and not self._attempting else 0
        return self._count + held >= MOST_MESSAGES or self._memory >= self.most_bytes

    @property
    def waiting(self) -> int:
        """Messages that are not delivered yet."""
        return self._count + (self._frame.count if self._frame is not None else 0)

    @property
    def untold(self) -> tuple[int, int]:
        """How many messages were lost that the receiver was not told of yet, and since when (microseconds)."""
        frame = self._frame
        if frame is None or not frame.lost:
            return self.lost, self.since
        return self.lost + frame.lost, min(self.since, frame.since) if self.since else frame.since

    @property
    def free(self) -> int:
        """How many messages fit in."""
        return max(0, MOST_MESSAGES - self.waiting)

    @property
    def oldest(self) -> int | None:
        """From when the oldest message is that is not delivered yet (microseconds)."""
        if self._frame is not None and self._frame.items:
            return self._frame.items[0].microseconds
        return self._waiting[0].microseconds if self._waiting else None

    def offer(self, item: Item) -> None:
        """Queue an entry's messages; never waits."""
        self._waiting.append(item)
        self._count += item.count
        self._size += item.size
        if self.dropping:
            self._trim()
        self._filled.set()

    def passed(self, place: str | bytes) -> None:
        """An entry was read that is not for this drain; with nothing before it the drain is past it."""
        if not self._waiting and self._frame is None:
            self._place = place

    def lose(self, count: int, since: int) -> None:
        """Messages are missing that were never in here."""
        self.lost += count
        self.total_lost += count
        self.last_lost = since
        self.since = min(self.since, since) if self.since else since

    def drop_oldest(self) -> None:
        """From now on the newest messages count, and what is older gives way."""
        self.dropping = True
        self._trim()
        self._room.set()

    def drop_none(self) -> None:
        """From now on nothing is taken in that does not fit."""
        self.dropping = False

    async def take(self, most_bytes: int, linger: float) -> Frame:
        """The frame to send: the last one if it was not taken, else of what waits, as soon as something does.

        Waits for at most `linger` seconds more until there is a frame's worth of it.
        """
        if self._frame is None:
            while not self._waiting:
                self._filled.clear()
                await self._filled.wait()
            if not self._is_plenty(most_bytes):
                await self._wait_for_more(most_bytes, linger)
            self._frame = self._cut(most_bytes)
        self._attempting = True
        return self._frame

    def delivered(self) -> None:
        """The frame was taken."""
        frame = self._done()
        if not self._hole and frame.items:
            self._place = frame.items[-1].place
        self._hole = False
        self._room.set()

    def refused(self) -> None:
        """The frame will never be taken: its messages are lost."""
        frame = self._done()
        self._count_lost(frame)
        if not self._hole and frame.items:
            self._place = frame.items[-1].place
        self._hole = False
        self._room.set()

    def failed(self) -> None:
        """The frame was not taken, and is to be sent again."""
        self._attempting = False
        if self._hole:
            # What came after it has given way meanwhile.
            self.refused()
        elif self.dropping:
            self._trim()

    async def room(self) -> None:
        """Wait until the buffer is not full, or drops what is old."""
        while self.full and not self.dropping:
            self._room.clear()
            await self._room.wait()

    def _trim(self) -> None:
        while self._over():
            if self._frame is not None and not self._attempting:
                self._dissolve(self._frame)
            if len(self._waiting) < 2:
                return
            oldest = self._waiting.popleft()
            self._count -= oldest.count
            self._size -= oldest.size
            self.lose(oldest.count, oldest.microseconds)
            self._place = oldest.place
            self._hole = self._attempting

    def _over(self) -> bool:
        held = self._frame.count if self._frame is not None and not self._attempting else 0
        return self._count + held > MOST_MESSAGES or self._memory > self.most_bytes

    @property
    def _memory(self) -> int:
        return self._size + ITEM_BYTES * len(self._waiting)

    def _dissolve(self, frame: Frame) -> None:
        self._waiting.extendleft(reversed(frame.items))
        self._count += frame.count
        self._size += sum(item.size for item in frame.items)
        self._give_back(frame)
        self._frame = None

    def _cut(self, most_bytes: int) -> Frame:
        items: list[Item] = []
        size = 0
        while self._waiting and (not items or size + self._waiting[0].size <= most_bytes):
            item = self._waiting.popleft()
            items.append(item)
            size += item.size
            self._count -= item.count
        self._size -= size
        frame = Frame(tuple(items), self.lost, self.since)
        self.lost = self.since = 0
        self._room.set()
        return frame

    def _done(self) -> Frame:
        frame = self._frame
        assert frame is not None, "a frame is taken before it is delivered"
        self._frame, self._attempting = None, False
        return frame

    def _count_lost(self, frame: Frame) -> None:
        self._give_back(frame)
        if frame.items:
            self.lose(frame.count, frame.items[0].microseconds)

    def _give_back(self, frame: Frame) -> None:
        """What the frame was to tell is still to be told."""
        if frame.lost:
            self.lost += frame.lost
            self.since = min(self.since, frame.since) if self.since else frame.since

    def _is_plenty(self, most_bytes: int) -> bool:
        return self._size >= most_bytes or self._count >= MOST_MESSAGES // 2

    async def _wait_for_more(self, most_bytes: int, linger: float) -> None:
        try:
            async with asyncio.timeout(linger):
                while not self._is_plenty(most_bytes):
                    self._filled.clear()
                    await self._filled.wait()
        except TimeoutError:
            return
