"""Plane: what all requests of a worker share: the routes, the dynos behind them, who waits, and the counts."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from random import random
from time import monotonic
from typing import TYPE_CHECKING

from router.affinity import token
from router.backend import Backend
from router.doorman import Doorman, Guesses
from router.faults import Fault
from router.journal import ERROR, Journal
from router.load import Load
from router.masking import normal_name
from router.metrics import Metrics
from router.own_pages import OwnPages
from router.pace import Pace
from router.settings import Settings
from router.table import App, State, Table, normal_host
from router.turns import Turns

if TYPE_CHECKING:
    from router.search import Search
    from router.side import Connection


@dataclass(frozen=True, slots=True)
class Route:
    """An app with the backends of its dynos, and what is going on there. `open`: any request may go to any of them."""

    app: App
    backends: tuple[Backend, ...]
    load: Load
    open: bool
    sticky: Mapping[bytes, Backend]
    """What stands for each dyno in the cookies of clients, if they are to come back to theirs."""


class Calls:
    """Calls for sleeping apps, as one listener hears them: each app once, until it has been taken note of."""

    def __init__(self, waiting: set[str]) -> None:
        self._waiting = waiting
        self._news = asyncio.Event()
        self.over = False
        if waiting:
            self._news.set()

    def add(self, app_id: str) -> None:
        """A request came for this app."""
        self._waiting.add(app_id)
        self._news.set()

    def end(self) -> None:
        """Nobody will call any more."""
        self.over = True
        self._news.set()

    async def take(self, seconds: float) -> set[str]:
        """The apps that were called since the last time; empty if none was for so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)
        self._news.clear()
        taken, self._waiting = self._waiting, set()
        return taken


