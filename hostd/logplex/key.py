"""The key that hostd signs log sessions with and the logplex checks them with."""

from __future__ import annotations

import grp
import os
import secrets
from pathlib import Path

from hostd.errors import Unavailable

KEY_PATH = Path("/etc/hostd/logplex.key")
GROUP = "hostd-logplex"
LENGTH = 32


def load_key(path: Path = KEY_PATH) -> bytes:
    """Read the key; raises Unavailable if there is none that can be used."""
    try:
        key = path.read_bytes()
    except OSError as error:
        raise Unavailable(f"Cannot read the key of log sessions in {path}: {error.strerror}.") from error
    if len(key) != LENGTH:
        raise Unavailable(f"{path} holds {len(key)} bytes, not a key of {LENGTH}. Remove it and restart hostd.")
    return key


def ensure_key(path: Path = KEY_PATH, group: str | None = GROUP) -> bytes:
    """Read the key, made first if there is none: readable by root and the logplex's group only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(LENGTH))
                if group is not None:
                    os.fchown(file.fileno(), -1, grp.getgrnam(group).gr_gid)
                    os.fchmod(file.fileno(), 0o640)
                file.flush()
                os.fsync(file.fileno())
            # link() refuses to replace a key that somebody else made meanwhile, as rename() would not.
            os.link(new, path)
        except FileExistsError:
            pass
        finally:
            new.unlink()
    return load_key(path)
