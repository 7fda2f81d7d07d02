"""Search: finding a dyno for a request when no pooled connection is at hand: connect, try others, wait for news.

Not a byte of the request has been sent while it is searched for, or the request may be sent twice; so every failure
here is free to end at another dyno.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from time import monotonic, time
from typing import TYPE_CHECKING

from router import affinity, faults
from router.backend import Backend
from router.doorman import Check
from router.faults import Fault
from router.gate import Gate, without_credentials
from router.journal import ERROR
from router.table import App, State
from router.upstream import Upstream

if TYPE_CHECKING:
    from router.exchange import Exchange
    from router.load import Load
    from router.plane import Route

_FAULT_OF_STATE = {
    State.MAINTENANCE: faults.H80,
    State.NONE: faults.H14,
    State.CRASHED: faults.H10,
}


class Search:
    """The search for one exchange. While it waits it is in `Plane.held`, and every new table calls `route`."""

    __slots__ = (
        "_admitted", "_avoided", "_check", "_exchange", "_fault", "_line", "_paused", "_task", "_tried",
        "connecting_since",
    )  # fmt: skip

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._tried: tuple[Backend, ...] = ()
        self._avoided: Backend | None = None
        self._fault: Fault = faults.H99
        self._line: deque[Search] = deque()
        self._admitted: Gate | None = None
        self._check: Check | None = None
        self._paused: Load | None = None
        self._task: asyncio.Task[None] | None = None
        self.connecting_since = 0.0

    @property
    def app_id(self) -> str:
        """The app that the request is for."""
        return self._exchange.app_id

    @property
    def paused(self) -> bool:
        """Whether it waits for the end of a pause."""
        return self._paused is not None

    def route(self) -> None:
        """Look the app up in the table as it is now, and act on its state."""
        exchange = self._exchange
        plane = exchange.client.plane
        if self in plane.held:
            self._let_go()
            self._tried = ()
        route = plane.find(exchange.head.host)
        if route is None:
            if plane.loaded:
                exchange.fail(faults.NO_APP)
            else:
                self._hold(faults.NO_TABLE, exchange.arrived + plane.settings.settle)
            return
        if exchange.answered_here(route) or not exchange.enter(route) or not self._admit(route.app):
            return
        fault = _FAULT_OF_STATE.get(route.app.state)
        if fault is not None:
            exchange.fail(fault)
        elif route.app.paused_until > time():
            self._pause(route)
        elif plane.serving(route):
            self._choose(route)
        else:
            self._hold(faults.H20, exchange.arrived + plane.settings.boot_wait)
            if route.app.state is State.IDLE:
                plane.call(route.app.id)

    def again(self, avoided: Backend) -> None:
        """The request is to be sent a second time, to another dyno than this if there is one."""
        self._avoided = avoided
        self.route()

    def connect(self, backend: Backend) -> None:
        """Make a new connection to this dyno and send the request on it."""
        exchange = self._exchange
        plane = exchange.client.plane
        backend.in_flight += 1
        exchange.backend = backend
        self.connecting_since = monotonic()
        exchange.deadline = self.connecting_since + plane.settings.connect
        self._task = plane.loop.create_task(self._reach(backend))

    def expired(self) -> None:
        """The time for connecting, or for waiting, is over."""
        if self._task is not None:
            self._task.cancel()
            self._unreachable(faults.H19)
        else:
            paused = self._paused is not None
            self._let_go()
            if paused and monotonic() < self._exchange.arrived + self._exchange.client.plane.settings.pause_wait:
                self.route()
            else:
                self._exchange.fail(self._fault)

    def cancel(self) -> None:
        """Nobody waits for the outcome any more."""
        self._let_go()
        if self._task is not None:
            self._task.cancel()
            self._task = None
            assert self._exchange.backend is not None
            self._exchange.backend.leave()

    def _admit(self, app: App) -> bool:
        """Whether the app's gate lets the request in now. If not, it has failed, or its password is being checked."""
        if app.gate is None or app.gate is self._admitted:
            return True
        exchange = self._exchange
        plane = exchange.client.plane
        verdict = plane.doorman.judge(
            app.name, app.gate, exchange.client.origin.address, exchange.fields(b"authorization")
        )
        if verdict is None:
            self._admitted = app.gate
            if app.gate.users:
                exchange.head.wire = without_credentials(exchange.head.wire)
            return True
        if isinstance(verdict, Fault):
            exchange.fail(verdict)
        else:
            self._check, self._fault = verdict, faults.H42
            exchange.deadline = monotonic() + plane.settings.first_byte
            verdict.add_done_callback(self._checked)
        return False

    def _checked(self, check: Check) -> None:
        self._check = None
        if check.cancelled():
            # The worker ends.
            return
        error = check.exception()
        if error is None:
            self.route()
        else:
            exchange = self._exchange
            exchange.client.plane.journal.say(f"H99 request_id={exchange.head.request_id}: {error!r}", ERROR)
            exchange.fail(faults.H99)

    def _choose(self, route: Route) -> None:
        plane = self._exchange.client.plane
        backend = self._known(route) if route.sticky else None
        if backend is None and self._avoided is not None:
            backend = plane.choose(route.load.ready, (*self._tried, self._avoided))
        backend = backend or plane.choose(route.load.ready, self._tried) or plane.choose(route.backends, self._tried)
        if backend is not None and backend.full:
            backend = next((other for other in route.load.ready if not other.full and other not in self._tried), None)
            if backend is None:
                self._queue(route)
                return
        if backend is not None and len(self._tried) < plane.settings.max_tries:
            if route.sticky:
                self._remember(route, backend)
            self._use(backend)
        else:
            # Every dyno refused. The dyno manager sees a dead dyno at once; its next table says what is to be done.
            self._hold(self._fault, monotonic() + plane.settings.settle)

    def _known(self, route: Route) -> Backend | None:
        """The dyno that the client had, if it can be had again."""
        for token in affinity.tokens(self._exchange.fields(b"cookie")):
            backend = route.sticky.get(token)
            if backend in route.load.ready and backend not in self._tried:
                return backend
        return None

    def _remember(self, route: Route, backend: Backend) -> None:
        """See to it that the client knows this dyno again."""
        exchange = self._exchange
        token = affinity.token(route.app.affinity, backend.name)
        known = token in affinity.tokens(exchange.fields(b"cookie"))
        secure = exchange.client.origin.protocol == "https"
        exchange.cookie = b"" if known else affinity.line(token, secure=secure)

    def _use(self, backend: Backend) -> None:
        """Send the request on a pooled connection, but a second time only on a new one."""
        exchange = self._exchange
        first = not self._tried and self._avoided is None
        upstream = backend.take(not exchange.head.replayable) if first else None
        if upstream is None:
            self.connect(backend)
            return
        backend.in_flight += 1
        exchange.backend = backend
        exchange.send(upstream)

    def _queue(self, route: Route) -> None:
        """Every dyno has enough to do: wait until one has answered something."""
        settings = self._exchange.client.plane.settings
        self._line = route.load.queue
        if len(self._line) >= settings.max_queue * len(route.backends):
            self._exchange.fail(faults.H11)
            return
        self._line.append(self)
        self._hold(faults.H11, self._exchange.arrived + settings.first_byte)

    def _let_go(self) -> None:
        """Wait no longer, whatever for."""
        self._exchange.client.plane.held.discard(self)
        if self._check is not None:
            self._check.remove_done_callback(self._checked)
            self._check = None
        if self._paused is not None:
            self._paused.paused -= 1
            self._paused = None
        if self in self._line:
            self._line.remove(self)

    def _pause(self, route: Route) -> None:
        """Wait for the end of a pause: the app's next table says it, or the time does."""
        exchange = self._exchange
        settings = exchange.client.plane.settings
        if route.load.paused >= settings.max_queue * max(1, len(route.backends)):
            exchange.fail(faults.H11)
            return
        self._paused = route.load
        route.load.paused += 1
        over = monotonic() + route.app.paused_until - time()
        self._hold(faults.H84, min(exchange.arrived + settings.pause_wait, over))

    def _hold(self, fault: Fault, until: float) -> None:
        self._fault = fault
        self._exchange.deadline = until
        self._exchange.client.plane.held.add(self)

    async def _reach(self, backend: Backend) -> None:
        plane = self._exchange.client.plane
        if self._exchange.client.gone():
            # Thousands of requests may come of which this is true, and a connection costs more than all else of them.
            self._exchange.abandon(faults.H27)
            return
        try:
            _, upstream = await plane.loop.create_connection(
                lambda: Upstream(backend, plane.settings), backend.address, backend.port
            )
        except OSError as error:
            self._unreachable(_fault_of(error))
            return
        self._task = None
        self._exchange.connect = monotonic() - self.connecting_since
        self._exchange.send(upstream)

    def _unreachable(self, fault: Fault) -> None:
        backend = self._exchange.backend
        assert backend is not None
        self._task = None
        self._fault = fault
        self._tried = (*self._tried, backend)
        self._exchange.connect = monotonic() - self.connecting_since
        if fault is not faults.H99:
            backend.rest()
        backend.leave()
        self.route()


def _fault_of(error: OSError) -> Fault:
    if isinstance(error, ConnectionError):
        return faults.H21
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT):
        return faults.H19
    return faults.H99