class Plane:
    """One per worker. Requests are handled on one event loop, so nothing here needs a lock."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        loop: asyncio.AbstractEventLoop,
        pages: Path | None = None,
        guesses: Guesses | None = None,
    ) -> None:
        self.settings = settings
        self.journal = journal
        self.loop = loop
        self.doorman = Doorman(loop, guesses)
        self.turns = Turns(loop)
        self._own_pages = OwnPages(pages)
        self.closing = False
        self.https_port = 0
        """Where https is served; 0 while it is not."""
        self.watch: Callable[[bool], object] = lambda proving: None
        """Told with each table whether certificate authorities are to be told from visitors at a handshake."""
        self.clients: set[Connection] = set()
        self.held: set[Search] = set()
        self.listeners: set[Calls] = set()
        self.last_request: dict[str, float] = {}
        """When a request to each app ended last (by its id)."""
        self.masks: dict[str, Set[str]] = {}
        """The (normal) names of query parameters that stay out of each app's log, by its id; "": of any app."""
        self.metrics = Metrics()
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.backends: dict[tuple[str, int, str], Backend] = {}
        self._loads: dict[str, Load] = {}
        self.table = Table()
        """The table in force."""
        self.loaded = False
        """Whether a table was ever loaded; before that no host can be said to be unknown."""
        self.changing = asyncio.Lock()
        """Held by whoever puts a table in force in pieces, and looks before whether it is newer."""
        self._routes: dict[str, Route] = {}
        """By the id of the app, of all apps of the table in force, and of one that is being put in force."""

    def find(self, host: str) -> Route | None:
        """The route of a Host header."""
        app = self.table.hosts.find(host)
        return self._routes[app.id] if app is not None else None

    def own_page(self, fault: Fault, app_id: str) -> bytes | None:
        """The page that an app shows for a fault; None for the built-in one, and for no app."""
        route = self._routes.get(app_id)
        return self._own_pages.of(route.app, fault) if route is not None else None

    def misdirected(self, asked_for: str, route: Route) -> bool:
        """Whether a TLS connection to one app (by the name its client asked for) brings a request for another."""
        other = self.find(asked_for)
        return other is not None and other.app.id != route.app.id

    def certificate(self, host: str) -> str:
        """The id of the certificate that its app has for a host; "" if it has none, or if there is no such app."""
        route = self.find(host)
        return route.app.certificate(normal_host(host)) if route else ""

    def proof(self, host: str) -> str:
        """The id of the certificate that a certificate authority is to be shown at a host; "" without one."""
        route = self.find(host)
        return route.app.proofs.get(normal_host(host), "") if route else ""

    def swap(self, table: Table) -> None:
        """Put a table in force. Requests in flight go on; those held are looked at again; only idle connections
        to dynos that are not in the new table are closed. An app that is the same object as before, as `Reader` gives
        those that have not changed, costs next to nothing."""
        for _ in self._swap(table):
            pass

    async def change(self, table: Table, pace: Pace | None = None) -> None:
        """As `swap`, but in pieces: requests go on meanwhile. Only for who holds `changing`."""
        pace = pace or Pace()
        for _ in self._swap(table):
            await pace.turn()

    def _swap(self, table: Table) -> Iterator[None]:
        """One step after the other, and after each requests may go on: all hosts change in one step, whichever app's
        they become, and with them what is asked of their visitors."""
        changed: list[tuple[Route, bool]] = []
        gone: list[tuple[str, set[Backend]]] = []
        for app in table.apps:
            before = self._routes.get(app.id)
            if before is None or before.app is not app:
                after = self._route(app)
                changed.append((after, before is None or app != before.app))
                gone.append((app.id, set(before.backends) - set(after.backends) if before else set()))
            yield
        leaving, self.table, self.loaded = [*self.table.apps], table, True
        for after, rested in changed:
            self._routes[after.app.id] = after
            after.load.place(after.backends, rested=rested)
        self.watch(table.hosts.proving)
        self.masks = {app.id: frozenset(map(normal_name, app.masked)) for app in table.apps if app.masked}
        if self.masks:
            self.masks[""] = frozenset().union(*self.masks.values())
        yield
        for app_id, backends in gone:
            self._retire(app_id, backends)
            yield
        for search in list(self.held):
            if search in self.held:
                search.route()
            yield
        known = {"", *(app.id for app in table.apps)}
        yield
        for app_id in self._routes.keys() - known:
            self._retire(app_id, self._routes.pop(app_id).backends)
            self.metrics.end(app_id)
            yield
        self.journal.forget(known)
        yield
        for app_id in self.last_request.keys() - known:
            del self.last_request[app_id]
        yield
        for app_id in self._loads.keys() - known:
            if not self._loads[app_id].active:
                del self._loads[app_id]
        while leaving:
            # To forget thousands of apps takes its time, too.
            leaving.pop()
            yield

    def _route(self, app: App) -> Route:
        backends: list[Backend] = []
        metrics = self.metrics.begin(app.id)
        metrics.keep([dyno.name for dyno in app.dynos])
        for dyno in app.dynos:
            key = (dyno.address, dyno.port, app.id)
            backend = self.backends.get(key) or Backend(dyno.address, dyno.port, self.settings)
            backend.name = dyno.name
            backend.live = True
            backend.series = metrics.dyno(dyno.name)
            self.backends[key] = backend
            backends.append(backend)
        load = self._loads.setdefault(app.id, Load())
        is_open = app.state is State.UP and bool(backends) and not (app.gate or app.affinity or app.paused_until)
        sticky = {token(app.affinity, backend.name): backend for backend in backends} if app.affinity else {}
        return Route(app, tuple(backends), load, is_open, sticky)

    def _retire(self, app_id: str, backends: Iterable[Backend]) -> None:
        for backend in backends:
            backend.retire()
            if not backend.busy:
                del self.backends[backend.address, backend.port, app_id]

    def call(self, app_id: str) -> None:
        """Say that a request waits for an app that sleeps."""
        for listener in self.listeners:
            listener.add(app_id)

    def called(self) -> set[str]:
        """The sleeping apps for which requests wait."""
        sleeping = {app.id for app in self.table.apps if app.state is State.IDLE}
        return sleeping & {search.app_id for search in self.held if not search.paused}

    def quiet(self, since: float) -> dict[str, float]:
        """For how many seconds each app has had no request, 0 while one goes on or a WebSocket is open.

        `since` is when we began to watch, for apps that had none yet.
        """
        now = monotonic()
        busy = {search.app_id for search in self.held}
        busy |= {app_id for (_, _, app_id), backend in self.backends.items() if backend.busy}
        return {
            app.id: 0.0 if app.id in busy else now - self.last_request.get(app.id, since) for app in self.table.apps
        }

    @staticmethod
    def choose(backends: Sequence[Backend], tried: Sequence[Backend]) -> Backend | None:
        """The less busy of two picked at random, leaving out those already tried; None when all were."""
        if tried:
            backends = [backend for backend in backends if backend not in tried]
        count = len(backends)
        if count < 2:
            return backends[0] if count else None
        first, second = int(random() * count), int(random() * (count - 1))  # noqa: S311 - spreads load, hides nothing
        if second >= first:
            second += 1
        one, other = backends[first], backends[second]
        return one if one.in_flight <= other.in_flight else other

    def serving(self, route: Route) -> bool:
        """Whether requests go to this app's dynos now."""
        return route.app.state is State.UP and bool(route.backends)

    def sweep(self, now: float) -> None:
        """Look at every deadline that has passed at `now` (`time.monotonic`)."""
        for client in list(self.clients):
            try:
                client.check(now)
            except Exception as error:  # noqa: BLE001 - told; the deadlines of all others are looked at all the same
                self.journal.say(f"H99 at a deadline: {error!r}", ERROR)
                client.transport.abort()
        for key, backend in list(self.backends.items()):
            backend.sweep(now)
            if not backend.live and not backend.busy:
                del self.backends[key]

    async def drained(self, addresses: set[str], timeout: float) -> tuple[int, int]:
        """Wait until no request is in flight at these dynos (`"address:port"`), at most `timeout` seconds.

        Returns the requests and the tunnels (WebSockets) that are left. Tunnels do not hold the answer up; they are
        closed at the deadline.
        """
        deadline = self.loop.time() + timeout
        leaving = [backend for backend in self.backends.values() if backend.spot in addresses]
        waits = [asyncio.ensure_future(backend.quiet()) for backend in leaving if backend.in_flight]
        if waits:
            _, pending = await asyncio.wait(waits, timeout=timeout)
            for wait in pending:
                wait.cancel()
        for backend in leaving:
            if backend.tunnels:
                self.loop.call_at(deadline, backend.close_tunnels)
        return sum(backend.in_flight for backend in leaving), sum(len(backend.tunnels) for backend in leaving)
