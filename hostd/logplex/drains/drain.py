"""One drain: takes frames from its buffer, sends them until they are taken, and keeps account."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from hostd.logplex.drains.backoff import Backoff
from hostd.logplex.drains.buffer import Buffer
from hostd.logplex.drains.failures import Undelivered
from hostd.logplex.drains.messages import overflow
from hostd.logplex.drains.places import Place
from hostd.logplex.drains.sending import Sender

FRAME_BYTES = 100 * 1024
"""Of one frame, about, as Heroku's."""
LINGER = 0.1
"""Seconds that a first message waits for others to go with."""
TELL_LOSS_EVERY = 60.0
TELL_CERTIFICATE_EVERY = 3600.0
"""Seconds between two lines about the same in an app's log."""

_log = logging.getLogger(__name__)


class State(Enum):
    """How it stands with a drain."""

    IDLE = "idle"
    CONNECTED = "connected"
    RETRYING = "retrying"
    REJECTED = "rejected"
    CLOSED = "closed"


_NEXT: dict[State, frozenset[State]] = {
    State.IDLE: frozenset({State.CONNECTED, State.RETRYING, State.REJECTED, State.CLOSED}),
    State.CONNECTED: frozenset({State.CONNECTED, State.RETRYING, State.REJECTED, State.CLOSED}),
    State.RETRYING: frozenset({State.CONNECTED, State.RETRYING, State.REJECTED, State.CLOSED}),
    State.REJECTED: frozenset({State.CONNECTED, State.RETRYING, State.REJECTED, State.CLOSED}),
    State.CLOSED: frozenset(),
}


def after(state: State, following: State) -> State:
    """The state that follows; raises ValueError for one that cannot."""
    if following not in _NEXT[state]:
        raise ValueError(f"a drain that is {state.value} cannot become {following.value}")
    return following


@dataclass(frozen=True, slots=True)
class Error:
    """What went wrong last, and when (seconds since the epoch)."""

    at: float
    message: str


Tell = Callable[[str], Awaitable[None]]
Save = Callable[[Place], None]


class Drain:
    """Delivers what its buffer gets. `tell` writes a line of the logplex to the app's log, `save` keeps the place."""

    def __init__(
        self,
        *,
        token: str,
        buffer: Buffer,
        sender: Sender,
        place: Place,
        tell: Tell,
        save: Save,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.time,
        linger: float = LINGER,
    ) -> None:
        self.buffer = buffer
        self.state = State.IDLE
        self.last_error: Error | None = None
        self.last_delivery: float | None = None
        self._token = token
        self._sender = sender
        self._tell = tell
        self._save = save
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._linger = linger
        self._delivered = place.delivered
        self._saved = place
        self._lost_before, self._lost_here = place.total_lost, 0
        self._untold, self._untold_since = place.untold, place.untold_since
        self._told_loss = self._told_certificate = float("-inf")

    @property
    def total_lost(self) -> int:
        """Messages that were lost since the drain was added."""
        return self._lost_before + self.buffer.total_lost

    @property
    def status(self) -> dict[str, Any]:
        """What `drains:info` shows."""
        oldest = self.buffer.oldest
        error = self.last_error
        return {
            "state": self.state.value,
            "waiting": self.buffer.waiting,
            "behind": self.buffer.full,
            "oldest_waiting": oldest / 1e6 if oldest is not None else None,
            "delivered": self._delivered,
            "lost": self.total_lost,
            "last_delivery": self.last_delivery,
            "last_error": {"at": error.at, "message": error.message} if error else None,
        }

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                await self._deliver()
        finally:
            self.state = after(self.state, State.CLOSED)
            self.keep()
            await self._sender.close()

    async def account(self) -> None:
        """Keep the place, and say in the app's log what was lost; to be called every few seconds."""
        self._note_losses()
        # What is being dropped at this moment is told in one number when it is over.
        if self._untold and not self.buffer.dropping and self._clock() - self._told_loss >= TELL_LOSS_EVERY:
            lost, since = self._untold, self._untold_since
            self._untold = self._untold_since = 0
            self._told_loss = self._clock()
            await self._tell(overflow(lost, since, self._token))
        self.keep()

    def keep(self) -> None:
        """Remember the place, if it is another."""
        self._note_losses()
        lost, since = self.buffer.untold
        place = replace(
            self._saved,
            cursor=self.buffer.cursor,
            lost=lost,
            since=since,
            untold=self._untold,
            untold_since=self._untold_since,
            total_lost=self.total_lost,
            delivered=self._delivered,
        )
        if place == self._saved:
            return
        try:
            self._save(place)
            self._saved = place
        except OSError as error:
            _log.warning("the place of drain %s cannot be kept: %s", self._token, error.strerror)

    async def _deliver(self) -> None:
        frame = await self.buffer.take(FRAME_BYTES, self._linger)
        try:
            await self._sender.send(frame)
        except Undelivered as error:
            await self._failed(error)
            return
        except Exception as error:  # noqa: BLE001 - a fault of ours is a failure like others: the frame comes again
            _log.exception("drain %s: a fault of the logplex", self._token)
            await self._failed(Undelivered(f"a fault of the logplex ({type(error).__name__}); its log has more"))
            return
        self.buffer.delivered()
        self._delivered += frame.count
        self._backoff.well()
        self.state = after(self.state, State.CONNECTED)
        self.last_delivery = self._clock()
        self.keep()

    async def _failed(self, error: Undelivered) -> None:
        self.last_error = Error(self._clock(), error.message)
        if error.final:
            self.buffer.refused()
            self.state = after(self.state, State.REJECTED)
        else:
            self.buffer.failed()
            self.state = after(self.state, State.RETRYING)
        self.keep()
        if error.certificate and self._clock() - self._told_certificate >= TELL_CERTIFICATE_EVERY:
            self._told_certificate = self._clock()
            await self._tell(f"Error L14 (Certificate validation error) -> Drain {self._token}: {error.message}.")
        await asyncio.sleep(self._backoff.pause(error.after))

    def _note_losses(self) -> None:
        new = self.buffer.total_lost - self._lost_here
        if new:
            self._lost_here += new
            self._untold += new
            self._untold_since = self._untold_since or self.buffer.since or self.buffer.last_lost
