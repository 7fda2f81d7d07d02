"""Tickets: the key that seals TLS session tickets, one for all workers, so that a client resumes with any of them.

A session ticket is the client's to keep; whoever has the key it was sealed with can open it. All workers read one file,
which only they may read and which lies in memory (/run). It outlives workers, and is replaced once a day: tickets of
before are then worth nothing, and their sessions as safe as any other.

Where OpenSSL cannot be told the key, each worker has one of its own, and a client that meets another worker makes a
full handshake.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from router.openssl import Control, control

KEY_BYTES = 80
"""Name, AES-256 key and HMAC key, as SSL_CTX_set_tlsext_ticket_keys(3) has them."""
LIFETIME = 24 * 3600.0
"""Seconds after which the key is replaced."""


class Tickets:
    """The file that holds the key. `clock` tells seconds since the epoch."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    def key(self) -> bytes:
        """The key to be used now; made if there is none, or if it is too old. Raises OSError."""
        known = self._read()
        if known is not None:
            return known
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
        draft.replace(self._path)
        # Another worker may have been doing the same: what lies there now is the key.
        return self._path.read_bytes()

    def _read(self) -> bytes | None:
        with suppress(FileNotFoundError):
            found = self._path.stat()
            if found.st_mode & 0o077 == 0 and 0 <= self._clock() - found.st_mtime < LIFETIME:
                key = self._path.read_bytes()
                return key if len(key) == KEY_BYTES else None
        return None


def seal_with(context: ssl.SSLContext, key: bytes) -> bool:
    """Seal the tickets of connections that begin with this context with `key`; False where that cannot be done."""
    return control(context, Control.TICKET_KEYS, KEY_BYTES, key)
