"""Waiting for what a test expects: asked again and again, with a deadline, never a blind sleep."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = "HOSTD_TEST_PATIENCE"
"""The variable that says how many times longer everything may take on a slow machine."""
REST = 2.0
"""How much longer than asking took it rests before it asks again: who asks with a command keeps a processor busy that
the answer waits for."""
LONGEST_REST = 0.5
_NEVER = threading.Event()


def patient(seconds: float) -> float:
    """So many seconds of a usual machine's."""
    return seconds * float(os.environ.get(PATIENCE, "1"))


def wait_until(condition: Callable[[], T], seconds: float = 10.0, *, every: float = 0.05, what: str = "") -> T:
    """Ask until the answer is true and return it; fails with the last answer when `seconds` are over (`patient`).

    It asks `every` so many seconds, and more seldom where asking takes its time. An AssertionError or a broken
    connection counts as "not yet"; the last one is the cause of the failure.
    """
    deadline = time.monotonic() + patient(seconds)
    while True:
        failure: Exception | None = None
        answer: T | None = None
        asked = time.monotonic()
        try:
            answer = condition()
            if answer:
                return answer
        except (AssertionError, ConnectionError) as error:
            failure = error
        if time.monotonic() > deadline:
            name = what or getattr(condition, "__name__", "the condition")
            raise AssertionError(f"{name} did not hold within {seconds:g} s; last answer: {answer!r}") from failure
        _NEVER.wait(max(every, min(REST * (time.monotonic() - asked), LONGEST_REST)))
