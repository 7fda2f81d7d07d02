"""What every way to send has: a frame goes out, or `Undelivered` says why not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Protocol

from hostd.logplex.drains.buffer import Frame
from hostd.logplex.drains.destinations import Destination
from hostd.logplex.drains.dialing import Connection, Dialer
from hostd.logplex.drains.messages import Item, overflow


class Sender(Protocol):
    """One way to a receiver."""

    async def send(self, frame: Frame) -> None:
        """Return when the receiver has the frame; raises Undelivered. A frame that was not taken comes again."""

    async def close(self) -> None:
        """Let go of the connection."""


class ConnectedSender:
    """What ways to send have that hold one connection to their receiver, opened when there is something to send."""

    SECONDS: ClassVar[float]
    """What a receiver gets for one frame, if nobody says otherwise."""

    def __init__(
        self,
        where: Destination,
        token: str,
        app: str,
        dialer: Dialer,
        *,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`token` is what the receiver knows the drain by, `app` the id of the app whose lines it sends."""
        self._where = where
        self._token = token
        self._app = app
        self._dialer = dialer
        self._seconds = self.SECONDS if seconds is None else seconds
        self._clock = clock
        self._connection: Connection | None = None
        self._used = 0.0
        """When the receiver last had a frame."""


def with_overflow(frame: Frame) -> tuple[Item, ...]:
    """The frame's messages behind the one that says how many are missing, if some are."""
    if not frame.lost:
        return frame.items
    at = frame.items[0].microseconds
    return (Item("", at, "heroku", "logplex", (overflow(frame.lost, frame.since),), 0), *frame.items)
