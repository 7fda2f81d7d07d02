"""The pauser: says in an app's log that a pause is over when its time is, and has the router forget it.

The router needs nobody to end a pause: it knows until when. Of one that ended while hostd was not there it is said
later.
"""

from __future__ import annotations

from typing import Protocol

from hostd.events import Events, Subject
from hostd.ledger import Ledger
from hostd.lookout import Lookout

_LONGEST_LOOK = 60.0


class Nudged(Protocol):
    """What is needed of the dyno manager."""

    def nudge(self, app_id: str) -> None:
        """Say that the ledger has changed for this app."""


class Pauser:
    """Watches the pauses in the ledger."""

    def __init__(self, *, ledger: Ledger, manager: Nudged, events: Events) -> None:
        self._ledger = ledger
        self._manager = manager
        self._events = events
        self._lookout = Lookout("looking for pauses that are over", self._look, _LONGEST_LOOK)

    def start(self) -> None:
        """Begin to watch."""
        self._ledger.pauses.begun = self._lookout.nudge
        self._lookout.start()

    async def close(self) -> None:
        """Stop; pauses end all the same."""
        await self._lookout.close()

    async def _look(self) -> float:
        """Tell of the pauses that are over; returns in how many seconds to look again."""
        waits = [_LONGEST_LOOK]
        for app_id, rest in self._ledger.pauses.left():
            if rest > 0:
                waits.append(rest)
                continue
            self._ledger.pauses.end(app_id)
            self._events.platform(Subject(app_id), "router", "The pause is over, requests go on")
            self._manager.nudge(app_id)
        return min(waits)
