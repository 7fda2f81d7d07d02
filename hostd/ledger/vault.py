"""The ledger's key: it encrypts config vars and private keys, and seals the ends of the release chains."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hostd.errors import Internal, Unavailable

KEY_BYTES = 32
_NONCE_BYTES = 12


class Vault:
    """Encrypts with AES-256-GCM under a random nonce, and seals with HMAC-SHA-256; one derived key for each."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise Unavailable(f"The ledger's key must have {KEY_BYTES} bytes, not {len(key)}.")
        self._cipher = AESGCM(hmac.digest(key, b"hostd config vars", "sha256"))
        self._seal_key = hmac.digest(key, b"hostd seals", "sha256")

    @classmethod
    def open(cls, path: Path, *, create: bool) -> Vault:
        """Read the key file, or make one (0600) where `create` allows it.

        Raises Unavailable for a key that is missing, damaged, or readable by others.
        """
        try:
            if create and not path.exists():
                _write_key(path)
            if path.stat().st_mode & 0o077:
                raise Unavailable(f"The ledger's key {path} is open to other users. Close it: chmod 600 {path}")
            return cls(path.read_bytes())
        except FileNotFoundError:
            raise Unavailable(
                f"The ledger's key {path} is missing. Restore it from the backup: without it no config var can be read."
            ) from None
        except OSError as error:
            raise Unavailable(f"Cannot read the ledger's key {path}: {error.strerror}.") from error

    def encrypt(self, config: Mapping[str, str], place: str) -> bytes:
        """Secrets by name as ciphertext that only opens at `place`, which is not part of it: app and version, say."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = json.dumps(dict(config), sort_keys=True, separators=(",", ":"))
        return nonce + self._cipher.encrypt(nonce, text.encode(), place.encode())

    def decrypt(self, sealed: bytes, place: str) -> dict[str, str]:
        """The inverse of `encrypt`; raises Internal for a ciphertext changed or moved from another place."""
        try:
            text = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:
            raise Internal(
                f"What the ledger holds encrypted for {place} cannot be decrypted: it was changed, or the key is not "
                "its own. `hostctl releases:verify` tells more of config vars."
            ) from error
        config: dict[str, str] = json.loads(text)
        return config

    def seal(self, text: str) -> str:
        """A code that nobody without the key can make for this text."""
        return hmac.new(self._seal_key, text.encode(), hashlib.sha256).hexdigest()


def _write_key(path: Path) -> None:
    # Written aside and linked: a crash leaves either no key or a whole one.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first: its key is the key
    finally:
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
