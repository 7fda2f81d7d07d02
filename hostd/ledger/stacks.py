"""Stacks: the versions of those that were made, and on which of them new releases run. The pool holds their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from hostd.errors import Conflict, NotFound
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.slugs import THIS_HOST


@dataclass(frozen=True, slots=True)
class StackVersion:
    """A version of a stack; `removed_at` is when its files went.

    `packages_digest` is the same for two versions with the same packages.
    """

    name: str
    version: str
    packages_digest: str
    current: bool
    host: int
    created_at: datetime
    removed_at: datetime | None = None

    @property
    def ref(self) -> str:
        """As releases name it: `debian-12@20261121.1`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class StackMove:
    """An app that is still to be taken along to a version of its stack, or not known to have come up there.

    `user_id` is who asked; `was_well` is false for an app of which a dyno had crashed before.
    """

    app_id: str
    name: str
    version: str
    user_id: str
    was_well: bool

    @property
    def ref(self) -> str:
        """Where it is taken: `debian-12@20261121.1`."""
        return f"{self.name}@{self.version}"


class StackVersions:
    """The table of stacks. The host stack is not in it: the server itself says what that is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, version: str, packages_digest: str) -> StackVersion:
        """Record a version that was made, and make it the current one."""
        with self._database.transaction():
            self._database.insert(
                "stacks",
                {
                    "name": name,
                    "version": version,
                    "packages_digest": packages_digest,
                    "host": THIS_HOST,
                    "created_at": self._database.now(),
                },
            )
            return self.make_current(name, version)

    def make_current(self, name: str, version: str) -> StackVersion:
        """Let new releases run on that version. Raises NotFound, also for one whose files are gone."""
        with self._database.transaction():
            if self.get(name, version).removed_at is not None:
                raise NotFound(f"{name}@{version} was removed. {self._there_are(name)}")
            self._database.write("UPDATE stacks SET current = 0 WHERE name = ? AND host = ?", name, THIS_HOST)
            self._database.write(
                "UPDATE stacks SET current = 1 WHERE name = ? AND version = ? AND host = ?", name, version, THIS_HOST
            )
            return self.get(name, version)

    def begin_moves(self, name: str, version: str, user_id: str, apps: Mapping[str, bool]) -> None:
        """Make that version current, and record which apps are to be taken along, by id, and whether they are well.

        They replace those of an earlier move of the stack. Raises what `make_current` does.
        """
        with self._database.transaction():
            self.make_current(name, version)
            self._database.write("DELETE FROM stack_moves WHERE name = ?", name)
            for app_id, well in apps.items():
                self._database.insert("stack_moves", asdict(StackMove(app_id, name, version, user_id, well)))

    def end_move(self, app_id: str) -> None:
        """Record that an app has had its turn."""
        self._database.write("DELETE FROM stack_moves WHERE app_id = ?", app_id)

    def moves(self) -> Sequence[StackMove]:
        """The apps that have not had their turn, by their names."""
        records = self._database.select(
            "SELECT app_id, moves.name, version, user_id, was_well FROM stack_moves AS moves "
            "JOIN apps ON apps.id = app_id ORDER BY apps.name"
        )
        return [StackMove(**record | {"was_well": bool(record["was_well"])}) for record in records]

    def remove(self, name: str, version: str) -> StackVersion:
        """Mark the files of a version as gone. Raises Conflict for the current one."""
        with self._database.transaction():
            if self.get(name, version).current:
                raise Conflict(f"{name}@{version} is current: new releases run on it.")
            self._mark_removed(name, version)
            return self.get(name, version)

    def remove_all(self, name: str) -> Sequence[StackVersion]:
        """Mark the files of all versions of a stack as gone; returns those that were there."""
        with self._database.transaction():
            gone = self.versions(name)
            self._database.write("UPDATE stacks SET current = 0 WHERE name = ? AND host = ?", name, THIS_HOST)
            for stack in gone:
                self._mark_removed(name, stack.version)
            self._database.write("DELETE FROM stack_moves WHERE name = ?", name)
            return gone

    def current(self, name: str) -> str | None:
        """The version that new releases run on; None for a stack that is not there."""
        record = self._database.first(_STACKS + "AND name = ? AND current = 1", name)
        return record["version"] if record else None

    def names(self) -> Sequence[str]:
        """The stacks that are there, sorted."""
        return sorted({stack.name for stack in self.list() if stack.current})

    def get(self, name: str, version: str) -> StackVersion:
        """One version of a stack, also one whose files are gone; raises NotFound."""
        record = self._database.first(_STACKS + "AND name = ? AND version = ?", name, version)
        if record is None:
            raise NotFound(f"There is no version {version[:40]!r} of {name[:40]}. {self._there_are(name)}")
        return _stack(record)

    def versions(self, name: str) -> list[StackVersion]:
        """The versions of a stack whose files the pool should hold, newest first."""
        return [stack for stack in self.list() if stack.name == name]

    def list(self) -> list[StackVersion]:
        """The versions of all stacks whose files the pool should hold, newest first."""
        records = self._database.select(_STACKS + "AND removed_at IS NULL ORDER BY sequence DESC")
        return [_stack(record) for record in records]

    def ever(self, name: str) -> Sequence[str]:
        """All versions that a stack ever had: none is given twice."""
        return [record["version"] for record in self._database.select(_STACKS + "AND name = ?", name)]

    def _mark_removed(self, name: str, version: str) -> None:
        self._database.write(
            "UPDATE stacks SET removed_at = ? WHERE name = ? AND version = ? AND host = ? AND removed_at IS NULL",
            self._database.now(),
            name,
            version,
            THIS_HOST,
        )

    def _there_are(self, name: str) -> str:
        known = ", ".join(stack.version for stack in self.versions(name))
        return f"There are: {known}." if known else f"There is no stack {name[:40]} here."


_STACKS = "SELECT name, version, packages_digest, current, host, created_at, removed_at FROM stacks WHERE host = 1 "


def _stack(record: Record) -> StackVersion:
    return StackVersion(**moments(record) | {"current": bool(record["current"])})
