"""The ledger's one connection to SQLite: how it is opened, its transactions, its clock, its times as text."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database as SqliteUtils

from hostd.errors import Invalid, Unavailable
from hostd.ledger import migrations

Clock = Callable[[], datetime]
Record = dict[str, Any]

BUSY_TIMEOUT_MS = 5000


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """An aware datetime as the ledger stores it: ISO 8601 in UTC with microseconds, so that text sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def from_text(text: str) -> datetime:
    """The inverse of `to_text`."""
    return datetime.fromisoformat(text)


def moments(record: Record) -> Record:
    """A record as read, with the texts of its times (the columns named `..._at`) made datetimes."""
    return {key: from_text(value) if key.endswith("_at") and value else value for key, value in record.items()}


class Database:
    """A file of SQLite in WAL mode with synchronous=FULL: a committed change survives power loss.

    For one thread; a `with transaction()` must not span an await, since other tasks share the connection.
    """

    def __init__(self, path: Path, *, clock: Clock = utc_now) -> None:
        """Open the file, made 0600 if absent, and bring its schema up to date.

        Raises Unavailable when it cannot be read or written, is no ledger, or is one of a newer hostd.
        """
        self._clock = clock
        self.before_commit: list[Callable[[], None]] = []
        """Called at the end of each outermost transaction; what they write is part of it."""
        _create_private(path)
        try:
            # isolation_level=None: no transaction but those begun here.
            connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
            # Plugins of sqlite-utils would run code of other packages inside the control plane.
            self._db = SqliteUtils(connection, recursive_triggers=True, execute_plugins=False)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
                self._db.execute(f"PRAGMA {pragma}").fetchall()
            migrations.upgrade(self._db)
        except sqlite3.Error as error:
            raise Unavailable(f"Cannot open the ledger {path}: {error}.") from error
        connection.set_authorizer(_authorize)

    def now(self) -> datetime:
        """The ledger's clock, in UTC."""
        return self._clock().astimezone(UTC)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside happen together, or none; nests.

        Takes the write lock at the start, so what is read inside is still true when it is written.
        """
        try:
            if self._db.conn.in_transaction:
                with self._db.atomic():
                    yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                for last in self.before_commit:
                    last()
                self._db.commit()
            except BaseException:
                self._db.rollback()
                raise
        except UnicodeEncodeError as error:
            raise Invalid(_NOT_UTF8) from error
        except sqlite3.OperationalError as error:
            raise Unavailable(f"The ledger cannot be written now: {error}. Nothing was changed.") from error

    def select(self, sql: str, *parameters: Any) -> list[Record]:
        """All rows of a query, by column name."""
        try:
            cursor = self._db.execute(sql, parameters)
        except UnicodeEncodeError as error:
            raise Invalid(_NOT_UTF8) from error
        columns = [column[0] for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor]

    def first(self, sql: str, *parameters: Any) -> Record | None:
        """The first row of a query, if there is one."""
        return next(iter(self.select(sql, *parameters)), None)

    def insert(self, table: str, record: Mapping[str, Any]) -> None:
        """Add one row; times, truth values, lists and mappings are stored as text, 0 or 1, and JSON."""
        columns, values = ", ".join(f'"{name}"' for name in record), ", ".join("?" * len(record))
        # Not sqlite-utils' own, which looks at the table first: names are those in the code.
        self.write(f"INSERT INTO {table} ({columns}) VALUES ({values})", *record.values())  # noqa: S608

    def write(self, sql: str, *parameters: Any) -> int:
        """Change rows; the number of rows changed."""
        with self.transaction():
            return self._db.execute(sql, [_stored(value) for value in parameters]).rowcount

    def next(self, sequence: str, at_least: int = 1) -> int:
        """A number that this sequence has never given before and never will again."""
        with self.transaction():
            known = self.first("SELECT next FROM sequences WHERE name = ?", sequence)
            number: int = max(at_least, known["next"]) if known else at_least
            self.write(
                "INSERT INTO sequences (name, next) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET next = ?2",
                sequence,
                number + 1,
            )
            return number

    def watch(self, triggers: str) -> None:
        """Let triggers of this connection see every change: `CREATE TEMP TRIGGER` statements."""
        self._db.executescript(triggers)

    def backup(self, path: Path) -> None:
        """Copy the ledger, as it is at this moment, to a new file (0600)."""
        _create_private(path)
        copy = sqlite3.connect(path)
        try:
            self._db.conn.backup(copy)
        finally:
            copy.close()

    def close(self) -> None:
        """Close the connection; the last one to close folds the WAL into the file."""
        self._db.close()


# Python's texts may hold half a character, for example out of JSON; no such text is in the ledger.
_NOT_UTF8 = "A text in the request is not text in UTF-8."

_DENIED = frozenset(
    {
        sqlite3.SQLITE_ALTER_TABLE,
        sqlite3.SQLITE_ATTACH,
        sqlite3.SQLITE_DROP_INDEX,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_DROP_TRIGGER,
    }
)
_DENIED_PRAGMAS = frozenset({"writable_schema", "recursive_triggers", "foreign_keys", "synchronous", "journal_mode"})


def _authorize(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    # Triggers cannot protect themselves; after the upgrade nothing in hostd has a reason to touch the schema.
    if action in _DENIED:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and first in _DENIED_PRAGMAS and second is not None:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, bool):
        return int(value)
    return json.dumps(value) if isinstance(value, dict | list | tuple) else value


def _create_private(path: Path) -> None:
    # SQLite gives its -wal and -shm files the mode of the database.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise Unavailable(f"Cannot write {path}: {error.strerror}.") from error
