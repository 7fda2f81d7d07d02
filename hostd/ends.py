"""Ends told in order: what a process wrote stands in the log before it is said that it has exited.

What it wrote goes to journald by another socket than what hostd says of it, and journald reads the two in any order.
So journald is asked to write down what it has, and only then the end is said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from units.journal import JournalUnavailable

log = logging.getLogger(__name__)

LEAVING_SECONDS = 2.0
"""How long hostd, when it is stopped, waits for journald before it says what it has to say."""

Say = Callable[[str, str, str], None]
"""Writes a line: the app's id, the process, the text."""
Synchronize = Callable[[str], Awaitable[None]]
"""Returns when the journal of the app with this id has all that was sent to it. Raises JournalUnavailable."""


@dataclass(slots=True)
class _Lines:
    """Lines that wait for one answer of journald, in the order in which they came."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    processes: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Queue:
    """Of one app: the lines whose answer is under way, and those that came too late for it."""

    now: _Lines
    then: _Lines = field(default_factory=_Lines)
    task: asyncio.Task[None] | None = None


class Ends:
    """The ends that wait for journald; one question at a time for each app, however many dynos end at once."""

    def __init__(self, say: Say, synchronize: Synchronize) -> None:
        self._say = say
        self._synchronize = synchronize
        self._queues: dict[str, _Queue] = {}

    def add(self, app_id: str, process: str, lines: tuple[str, ...]) -> None:
        """Say these lines behind all that the process has written. A journald that does not answer only delays them."""
        queue = self._queues.get(app_id)
        if queue is None:
            queue = self._queues[app_id] = _Queue(_Lines())
            queue.task = asyncio.get_running_loop().create_task(self._tell(app_id, queue))
        # The question that is under way may have been asked before this process wrote its last.
        queue.then.processes.add(process)
        queue.then.lines += ((process, line) for line in lines)

    def hold(self, app_id: str, process: str, line: str) -> bool:
        """Keep a line back if an end of its process waits, and say it behind that; False if none waits."""
        queue = self._queues.get(app_id)
        for waiting in (queue.then, queue.now) if queue is not None else ():
            if process in waiting.processes:
                waiting.lines.append((process, line))
                return True
        return False

    async def close(self) -> None:
        """Say what waits, before hostd ends."""
        tasks = [queue.task for queue in self._queues.values() if queue.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=LEAVING_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _tell(self, app_id: str, queue: _Queue) -> None:
        try:
            while queue.then.lines:
                queue.now, queue.then = queue.then, _Lines()
                try:
                    await self._synchronize(app_id)
                except JournalUnavailable as error:
                    log.warning("the end of %s may stand before its last lines: %s", _names(queue.now), error)
                finally:
                    self._say_all(app_id, queue.now)
        finally:
            del self._queues[app_id]
            self._say_all(app_id, queue.then)

    def _say_all(self, app_id: str, waiting: _Lines) -> None:
        lines, waiting.lines = waiting.lines, []
        waiting.processes.clear()
        for process, line in lines:
            self._say(app_id, process, line)


def _names(waiting: _Lines) -> str:
    return ", ".join(sorted(waiting.processes))
