"""Shelf: the directory from which the router takes the apps' certificates with their keys.

Only root and the router's group can read it. A file's name is made of what it holds, so that no file ever changes, and
the router need not be told of any but by its table.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Set
from pathlib import Path

_SUFFIX, _STAPLE = ".pem", ".ocsp"
_NAME_LENGTH = 32
"""Characters of a name, by which the platform's own certificate and key are told from those of apps."""


class Shelf:
    """The directory. `group` is the router's; None leaves the files to whoever writes them."""

    def __init__(self, directory: Path, group: int | None) -> None:
        self._directory = directory
        self._group = group
        self._seen_unneeded: set[str] = set()

    def put(self, name: str, text: Callable[[], str], *, whole: bool = False) -> bool:
        """See to it that a file is there, or with `whole` that it also holds what it should, which a power cut may have
        prevented. `text` is only asked for if it is needed. Whether it had to be written. Raises OSError.
        """
        path = self._directory / f"{name}{_SUFFIX}"
        if path.exists() and not (whole and path.read_bytes() != text().encode()):
            return False
        self._write(path, text().encode())
        return True

    def staple(self, name: str, answer: bytes, until: float) -> None:
        """Put beside a file what its certificate's authority says of it. When it was written is made out to be until
        when that is good, in seconds since the epoch. Raises OSError.
        """
        self._write(self._directory / f"{name}{_STAPLE}", answer, until)

    def unstaple(self, name: str) -> None:
        """Take that away."""
        (self._directory / f"{name}{_STAPLE}").unlink(missing_ok=True)

    def _write(self, path: Path, content: bytes, time: float | None = None) -> None:
        draft = path.with_name(f".{path.stem}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                if self._group is not None:
                    os.fchown(file.fileno(), 0, self._group)
                    os.fchmod(file.fileno(), 0o640)
            if time is not None:
                os.utime(draft, (time, time))
            draft.replace(path)
        except BaseException:
            draft.unlink()
            raise

    def remove(self, name: str) -> None:
        """Take a file away that no table of the router names any more."""
        self.unstaple(name)
        (self._directory / f"{name}{_SUFFIX}").unlink(missing_ok=True)

    def sweep(self, needed: Set[str]) -> None:
        """Take away what is not needed, and was not the last time either: by now the router has a newer table."""
        there = {
            path.stem
            for path in self._directory.iterdir()
            if path.suffix in (_SUFFIX, _STAPLE)
            and len(path.stem) == _NAME_LENGTH and not set(path.stem) - set("0123456789abcdef")
        }
        unneeded = there - needed
        for name in unneeded & self._seen_unneeded:
            self.remove(name)
        self._seen_unneeded = unneeded
        for draft in self._directory.glob(f".{'?' * _NAME_LENGTH}.????????"):
            draft.unlink(missing_ok=True)
