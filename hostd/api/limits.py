"""Limits: how many calls an account may make, and how often an address may guess at tokens. Kept in memory."""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CALLS = 4500
"""Calls that an account has at most, and gets anew within an hour (Heroku's rate limit)."""
HOUR = 3600.0
FREE_GUESSES = 10
"""Wrong tokens from one address before it has to wait."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 3600.0
"""Seconds; each further guess doubles them."""
FORGOTTEN_AFTER = 3600.0
"""Seconds without a further guess, and without having to wait."""
MOST_REMEMBERED = 10_000
"""Accounts, and addresses; who was silent for longest is forgotten first."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Quota:
    """A bucket of calls for each account, which fills up evenly."""

    def __init__(self, clock: Callable[[], float], calls: int = CALLS) -> None:
        self._clock = clock
        self._calls = calls
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def remaining(self, account: str) -> int:
        """The calls that an account may make at once."""
        return int(self._filled(account).left)

    def take(self, account: str) -> bool:
        """Count one call; False, and nothing is counted, if there is none left."""
        bucket = self._filled(account)
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True

    def wait(self, account: str) -> int:
        """Whole seconds until there is a call again; 0 if there is one."""
        return max(0, math.ceil((1 - self._filled(account).left) * HOUR / self._calls))

    def _filled(self, account: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.pop(account, None) or _Bucket(float(self._calls), now)
        bucket.left = min(float(self._calls), bucket.left + (now - bucket.at) * self._calls / HOUR)
        bucket.at = now
        self._buckets[account] = bucket
        _forget_some(self._buckets)
        return bucket


@dataclass(slots=True)
class _Guesser:
    guesses: int = 0
    last: bytes = b""
    at: float = 0.0
    until: float = 0.0


class Lockout:
    """Who guesses at tokens has to wait, longer each time. An IPv6 address counts with all of its /64."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()

    def wait(self, address: str) -> int:
        """Whole seconds for which an address is not listened to; 0 if it is."""
        known = self._guessers.get(_network(address))
        return max(0, math.ceil(known.until - self._clock())) if known else 0

    def wrong(self, address: str, token: str) -> None:
        """Count a wrong token. The same one again is no guess, but a program that does not know it has ended."""
        now, place = self._clock(), _network(address)
        known = self._guessers.pop(place, None) or _Guesser()
        if now - max(known.at, known.until) > FORGOTTEN_AFTER:
            known = _Guesser()
        self._guessers[place] = known
        _forget_some(self._guessers)
        digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest == known.last:
            return
        known.last, known.at = digest, now
        known.guesses += 1
        beyond = known.guesses - FREE_GUESSES
        known.until = now + (min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(beyond, 16)) if beyond >= 0 else 0.0)


def _network(address: str) -> str:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped is None:
        return str(ipaddress.ip_network((known, 64), strict=False))
    return str(known)


def _forget_some(known: OrderedDict[str, Any]) -> None:
    while len(known) > MOST_REMEMBERED:
        known.popitem(last=False)
