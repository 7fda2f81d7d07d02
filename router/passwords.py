"""Passwords: their hashes, which are slow to make, so that a table that got lost gives no password away. Pure."""

from __future__ import annotations

import hmac
import os
import re
from hashlib import scrypt

HASH = re.compile(r"scrypt1:([0-9a-f]{32}):([0-9a-f]{64})")
"""Salt and digest. The number stands for the cost below: another cost is another number."""

_COST, _BLOCK, _LANES = 2**14, 8, 5
"""16 MiB, five times over: what OWASP's Password Storage Cheat Sheet asks of scrypt (2024)."""
_ROOM = 64 * 1024 * 1024
"""What OpenSSL may take; its own bound is close to what is needed."""


def hashed(password: str) -> str:
    """A password as it is kept; takes about 0.2 s."""
    salt = os.urandom(16)
    return f"scrypt1:{salt.hex()}:{_digest(password.encode(), salt).hex()}"


def matches(password: bytes, kept: str) -> bool:
    """Whether this is the password that is kept (as `hashed` has made it); takes as long, whatever it says."""
    found = HASH.fullmatch(kept)
    if found is None:
        raise ValueError("not the hash of a password")
    return hmac.compare_digest(_digest(password, bytes.fromhex(found[1])), bytes.fromhex(found[2]))


def nobodys() -> str:
    """What passes for a hash and no password fits: to take as long for a name that nobody has."""
    return f"scrypt1:{os.urandom(16).hex()}:{os.urandom(32).hex()}"


def _digest(password: bytes, salt: bytes) -> bytes:
    return scrypt(password, salt=salt, n=_COST, r=_BLOCK, p=_LANES, maxmem=_ROOM, dklen=32)
