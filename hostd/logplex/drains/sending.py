"""What every way to send has: a frame goes out, or `Undelivered` says why not."""

from __future__ import annotations

from typing import Protocol

from hostd.logplex.drains.buffer import Frame
from hostd.logplex.drains.messages import Item, overflow


class Sender(Protocol):
    """One way to a receiver."""

    async def send(self, frame: Frame) -> None:
        """Return when the receiver has the frame; raises Undelivered. A frame that was not taken comes again."""

    async def close(self) -> None:
        """Let go of the connection."""


def with_overflow(frame: Frame) -> tuple[Item, ...]:
    """The frame's messages behind the one that says how many are missing, if some are."""
    if not frame.lost:
        return frame.items
    at = frame.items[0].microseconds
    return (Item("", at, "heroku", "logplex", (overflow(frame.lost, frame.since),), 0), *frame.items)
