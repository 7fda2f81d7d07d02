"""What the manager remembers of one dyno between two looks at systemd. All of it can be derived anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hostd.manager.dyno import Dyno, DynoId, DynoState, transition
from hostd.manager.planner import Observed, Phase, Why

_SET_SECONDS = 1.0
"""A wall clock that is so much off what it was has been set."""


class WallTime:
    """Moments of the manager's clock (seconds, monotonic) in seconds since the epoch.

    Follows a clock that is set, and not its small corrections: a moment is shown the same each time.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._ahead = wall() - monotonic()

    def __call__(self, mark: float) -> float:
        """The moment by the clock on the wall, in seconds since the epoch."""
        ahead = self._wall() - self._monotonic()
        if abs(ahead - self._ahead) >= _SET_SECONDS:
            self._ahead = ahead
        return mark + self._ahead


wall_time = WallTime()


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
    due: Why | None = None
    exit_status: int | None = None
    reason: str = ""
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def running(self) -> bool:
        """True for a dyno whose end would be news: not one whose launch or stop is under way."""
        return self.phase is Phase.UP or (self.phase is Phase.STARTING and self.state is DynoState.STARTING)

    def was_changed(self) -> None:
        """Have it replaced, as somebody has changed its unit."""
        self.due = Why.CHANGED

    def logs_elsewhere(self) -> None:
        """Note that an older hostd started it, whose apps' logs were in another place."""
        self.due = Why.LOG_MOVED

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
            due=self.due,
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
            stopping=self.phase is Phase.STOPPING and self.state in (DynoState.STARTING, DynoState.UP),
            exit_status=self.exit_status,
            reason=self.reason,
            unit=self.id.unit,
        )
