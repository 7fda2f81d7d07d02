"""Processes that run together: their output in one stream, line by line, and all of them ended when one ends.

Each has a session, and so a process group, of its own: what ends it reaches all that it started. Threads read and wait
and put what happens into one queue; everything is decided where that is read.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import IO

from hostd.local.plan import Process

LONGEST_LINE = 64 * 1024
"""Bytes of a line that are shown in one piece."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OF_SIGNAL = 128
"""What a shell adds to a signal's number to make a status."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something a process wrote, without its line end."""

    name: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """A process has ended, with a status as a shell has it."""

    name: str
    status: int


@dataclass(frozen=True, slots=True)
class Silent:
    """Nobody can write for a process any more."""

    name: str


@dataclass(frozen=True, slots=True)
class Told:
    """We were sent a signal."""

    number: int


Event = Line | Ended | Silent | Told


class NotStarted(Exception):  # noqa: N818 - says what happened
    """A process could not be started; the text says which, and why."""


@dataclass(slots=True)
class _Member:
    child: subprocess.Popen[bytes]
    ended: bool = False
    silent: bool = False


@dataclass(slots=True)
class Crew:
    """Runs processes until one ends or a signal comes; `show` is told what they write, `say` what becomes of them."""

    show: Callable[[str, bytes], None]
    say: Callable[[str], None]
    grace: float
    clock: Callable[[], float] = time.monotonic
    _events: queue.SimpleQueue[Event] = field(default_factory=queue.SimpleQueue)
    _members: dict[str, _Member] = field(default_factory=dict)

    def run(self, processes: Sequence[tuple[Process, Mapping[str, str]]], shell: str, folder: str) -> int:
        """Run them all; the status of the one that ended first, or 128 and the number of the signal that came.

        Raises NotStarted, and OSError if what they write cannot be shown. Whatever happens, none is left running.
        """
        with _noticing(self._events.put):
            try:
                for process, env in processes:
                    self._start(process, env, shell, folder)
                status = self._watch()
                self._end_all(signal.SIGTERM)
                return status
            finally:
                self._kill_all()

    def _start(self, process: Process, env: Mapping[str, str], shell: str, folder: str) -> None:
        try:
            child = subprocess.Popen(
                (shell, "-c", process.line),
                cwd=folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise NotStarted(f"{process.name} cannot be started: {error.strerror}.") from error
        self._members[process.name] = _Member(child)
        assert child.stdout is not None
        for work in (_read, child.stdout), (_wait, child):
            threading.Thread(target=work[0], args=(process.name, work[1], self._events.put), daemon=True).start()
        self.say(f"{process.name} started with pid {child.pid}, port {process.port}")

    def _watch(self) -> int:
        """Show what comes until it is over; the status."""
        while True:
            event = self._events.get()
            if isinstance(event, Told):
                self.say(f"{signal.Signals(event.number).name} received: ending all processes")
                return OF_SIGNAL + event.number
            self._note(event)
            if isinstance(event, Ended):
                return event.status

    def _end_all(self, number: signal.Signals) -> None:
        """Signal every group, and wait until all are gone and silent, as long as they may take or we are told again."""
        self._signal_all(number)
        deadline = self.clock() + self.grace
        while not all(member.ended and member.silent for member in self._members.values()):
            try:
                event = self._events.get(timeout=max(0.0, deadline - self.clock()))
            except queue.Empty:
                late = [name for name, member in self._members.items() if not (member.ended and member.silent)]
                self.say(f"{', '.join(late)} did not end within {self.grace:g} s: killing what is left")
                return
            if isinstance(event, Told):
                return
            self._note(event)

    def _note(self, event: Line | Ended | Silent) -> None:
        if isinstance(event, Line):
            self.show(event.name, event.text)
        elif isinstance(event, Silent):
            self._members[event.name].silent = True
        else:
            self._members[event.name].ended = True
            by = f" by {_name(event.status - OF_SIGNAL)}" if event.status > OF_SIGNAL else ""
            self.say(f"{event.name} ended with status {event.status}{by}")

    def _kill_all(self) -> None:
        self._signal_all(signal.SIGKILL)
        for member in self._members.values():
            member.child.wait()

    def _signal_all(self, number: signal.Signals) -> None:
        # Also the groups of those that have ended: what they have started may go on. They are not reaped before the
        # last signal, so that no other group can have the number.
        for member in self._members.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(member.child.pid, number)


@contextlib.contextmanager
def _noticing(tell: Callable[[Event], None]) -> Iterator[None]:
    """Have signals told instead of obeyed."""

    def handle(number: int, _frame: FrameType | None) -> None:
        tell(Told(number))

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _read(name: str, output: IO[bytes], tell: Callable[[Event], None]) -> None:
    with output:
        while line := output.readline(LONGEST_LINE):
            tell(Line(name, line.removesuffix(b"\n").removesuffix(b"\r")))
    tell(Silent(name))


def _wait(name: str, child: subprocess.Popen[bytes], tell: Callable[[Event], None]) -> None:
    if not hasattr(os, "waitid"):
        # Python before 3.13 on a Mac.
        status = child.wait()
        tell(Ended(name, OF_SIGNAL - status if status < 0 else status))
        return
    # WNOWAIT: the process stays a zombie, and its number its own.
    try:
        found = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        # It was killed and reaped in between. A traceback of this thread while Python ends would have that abort.
        return
    assert found is not None
    by_signal = found.si_code != os.CLD_EXITED
    tell(Ended(name, OF_SIGNAL + found.si_status if by_signal else found.si_status))


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
