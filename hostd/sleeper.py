"""The sleeper: lets apps sleep that nobody asks for, and wakes them for the first request.

That an app sleeps is intent, and stands in the ledger: it outlives hostd, the router and the machine. The router holds
the requests for an app that sleeps, and says so on its control socket.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import aiohttp

from hostd.errors import HostdError
from hostd.events import Events, Subject
from hostd.ledger import Ledger
from hostd.ledger.idling import Idle
from hostd.lookout import Lookout
from hostd.manager.dyno import Dyno, DynoState
from hostd.manager.idle import awake_for

log = logging.getLogger(__name__)

_SHORTEST_LOOK, _LONGEST_LOOK = 1.0, 60.0
_LISTEN_AGAIN_SECONDS = 0.5
"""How long a request may wait for a worker that was restarted to be listened to."""


class Dynos(Protocol):
    """What is needed of the dyno manager."""

    def dynos(self, app_id: str) -> list[Dyno]:
        """The app's dynos."""

    def nudge(self, app_id: str) -> None:
        """Say that the ledger has changed for this app."""


class Router(Protocol):
    """What is needed of `hostd.manager.routing.Routing`."""

    async def quiet(self) -> dict[str, float]:
        """For how many seconds each app has had no request."""

    def calls(self, worker: int) -> AsyncIterator[str]:
        """The sleeping apps for which requests come to a worker."""


class Sleeper:
    """Watches the apps that may sleep."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        manager: Dynos,
        router: Router,
        workers: int,
        events: Events,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._manager = manager
        self._router = router
        self._workers = workers
        self._events = events
        self._clock = clock
        self._lookout = Lookout("looking for apps that may sleep", self._look, _LONGEST_LOOK)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to watch, and to listen to the router."""
        self._tasks = [asyncio.create_task(self._listen(worker)) for worker in range(1, self._workers + 1)]
        self._lookout.start()

    async def close(self) -> None:
        """Stop; what sleeps goes on sleeping."""
        await self._lookout.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def nudge(self) -> None:
        """Say that an app may sleep earlier than was known."""
        self._lookout.nudge()

    def wake(self, app_id: str) -> bool:
        """Let an app be awake; whether it slept."""
        idle = self._ledger.idling.get(app_id)
        if idle is None or not self._sleeps(idle):
            return False
        sleeping = [dyno.name for dyno in self._manager.dynos(app_id) if dyno.state is DynoState.IDLE]
        self._ledger.idling.end(app_id)
        self._say(app_id, sleeping, "Unidling")
        self._manager.nudge(app_id)
        self.nudge()
        return True

    async def _look(self) -> float:
        """Let those sleep that may; returns in how many seconds to look again."""
        known = self._ledger.idling.list()
        # One that sleeps may be woken by a release of which nobody tells us.
        waits = [_LONGEST_LOOK, *(max(float(idle.after), _SHORTEST_LOOK) for idle in known)]
        awake = [idle for idle in known if not self._sleeps(idle)]
        quiet = await self._router.quiet() if awake else {}
        for idle in awake:
            web = [dyno for dyno in self._manager.dynos(idle.app_id) if dyno.type == "web"]
            rest = awake_for(idle.after, quiet.get(idle.app_id, 0.0), web, self._clock())
            if rest > 0:
                waits.append(max(rest, _SHORTEST_LOOK))
            else:
                self._ledger.idling.begin(idle.app_id, self._version(idle))
                self._say(idle.app_id, [dyno.name for dyno in web], "Idling")
                self._manager.nudge(idle.app_id)
        return min(waits)

    async def _listen(self, worker: int) -> None:
        while True:
            try:
                async for app_id in self._router.calls(worker):
                    self._called(app_id)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                log.debug("router worker %d cannot be listened to: %s", worker, error)
            await asyncio.sleep(_LISTEN_AGAIN_SECONDS)

    def _called(self, app_id: str) -> None:
        try:
            if not self.wake(app_id):
                # The router does not know yet that it is awake.
                self._manager.nudge(app_id)
        except HostdError as error:
            log.warning("app %s cannot be woken: %s", app_id, error)

    def _sleeps(self, idle: Idle) -> bool:
        return idle.idled_version is not None and idle.idled_version == self._version(idle)

    def _version(self, idle: Idle) -> int:
        return self._ledger.releases.current(idle.app_id).version

    def _say(self, app_id: str, dynos: list[str], text: str) -> None:
        for dyno in dynos:
            self._events.platform(Subject(app_id), dyno, text)
