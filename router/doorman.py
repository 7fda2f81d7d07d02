"""Doorman: judges who comes to a gate. Hashing takes long, so it is done once per password, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from time import monotonic

from router import faults
from router.faults import Fault
from router.gate import Gate, credentials, neighbourhood
from router.passwords import matches, nobodys

Check = asyncio.Task[None]
"""A password is being checked; when that is done, `judge` knows the answer."""

_REMEMBERED = 10_000
"""Right passwords, and wrong ones, that a worker remembers."""
_AT_ONCE = 32
"""Passwords that may wait to be checked."""


class Guesses:
    """How often clients may guess: ten times at once, then ten times a minute. Who guesses right does not count."""

    BURST = 10
    SECONDS = 6.0
    """What a guess costs."""
    MOST = 10_000
    """Clients that are known at a time; of more, those are forgotten that have guessed least lately."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()
        """When the guesses of a client will be paid for."""

    def take(self, client: str) -> bool:
        """Whether this client may guess now; if so, it does."""
        now = self._clock()
        until = max(self._until.pop(client, now), now)
        allowed = until - now <= (self.BURST - 1) * self.SECONDS
        self._until[client] = until + self.SECONDS * allowed
        if len(self._until) > self.MOST:
            self._until.popitem(last=False)
        return allowed

    def give_back(self, client: str) -> None:
        """It was no guess."""
        if client in self._until:
            self._until[client] -= self.SECONDS


class Doorman:
    """One per worker. Of passwords it remembers keyed digests, with a key that nobody else ever has."""

    def __init__(self, loop: asyncio.AbstractEventLoop, guesses: Guesses | None = None) -> None:
        self._loop = loop
        self._guesses = guesses or Guesses()
        self._key = os.urandom(32)
        self._nobodys = nobodys()
        self._right = _Remembered()
        self._wrong = _Remembered()
        self._checks: dict[bytes, Check] = {}
        self._thread = ThreadPoolExecutor(1, "passwords")

    def judge(self, app: str, gate: Gate, address: str, authorization: Sequence[bytes]) -> Fault | Check | None:
        """None: let the request in. A fault: refuse it. A check: ask again when it is done.

        `app` is the app's name; `authorization` the values of that header.
        """
        if not gate.admits(address):
            return faults.H43
        if not gate.users:
            return None
        given = credentials(authorization)
        if given is None:
            return faults.unauthorized(app, "no password")
        name, password = given
        kept = gate.users.get(name, "")
        mark = blake2b(b"\0".join((app.encode(), name.encode(), kept.encode(), password)), key=self._key).digest()
        if mark in self._right:
            return None
        if mark in self._wrong:
            return faults.unauthorized(app, "wrong name or password")
        if mark not in self._checks:
            client = neighbourhood(address)
            if len(self._checks) >= _AT_ONCE or not self._guesses.take(client):
                return faults.H42
            self._checks[mark] = self._loop.create_task(self._check(mark, client, password, kept))
        return self._checks[mark]

    async def _check(self, mark: bytes, client: str, password: bytes, kept: str) -> None:
        try:
            fits = await self._loop.run_in_executor(self._thread, matches, password, kept or self._nobodys)
        finally:
            del self._checks[mark]
        if fits and kept:
            self._right.add(mark)
            self._guesses.give_back(client)
        else:
            self._wrong.add(mark)


class _Remembered:
    """A set that forgets what was not asked for longest."""

    def __init__(self) -> None:
        self._marks: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, mark: bytes) -> bool:
        if mark not in self._marks:
            return False
        self._marks.move_to_end(mark)
        return True

    def add(self, mark: bytes) -> None:
        self._marks[mark] = None
        if len(self._marks) > _REMEMBERED:
            self._marks.popitem(last=False)
