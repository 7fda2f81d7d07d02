"""The tables of the store, and every statement that is run on them.

Rows are in the order of time, so that a minute is written at the end and what is old goes from the beginning. The
points of one app are sought for each step that there is, and not among those of all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from hostd.metrics.points import FIVE, MINUTE, Stretch

Condition = Callable[[], bool]

VERSION = 1
KINDS = ("used", "traffic", "counts")
_COLUMNS = {
    "used": "span, memory, most, quota, swap, cpu, load",
    "traffic": "c1, c2, c3, c4, c5, other, sent, millis, service",
    "counts": "what, count",
}
_KEYS = {"used": "at, dyno", "traffic": "at, dyno", "counts": "at, dyno, what"}
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def prepare(connection: sqlite3.Connection) -> None:
    """Set a connection up, and make the tables if they are not there. Raises sqlite3.Error."""
    # Changes live through a process that is killed; a power cut may cost the last ones, and nothing else.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 4194304")
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found == VERSION:
        return
    if found:
        raise sqlite3.DatabaseError(f"its version is {found}, and this hostd knows {VERSION}")
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _schema():
            connection.execute(statement)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is no good, and not only out of reach or full."""
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    missing = "no such table" in str(error) or "no such column" in str(error)
    return code in _DAMAGED or missing or type(error) is sqlite3.DatabaseError


def put(connection: sqlite3.Connection, table: str, rows: Iterable[Sequence[object]]) -> None:
    """Write rows, in the order of the columns, over those that are there."""
    kind = table.partition("_")[0]
    marks = ", ".join("?" * (2 + len(_COLUMNS[kind].split(","))))
    connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)  # noqa: S608


def rows(connection: sqlite3.Connection, kind: str, stretch: Stretch) -> Iterator[Sequence[object]]:
    """`(at, app, dyno, ...)` of one kind."""
    since, until, step, app = stretch
    columns = ", ".join(f"t.{name}" for name in _COLUMNS[kind].split(", "))
    if app is None:
        query = (
            f"SELECT t.at, d.app, d.name, {columns} FROM {kind}_{step} t JOIN dynos d ON d.id = t.dyno"  # noqa: S608
            " WHERE t.at >= ? AND t.at < ?"
        )
        yield from connection.execute(query, [since, until])
        return
    # A cross join keeps the order of the tables: each point is sought, and none of another app is looked at.
    query = (
        f"SELECT t.at, d.app, d.name, {columns} FROM steps_{step} s CROSS JOIN dynos d CROSS JOIN {kind}_{step} t"  # noqa: S608
        " WHERE s.at >= ? AND s.at < ? AND d.app = ? AND t.at = s.at AND t.dyno = d.id"
    )
    yield from connection.execute(query, [since, until, app])


def steps(connection: sqlite3.Connection, step: int, since: int, until: int) -> set[int]:
    """The steps in which somebody looked."""
    found = connection.execute(f"SELECT at FROM steps_{step} WHERE at >= ? AND at < ?", [since, until])  # noqa: S608
    return {row[0] for row in found}


def any_of(connection: sqlite3.Connection, step: int, first: int, last: int) -> bool:
    """Whether there is anything of these steps."""
    return any(
        connection.execute(f"SELECT 1 FROM {kind}_{step} WHERE at BETWEEN ? AND ? LIMIT 1", [first, last]).fetchone()  # noqa: S608
        for kind in KINDS
    )


def first_step(connection: sqlite3.Connection, step: int) -> int | None:
    """The oldest step; None without any."""
    found: int | None = connection.execute(f"SELECT min(at) FROM steps_{step}").fetchone()[0]  # noqa: S608
    return found


def last_step(connection: sqlite3.Connection, step: int, until: int) -> int:
    """The newest step before a moment; without any, one that ends at 0."""
    query = f"SELECT coalesce(max(at), {-step}) FROM steps_{step} WHERE at < ?"  # noqa: S608
    found: int = connection.execute(query, [until]).fetchone()[0]
    return found


def windows_to_fold(connection: sqlite3.Connection, now: int) -> list[int]:
    """The fives of minutes that are over and not yet one."""
    last = connection.execute(f"SELECT max(at) FROM steps_{FIVE} WHERE at <= ?", [now]).fetchone()[0]  # noqa: S608
    since, until = (0 if last is None else last + FIVE), now - now % FIVE
    found = connection.execute(
        f"SELECT DISTINCT at / {FIVE} * {FIVE} FROM steps_{MINUTE} WHERE at >= ? AND at < ?",  # noqa: S608
        [since, until],
    )
    return [row[0] for row in found]


