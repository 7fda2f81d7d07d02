"""Doorman: judges who comes to a gate. Hashing takes long, so it is done once per password, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fcntl import LOCK_EX, LOCK_UN, flock
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from time import monotonic
from weakref import finalize

from router import faults
from router.faults import Fault
from router.gate import Gate, credentials, neighbourhood
from router.passwords import matches, nobodys

Check = asyncio.Task[None]
"""A password is being checked; when that is done, `judge` knows the answer."""

_REMEMBERED = 10_000
"""Right passwords, and wrong ones, that a worker remembers."""
_AT_ONCE = 32
"""Passwords of one app that may wait to be checked."""
_PLACE = Struct("<Q")
_KEY_BYTES = 32


class Guesses:
    """How often clients may guess: ten times at once, then ten times a minute. Who guesses right does not count.

    All workers count in one file, which lies in memory (/run) and outlives them. Each client has a place in it, which
    says when its guesses will be paid for, in milliseconds of `clock`. A key behind the last place, which nobody else
    can read, decides which one, so that nobody can choose to share a place and lock another out; as guesses are checked
    one after the other, hardly any two clients share one by chance.
    """

    BURST = 10
    SECONDS = 6.0
    """What a guess costs."""
    PLACES = 1 << 14

    def __init__(self, path: Path | None = None, *, clock: Callable[[], float] = monotonic) -> None:
        """Without a path nobody else counts with us. Raises OSError."""
        self._clock = clock
        options = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path, options, 0o600) if path else os.memfd_create("guesses")
        finalize(self, os.close, self._file)
        os.posix_fallocate(self._file, 0, self.PLACES * _PLACE.size)
        self._key = self._agreed()

    def take(self, client: str) -> bool:
        """Whether this client may guess now; if so, it does."""
        place, now, cost = self._place(client), int(self._clock() * 1000), int(self.SECONDS * 1000)
        ahead = min(max(self._until(place) - now, 0), self.BURST * cost)
        allowed = ahead <= (self.BURST - 1) * cost
        os.pwrite(self._file, _PLACE.pack(now + ahead + cost * allowed), place)
        return allowed

    def give_back(self, client: str) -> None:
        """It was no guess."""
        place = self._place(client)
        os.pwrite(self._file, _PLACE.pack(max(0, self._until(place) - int(self.SECONDS * 1000))), place)

    def _agreed(self) -> bytes:
        """The key in the file; who finds none writes it, one at a time."""
        end = self.PLACES * _PLACE.size
        flock(self._file, LOCK_EX)
        try:
            if os.fstat(self._file).st_size < end + _KEY_BYTES:
                os.pwrite(self._file, os.urandom(_KEY_BYTES), end)
            return os.pread(self._file, _KEY_BYTES, end)
        finally:
            flock(self._file, LOCK_UN)

    def _place(self, client: str) -> int:
        mark = blake2b(client.encode(), key=self._key, digest_size=4).digest()
        return int.from_bytes(mark) % self.PLACES * _PLACE.size

    def _until(self, place: int) -> int:
        until: int
        (until,) = _PLACE.unpack(os.pread(self._file, _PLACE.size, place))
        return until


class Doorman:
    """One per worker. Of passwords it remembers keyed digests, with a key that nobody else ever has."""

    def __init__(self, loop: asyncio.AbstractEventLoop, guesses: Guesses | None = None) -> None:
        self._loop = loop
        self._guesses = guesses or Guesses()
        self._key = os.urandom(32)
        self._nobodys = nobodys()
        self._right = _Remembered()
        self._wrong = _Remembered()
        self._lines: dict[str, _Line] = {}
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
        line = self._lines.get(app) or _Line()
        if mark not in line.checks:
            client = neighbourhood(address)
            if len(line.checks) >= _AT_ONCE or not self._guesses.take(client):
                return faults.H42
            self._lines[app] = line
            line.checks[mark] = self._loop.create_task(self._check(app, mark, client, password, kept))
        return line.checks[mark]

    async def _check(self, app: str, mark: bytes, client: str, password: bytes, kept: str) -> None:
        line = self._lines[app]
        try:
            async with line.turn:
                fits = await self._loop.run_in_executor(self._thread, matches, password, kept or self._nobodys)
        finally:
            del line.checks[mark]
            if not line.checks:
                del self._lines[app]
        if fits and kept:
            self._right.add(mark)
            self._guesses.give_back(client)
        else:
            self._wrong.add(mark)


class _Line:
    """The passwords of one app that are to be checked. As only the first of them waits for the thread, apps take turns
    there: who guesses at one, from however many addresses, does not shut the gates of others."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.checks: dict[bytes, Check] = {}


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
