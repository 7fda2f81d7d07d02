"""Copies bytes between our terminal or pipes and those of a dyno, while listening for news of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hostd.cli.attach import Attachment

PIECE = 64 * 1024
SETTLE_SECONDS = 1.0
"""How long to wait for output that is still on its way once the command has ended."""
LOOK_SECONDS = 0.5
"""How often to look for what the thread found that asks for a dyno after hostd went away."""

_BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL


@dataclass(slots=True)
class Flow:
    """Bytes from one descriptor to another, until the source ends."""

    source: int
    sink: int
    to_dyno: bool
    closes_sink: bool = False
    pending: bytes = b""
    ended: bool = field(default=False)

    def read(self) -> None:
        """Take in a piece; the end of the source ends the flow."""
        try:
            self.pending = os.read(self.source, PIECE)
        except BlockingIOError:
            return
        except OSError:
            # A terminal whose other side is closed reads as EIO.
            self.pending = b""
        if not self.pending:
            self._end()

    def write(self) -> None:
        """Pass on what is pending, as much as goes."""
        try:
            self.pending = self.pending[os.write(self.sink, self.pending) :]
        except BlockingIOError:
            return
        except OSError:
            if not self.to_dyno:
                raise
            # The command has closed its input, or is gone: what we still have for it is of no use.
            self.pending = b""
            self._end()

    def _end(self) -> None:
        self.ended = True
        if self.closes_sink:
            os.close(self.sink)


class Relay:
    """Runs flows until the command has ended.

    `ask` finds out how it ended after hostd has gone away: it blocks, so it runs in a thread, and the terminal
    goes on. `output` is the descriptor whose reader must stay for the command to go on.
    """

    def __init__(
        self,
        attachment: Attachment,
        flows: list[Flow],
        *,
        output: int,
        ask: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._attachment = attachment
        self._flows = flows
        self._output = output
        self._asking = _Asking(ask)
        self._clock = clock

    def run(self) -> int:
        """Copy until the command has ended and its output is out; return its exit status.

        Raises BrokenPipeError if the reader of our output has gone, and whatever `ask` raises once no more
        output comes.
        """
        while (status := self._status()) is None:
            self._turn(LOOK_SECONDS if self._attachment.lost else None)
        self._drain()
        return status

    def _status(self) -> int | None:
        if self._attachment.status is not None or not self._attachment.lost:
            return self._attachment.status
        self._asking.begin()
        if self._asking.error is not None and not any(self._open_outputs()):
            raise self._asking.error
        return self._asking.status

    def _drain(self) -> None:
        self._flows = [flow for flow in self._flows if not flow.to_dyno]
        deadline = self._clock() + SETTLE_SECONDS
        while any(self._open_outputs()) and (left := deadline - self._clock()) > 0:
            if self._turn(left):
                deadline = self._clock() + SETTLE_SECONDS

    def _open_outputs(self) -> Iterator[Flow]:
        return (flow for flow in self._flows if not flow.to_dyno and (flow.pending or not flow.ended))

    def _turn(self, timeout: float | None) -> bool:
        """Wait once and do what can be done; True if bytes moved."""
        acts: dict[int, list[tuple[int, Callable[[], None]]]] = {self._output: []}
        for flow in self._flows:
            if flow.pending:
                acts.setdefault(flow.sink, []).append((select.POLLOUT, flow.write))
            elif not flow.ended:
                acts.setdefault(flow.source, []).append((select.POLLIN, flow.read))
        if not self._attachment.lost and self._attachment.status is None:
            acts.setdefault(self._attachment.fileno(), []).append((select.POLLIN, self._attachment.read))
        poll = select.poll()
        for descriptor, wanted in acts.items():
            poll.register(descriptor, sum({event for event, _ in wanted}))
        moved = False
        for descriptor, events in poll.poll(None if timeout is None else timeout * 1000):
            if descriptor == self._output and events & _BROKEN:
                raise BrokenPipeError
            for event, act in acts[descriptor]:
                if events & (event | _BROKEN):
                    act()
                    moved = moved or act != self._attachment.read
        return moved


class _Asking:
    """Asks in a thread, so that nothing waits for the answer."""

    def __init__(self, ask: Callable[[], int]) -> None:
        self._ask = ask
        self._thread: threading.Thread | None = None
        self.status: int | None = None
        self.error: Exception | None = None

    def begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            self.status = self._ask()
        except Exception as error:  # noqa: BLE001 - raised again in the main thread
            self.error = error


@contextlib.contextmanager
def raw_terminal(descriptor: int) -> Iterator[None]:
    """Hand every key on as it is, and put the terminal back afterwards, whatever happens."""
    before = termios.tcgetattr(descriptor)
    terminated = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        # TCSADRAIN, not the default TCSAFLUSH: what was typed while the dyno started is not lost.
        tty.setraw(descriptor, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, terminated)


@contextlib.contextmanager
def same_size(terminal: int, other: int) -> Iterator[None]:
    """Keep another terminal as large as ours."""

    def copy(*_: object) -> None:
        with contextlib.suppress(OSError):
            fcntl.ioctl(other, termios.TIOCSWINSZ, fcntl.ioctl(terminal, termios.TIOCGWINSZ, b"\0" * 8))

    copy()
    before = signal.signal(signal.SIGWINCH, copy)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