def forget_before(connection: sqlite3.Connection, step: int, limit: int, most: int) -> int:
    """Forget the oldest steps before a moment, so many at most; how many rows that were."""
    oldest = connection.execute(
        f"SELECT at FROM steps_{step} WHERE at < ? ORDER BY at LIMIT 1 OFFSET ?",  # noqa: S608
        [limit, most],
    ).fetchone()
    return _forget(connection, step, "at < ?", oldest[0] if oldest else limit)


def forget_from(connection: sqlite3.Connection, step: int, limit: int) -> int:
    """Forget the steps from a moment on; how many rows that were."""
    return _forget(connection, step, "at >= ?", limit)


def dyno_id(connection: sqlite3.Connection, app: str, name: str, at: int) -> int:
    """The number of a dyno, which it gets when it is first seen, at `at`."""
    found = connection.execute("SELECT id FROM dynos WHERE app = ? AND name = ?", [app, name]).fetchone()
    if found is None:
        new = connection.execute("INSERT INTO dynos (app, name, since) VALUES (?, ?, ?)", [app, name, at])
        assert new.lastrowid is not None
        return new.lastrowid
    number: int = found[0]
    return number


def born(connection: sqlite3.Connection, app: str) -> int | None:
    """When something of an app was seen first; None if nothing was."""
    found: int | None = connection.execute("SELECT min(since) FROM dynos WHERE app = ?", [app]).fetchone()[0]
    return found


def write_baseline(connection: sqlite3.Connection, worker: str, apps: Mapping[str, str]) -> None:
    """Note what a worker has counted of some apps. One that runs anew has its own "", and nothing of before."""
    before = connection.execute("SELECT counted FROM baselines WHERE worker = ? AND app = ''", [worker]).fetchone()
    if before is not None and before[0] != apps.get("", before[0]):
        connection.execute("DELETE FROM baselines WHERE worker = ?", [worker])
    connection.executemany(
        "INSERT OR REPLACE INTO baselines VALUES (?, ?, ?)", [(worker, app, counted) for app, counted in apps.items()]
    )


def read_baselines(connection: sqlite3.Connection) -> dict[str, dict[str, str]]:
    """What each worker had counted, by app."""
    found: dict[str, dict[str, str]] = {}
    for worker, app, counted in connection.execute("SELECT worker, app, counted FROM baselines"):
        found.setdefault(worker, {})[app] = counted
    return found


def forget_names(connection: sqlite3.Connection) -> None:
    """Forget the dynos of which nothing is known any more; takes as long as `count_rows`."""
    known = " UNION ".join(f"SELECT dyno FROM {kind}_{step}" for kind in KINDS for step in (MINUTE, FIVE))  # noqa: S608
    connection.execute(f"DELETE FROM dynos WHERE id NOT IN ({known})")  # noqa: S608


def count_rows(connection: sqlite3.Connection) -> int:
    """All rows there are; takes 0.1 s for each million or so."""
    queries = [f"SELECT count(*) FROM {kind}_{step}" for kind in (*KINDS, "steps") for step in (MINUTE, FIVE)]  # noqa: S608
    return sum(connection.execute(query).fetchone()[0] for query in queries)


def taken(connection: sqlite3.Connection) -> int:
    """Bytes of the file that are in use; those of rows that were forgotten are used again."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _forget(connection: sqlite3.Connection, step: int, where: str, limit: int) -> int:
    return sum(
        connection.execute(f"DELETE FROM {kind}_{step} WHERE {where}", [limit]).rowcount  # noqa: S608
        for kind in (*KINDS, "steps")
    )


def _schema() -> Iterator[str]:
    yield (
        "CREATE TABLE dynos (id INTEGER PRIMARY KEY, app TEXT NOT NULL, name TEXT NOT NULL, since INTEGER NOT NULL,"
        " UNIQUE (app, name))"
    )
    yield (
        "CREATE TABLE baselines (worker TEXT, app TEXT, counted TEXT NOT NULL, PRIMARY KEY (worker, app)) WITHOUT ROWID"
    )
    for step in (MINUTE, FIVE):
        yield f"CREATE TABLE steps_{step} (at INTEGER PRIMARY KEY)"
        for kind, columns in _COLUMNS.items():
            yield (
                f"CREATE TABLE {kind}_{step} (at INTEGER NOT NULL, dyno INTEGER NOT NULL, {columns},"
                f" PRIMARY KEY ({_KEYS[kind]})) WITHOUT ROWID"
            )
    yield f"PRAGMA user_version = {VERSION}"
