"""Whose a pool is. A ledger that knows nothing of a pool's slugs must not take them for rubbish and delete them."""

from __future__ import annotations

import enum
from collections.abc import Collection


class Ownership(enum.Enum):
    """What a pool is to a ledger."""

    OURS = "ours"
    FREE = "free"
    """Nobody's, or with nothing in it that could be lost: it may be claimed."""
    FOREIGN = "foreign"


def ownership(*, mark: str | None, ledger: str, slugs: Collection[str], known: Collection[str]) -> Ownership:
    """What the pool with this `mark` and these `slugs` is to the ledger of that identity, which knows of `known` ones.

    A pool without a mark is one that an older hostd made. One with another mark, all of whose slugs are known, is one
    into which a backup was restored.
    """
    if mark == ledger:
        return Ownership.OURS
    if set(slugs) <= set(known) or (mark is None and not set(slugs).isdisjoint(known)):
        return Ownership.FREE
    return Ownership.FOREIGN
