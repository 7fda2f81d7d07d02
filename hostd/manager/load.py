"""Load averages of a dyno, as the kernel has them of the whole machine. Pure.

The kernel counts the tasks that run or wait for a processor every five seconds and lets each count fade
(kernel/sched/loadavg.c). Here the count is the exact mean of the time since the last look: what was run, and what was
waited, by that time. As on Heroku tasks that wait for a disk do not count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

PERIODS = (60.0, 300.0, 900.0)
"""Seconds in which a count fades to a third (1/e)."""
NANOSECONDS = 1e-9


@dataclass(frozen=True, slots=True)
class Load:
    """The averages of one, five and fifteen minutes; they begin at nothing, as the kernel's do at boot."""

    one: float = 0.0
    five: float = 0.0
    fifteen: float = 0.0

    def after(self, runnable: float, seconds: float) -> Load:
        """The averages after so many seconds in which so many tasks were runnable."""
        before = (self.one, self.five, self.fifteen)
        kept = [math.exp(-seconds / period) for period in PERIODS]
        return Load(*(was * keep + runnable * (1 - keep) for was, keep in zip(before, kept, strict=True)))


def runnable(ran: float, before: Mapping[int, int], now: Mapping[int, int], seconds: float) -> float:
    """How many tasks were runnable on average: together they `ran` so many seconds.

    How long each thread has waited in its life, in nanoseconds, by number. A number that is new, or whose time has
    shrunk, is another thread's. What threads waited that have ended since is not known.
    """
    waited = sum(time - (was if (was := before.get(thread, 0)) <= time else 0) for thread, time in now.items())
    return max(0.0, ran + waited * NANOSECONDS) / seconds
