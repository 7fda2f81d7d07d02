"""The stacks there are: the server's own system, and Debian releases made by mmdebstrap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from slugs import stack_debian
from slugs.errors import NoSuchStack
from slugs.pool import Pool
from slugs.stack_host import HOST, ensure_host_stack, packages_changed
from slugs.stack_root import (
    Stack,
    drop_identity,
    identity_binds,
    identity_files,
    name_of,
    resolving_binds,
    scratch_binds,
    version_of,
)

__all__ = [
    "HOST",
    "Stack",
    "Stacks",
    "Versions",
    "drop_identity",
    "ensure_host_stack",
    "identity_binds",
    "identity_files",
    "name_of",
    "resolving_binds",
    "scratch_binds",
    "version_of",
]

_REF = re.compile(r"[a-z0-9-]+@[0-9]{8}\.[0-9]+")


class Versions(Protocol):
    """What is known of the versions of stacks: the ledger knows, this package does not ask where it is written."""

    def current(self, name: str) -> str | None:
        """The version of a stack that new releases run on; None if it was never made."""

    def names(self) -> Sequence[str]:
        """The stacks that were made, sorted; the host stack is not among them."""


class Stacks:
    """Finds stacks by their names and versions."""

    def __init__(self, pool: Pool, versions: Versions, host: Path = Path("/")) -> None:
        self._pool = pool
        self._versions = versions
        self._host = host
        self._known: tuple[int, Stack] | None = None

    def names(self) -> list[str]:
        """The stacks that builds and dynos can run on, `host` first."""
        return [HOST, *self._versions.names()]

    def current(self, name: str) -> Stack:
        """The version of a stack that builds and new releases run on. Raises NoSuchStack."""
        if name == HOST:
            return self._host_stack()
        version = self._versions.current(name)
        if version is None:
            raise NoSuchStack(
                f"There is no stack {name[:40]!r} here. There are: {', '.join(self.names())}. "
                "An admin can make one: hostctl stacks:create NAME"
            )
        return self.get(f"{name}@{version}")

    def get(self, ref: str) -> Stack:
        """The stack NAME@VERSION. Of the host stack there is only the version that the server has now.

        Raises NoSuchStack for one that the pool does not hold.
        """
        name, version = name_of(ref), version_of(ref)
        if name == HOST:
            return self._host_stack()
        root = self._pool.root / "stacks" / ref
        if not _REF.fullmatch(ref) or not root.exists():
            raise NoSuchStack(
                f"The stack {ref[:60]!r} is not in the slug store. An admin can make {name[:40]} anew: "
                f"hostctl stacks:update {name[:40]}"
            )
        return stack_debian.stack(name, version, root, self._host_stack(), self._host)

    def _host_stack(self) -> Stack:
        """The host stack, its skeleton brought up to date whenever packages of the server have changed."""
        changed = packages_changed(self._host)
        if self._known is None or self._known[0] != changed:
            self._known = changed, ensure_host_stack(self._pool, self._host)
        return self._known[1]
