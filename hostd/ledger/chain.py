"""The hash chain of an app's releases: pure functions, and short enough to be checked by hand.

genesis  = SHA-256("hostd releases of app " + app id)
hash(n)  = SHA-256(hash(n-1) as 32 bytes + canonical(row n))
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def genesis(app_id: str) -> str:
    """The hash that comes before an app's first release; differs by app, so chains cannot be swapped."""
    return hashlib.sha256(f"hostd releases of app {app_id}".encode()).hexdigest()


def canonical(row: Mapping[str, Any]) -> bytes:
    """A row in the one form that is hashed: JSON, keys sorted, no spaces, ASCII, bytes as hexadecimal."""
    plain = {key: value.hex() if isinstance(value, bytes) else value for key, value in row.items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def link(previous: str, row: Mapping[str, Any]) -> str:
    """The hash of a row that follows the row with the hash `previous`."""
    return hashlib.sha256(bytes.fromhex(previous) + canonical(row)).hexdigest()
