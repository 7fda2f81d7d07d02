"""Load: what an app has going on in this worker: its requests, those that queue for a dyno, and which dynos rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.backend import Backend
    from router.search import Search


class Load:
    """One app. It outlives table swaps, as its requests do.

    `active` counts requests from their beginning to their log line, WebSockets included, `paused` those that wait for
    the end of a pause. `ready` are the dynos that do not rest; all of them when all do, as one that refuses is then
    better than none.
    """

    __slots__ = ("_backends", "active", "paused", "queue", "ready")

    def __init__(self) -> None:
        self.active = 0
        self.paused = 0
        self.queue: deque[Search] = deque()
        self.ready: tuple[Backend, ...] = ()
        self._backends: tuple[Backend, ...] = ()

    def place(self, backends: Iterable[Backend], *, rested: bool) -> None:
        """These are the app's dynos now. `rested`: the table has news of them, so that none need rest on."""
        self._backends = tuple(backends)
        for backend in self._backends:
            backend.load = self
            backend.rests_until = 0.0 if rested else backend.rests_until
        self.update()

    def update(self) -> None:
        """Some dyno has begun to rest, or has rested."""
        ready = tuple(backend for backend in self._backends if not backend.rests_until)
        self.ready = ready or self._backends

    def next(self) -> None:
        """A dyno has room: the search that has waited longest may look again."""
        self.queue.popleft().route()
