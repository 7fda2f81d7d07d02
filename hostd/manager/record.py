"""What the manager remembers of one dyno between two looks at systemd. All of it can be derived anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hostd.manager.dyno import Dyno, DynoId, DynoState, transition
from hostd.manager.planner import Observed, Phase


def wall_time(mark: float) -> float:
    """A moment of the manager's clock (seconds, monotonic) in seconds since the epoch, as far as the clock is right."""
    return time.time() - (time.monotonic() - mark)


@dataclass(slots=True)
class Record:
    """A dyno that exists or has just ended, and the task that is busy with it.

    Its times are by the manager's own clock, which nobody sets.
    """

    id: DynoId
    app_id: str
    command: str
    size: str
    state: DynoState
    since: float
    phase: Phase
    crashes: int = 0
    retry_at: float = 0.0
    cycle_at: float | None = None
    exit_status: int | None = None
    reason: str = ""
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    def move(self, state: DynoState, now: float) -> str:
        """Change the state and return Heroku's words for it."""
        words = f"State changed from {self.state.value} to {state.value}"
        self.state = transition(self.state, state)
        self.since = now
        return words

    def observed(self) -> Observed:
        """This dyno as the planner sees it."""
        return Observed(
            unit=self.id.unit,
            type=self.id.type,
            number=self.id.number,
            version=self.id.version,
            phase=self.phase,
            retry_at=self.retry_at,
            size=self.size,
            cycle_at=self.cycle_at,
        )

    def view(self, *, serving: bool = False, moment: Callable[[float], float] = wall_time) -> Dyno:
        """This dyno as a user sees it; `moment` makes times of the manager's clock those of the wall's."""
        return Dyno(
            id=f"{self.app_id}:{self.id.name}:v{self.id.version}",
            app_id=self.app_id,
            name=self.id.name,
            type=self.id.type,
            number=self.id.number,
            version=self.id.version,
            state=self.state,
            since=moment(self.since),
            command=self.command,
            size=self.size,
            address=self.id.place.address,
            port=self.id.place.port,
            retry_at=moment(self.retry_at) if self.phase is Phase.CRASHED else None,
            serving=serving,
            exit_status=self.exit_status,
            reason=self.reason,
            unit=self.id.unit,
        )
