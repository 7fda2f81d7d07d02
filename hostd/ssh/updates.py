"""What a push asks for, and which of it deploys. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DEPLOYED = ("refs/heads/main", "refs/heads/master")
BRANCHES = "refs/heads/"


class Rejected(Exception):  # noqa: N818 - says what happened
    """The push is refused; the message is for the pusher."""


@dataclass(frozen=True, slots=True)
class Update:
    """One line of a pre-receive hook's input: a ref, and the object it shall name."""

    old: str
    new: str
    ref: str

    @property
    def deletes(self) -> bool:
        """True if the ref is to go."""
        return set(self.new) == {"0"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about a push: perhaps a deploy, and the branches that are only stored."""

    deploy: Update | None
    stored: tuple[str, ...]


def read(lines: Iterable[str]) -> list[Update]:
    """The updates, from the lines `old new ref` that git gives to the hook."""
    return [Update(*line.rstrip("\n").split(" ", 2)) for line in lines if line.strip()]


def plan(updates: Sequence[Update]) -> Plan:
    """Decide; raises Rejected if main and master are pushed at once, or one of them is to be deleted."""
    deploys = [update for update in updates if update.ref in DEPLOYED]
    for update in deploys:
        if update.deletes:
            branch = update.ref.removeprefix(BRANCHES)
            raise Rejected(f"{branch} is what was deployed and cannot be deleted. Destroy the app: apps:destroy")
    if len(deploys) > 1:
        raise Rejected("main and master both deploy: push one of them at a time.")
    stored = [
        update.ref.removeprefix(BRANCHES)
        for update in updates
        if update.ref.startswith(BRANCHES) and update not in deploys and not update.deletes
    ]
    return Plan(deploys[0] if deploys else None, tuple(stored))


def gitlinks(listed: bytes) -> dict[str, str]:
    """The commits of submodules by their paths, from what `git ls-tree -r -z` printed."""
    rows = (row.partition(b"\t") for row in listed.split(b"\0"))
    return {os.fsdecode(path): what.split()[2].decode() for what, _, path in rows if what.startswith(b"160000 ")}
