"""A bus connection that an event loop watches, and that comes back after PID 1 re-executed."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from units.bus import Bus, BusError, BusLost, Signal
from units.errors import SystemdError, SystemdUnavailable, UnknownUnit

T = TypeVar("T")

_TICK = 1.0
_RECONNECT = 0.02
_BLINK = 5.0
"""Seconds for which PID 1 may turn everybody away while it re-executes; usually a fifth of one."""


class Connection:
    """Keeps one Bus open. ``on_signal`` gets every signal, ``on_lost`` is called after signals may be missing."""

    def __init__(self, address: str, on_signal: Callable[[Signal], None], on_lost: Callable[[], None]) -> None:
        self._address = address
        self._on_signal = on_signal
        self._on_lost = on_lost
        self._bus: Bus | None = None
        self._descriptor = -1
        self._missed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tick: asyncio.TimerHandle | None = None
        self.detailed: set[str] = set()
        """Units whose signals are wanted with the new values."""

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connect and watch the bus in an event loop; raises SystemdUnavailable when systemd is not there."""
        if self._loop is loop:
            return
        self.close()
        self._loop = loop
        self._open()
        self._tick = loop.call_later(_TICK, self._ticked)

    def close(self) -> None:
        """Hang up."""
        self._drop()
        self._missed = False
        if self._tick is not None:
            self._tick.cancel()
        self._loop = self._tick = None

    def call(self, call: Callable[[Bus], T]) -> T:
        """Do something with the bus, and again on a new connection if this one turns out to be lost.

        Raises UnknownUnit, SystemdError with systemd's reason, or SystemdUnavailable.
        """
        last = time.monotonic() + _BLINK
        while True:
            try:
                with self.once() as bus:
                    return call(bus)
            except BusLost as error:
                if error.timed_out or time.monotonic() >= last:
                    raise SystemdUnavailable(str(error)) from error
                self._drop()
            except BusError as error:
                raise refused(error) from error

    @contextlib.contextmanager
    def once(self) -> Iterator[Bus]:
        """The bus for one call that must not be repeated blindly; BusLost and BusError pass through."""
        # Signals that arrive during a call wait in sd-bus's own queue: no readable event announces them.
        try:
            yield self._open()
        finally:
            if self._loop is not None:
                self._loop.call_soon(self._drain)

    async def again(self, deadline: float) -> None:
        """Return with a new connection; PID 1 needs a moment to listen again after it re-executed.

        Raises SystemdUnavailable when the loop's clock passes ``deadline``.
        """
        self._drop()
        while True:
            try:
                self._open(patience=0)
            except SystemdUnavailable:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(_RECONNECT)
            else:
                return

    def _open(self, patience: float = _BLINK) -> Bus:
        last = time.monotonic() + patience
        while self._bus is None:
            try:
                self._bus = Bus(self._address)
            except BusLost as error:
                if error.absent or time.monotonic() >= last:
                    raise SystemdUnavailable(str(error)) from error
                time.sleep(_RECONNECT)
            else:
                self._opened(self._bus)
        return self._bus

    def _opened(self, bus: Bus) -> None:
        self._descriptor = bus.fileno()
        if self._loop is not None:
            self._loop.add_reader(self._descriptor, self._drain)
            if self._missed:
                self._loop.call_soon(self._on_lost)
        self._missed = False

    def _drop(self) -> None:
        # A lost bus has closed its descriptor already, so the number is remembered here.
        if self._bus is not None:
            if self._loop is not None:
                self._loop.remove_reader(self._descriptor)
            self._bus.close()
            self._bus = None
            self._missed = True

    def _drain(self) -> None:
        if self._bus is None:
            return
        self._bus.detailed = self.detailed
        try:
            signals, more = self._bus.signals()
        except BusLost:
            self._drop()
            self._open_if_possible()
            return
        for signal in signals:
            self._on_signal(signal)
        if more and self._loop is not None:
            self._loop.call_soon(self._drain)

    def _ticked(self) -> None:
        if self._loop is None:
            return
        self._tick = self._loop.call_later(_TICK, self._ticked)
        if self._bus is None:
            self._open_if_possible()
        self._drain()

    def _open_if_possible(self) -> None:
        with contextlib.suppress(SystemdUnavailable):
            self._open(patience=0)


def refused(error: BusError) -> SystemdError:
    """systemd's refusal of a call, for callers."""
    return UnknownUnit(str(error)) if error.no_such_unit else SystemdError(str(error))
