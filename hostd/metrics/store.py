"""The store: points in a SQLite file of their own. Minutes are kept for a week, fives of them for a month.

It is bounded in time, in rows and in bytes; the oldest go first. Nothing of the platform depends on it: a store that
cannot be written is tried again, and one that is damaged is put aside.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from hostd.metrics import histogram, series, tables
from hostd.metrics.points import FIVE, MINUTE, Count, Points, Stretch, Traffic, Used

log = logging.getLogger(__name__)

DAY = 86_400
KEPT = {MINUTE: 7 * DAY, FIVE: 31 * DAY}
"""Seconds for which steps of each length are kept."""
MOST_ROWS = 25_000_000
"""Of all tables together: a month of 800 dynos, of which half answer requests."""
_SLACK = 0.9
"""To how much of a bound is taken away at once."""
_AT_ONCE = 100
"""Steps that are forgotten in one go: a clock that was wrong for a minute must not cost the whole week."""
_AHEAD = 600
"""Seconds; what lies further in the future was written by a clock that was wrong."""
_PATIENCE = 5.0
_FOREVER = 2**62

Baselines = Mapping[str, Mapping[str, str]]
"""What each worker of the router had counted when that was last written, as text, by app; "" has the worker's run."""


class StoreError(Exception):
    """The store cannot be written or read now."""


class Store:
    """Safe for several threads. Opened at the first use; a file that is damaged is put aside beside it."""

    def __init__(self, path: Path, most_bytes: int, most_rows: int = MOST_ROWS) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._most_rows = most_rows
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._ids: dict[tuple[str, str], int] = {}
        self._rows = 0
        self._tidied = 0
        self.lost = 0
        """How often all of it was lost since this began."""

    def write(self, points: Points, now: int, baselines: Baselines | None = None) -> None:
        """Add points of whole or partial minutes, and forget what is too old at `now`; all of it or nothing.

        Points that come again are added to those that are there. Raises StoreError, and then nothing was changed.
        """
        with self._lock, self._working() as connection:
            try:
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    self._add(connection, points, MINUTE)
                    for worker, apps in (baselines or {}).items():
                        tables.write_baseline(connection, worker, apps)
                    for window in tables.windows_to_fold(connection, now):
                        self._add(connection, self._read(connection, Stretch(window, window + FIVE)), FIVE)
                    self._forget(connection, now)
                    self._tidy(connection, now)
            except BaseException:
                self._ids.clear()
                raise
            self._shrink(connection)

    def minutes(self, app_id: str, metric: str, since: int, until: int) -> dict[int, float]:
        """The figure of each minute from `since` to before `until` (`hostd.metrics.series` has the metrics).

        By the minute's beginning, in seconds since the epoch. A minute without one is absent; all are if the store
        cannot be read. Raises ValueError for an unknown metric.
        """
        try:
            with self._lock, self._working() as connection:
                points = self._read(connection, Stretch(since, until, MINUTE, app_id), series.kinds(metric))
                born = tables.born(connection, app_id)
        except StoreError as error:
            log.warning("%s", error)
            points, born = Points(), None
        return series.figures(points, metric, since if born is None else born)

    def points(self, stretch: Stretch) -> Points:
        """All points of a stretch of time. Raises StoreError."""
        with self._lock, self._working() as connection:
            return self._read(connection, stretch)

    def history(self, stretch: Stretch) -> Points:
        """What is known of a stretch of time, in steps of its length or shorter ones. Raises StoreError."""
        with self._lock, self._working() as connection:
            if stretch.step % FIVE:
                return self._read(connection, stretch._replace(step=MINUTE))
            # Minutes that are no five yet come as they are.
            begun = tables.last_step(connection, FIVE, stretch.until) + FIVE
            found = self._read(connection, stretch._replace(step=FIVE))
            found.add(self._read(connection, Stretch(max(stretch.since, begun), stretch.until, MINUTE, stretch.app)))
            return found

    def born(self, app_id: str) -> int | None:
        """The first minute of which something is known of an app; None if nothing is. Raises StoreError."""
        with self._lock, self._working() as connection:
            return tables.born(connection, app_id)

    def baselines(self) -> dict[str, dict[str, str]]:
        """What the workers of the router had counted. Raises StoreError."""
        with self._lock, self._working() as connection:
            return tables.read_baselines(connection)

    def size(self) -> tuple[int, int]:
        """Bytes that are taken, and rows. Raises StoreError."""
        with self._lock, self._working() as connection:
            return tables.taken(connection), self._rows

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._drop()

    @contextlib.contextmanager
    def _working(self) -> Iterator[sqlite3.Connection]:
        """The connection; what goes wrong with it is a StoreError, and damage puts the file aside."""
        try:
            yield self._opened()
        except sqlite3.Error as error:
            self._drop()
            if tables.is_damage(error):
                self._put_aside(error)
            raise StoreError(f"metrics cannot be kept in {self._path}: {error}") from error
        except OSError as error:
            raise StoreError(f"metrics cannot be kept in {self._path}: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
            try:
                tables.prepare(connection)
                self._rows = tables.count_rows(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._ids.clear()

    def _put_aside(self, error: Exception) -> None:
        self.lost += 1
        log.error("the metrics in %s are damaged (%s): they are put aside, and begin anew", self._path, error)
        try:
            self._path.replace(self._path.with_suffix(".damaged"))
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        except OSError as trouble:
            log.error("they cannot be put aside: %s", trouble)

    def _add(self, connection: sqlite3.Connection, points: Points, step: int) -> None:
        """Add points, folded to this step, to those that are there."""
        new = points.by(step)
        # Rows are sought by their steps.
        new.steps |= {point.at for point in new.all()}
        if not new.steps and not new.all():
            return
        known = self._read_steps(connection, new, step)
        known.add(new)
        merged = known.by(step)
        before = connection.total_changes
        for table, rows in (
            ("used", (self._used_row(connection, each) for each in merged.used)),
            ("traffic", (self._traffic_row(connection, each) for each in merged.traffic)),
            ("counts", (self._count_row(connection, each) for each in merged.counts)),
        ):
            tables.put(connection, f"{table}_{step}", rows)
        connection.executemany(f"INSERT OR IGNORE INTO steps_{step} VALUES (?)", [(at,) for at in new.steps])  # noqa: S608
        self._rows += connection.total_changes - before

    def _read_steps(self, connection: sqlite3.Connection, new: Points, step: int) -> Points:
        """What is there of the steps that the new points are of."""
        steps = {point.at for point in new.all()}
        if not steps or not tables.any_of(connection, step, min(steps), max(steps)):
            return Points()
        there = self._read(connection, Stretch(min(steps), max(steps) + 1, step))
        fresh = {(type(point), point.at, point.app, point.dyno) for point in new.all()}

        def touched(point: Used | Traffic | Count) -> bool:
            return (type(point), point.at, point.app, point.dyno) in fresh

        return Points(
            list(filter(touched, there.used)), list(filter(touched, there.traffic)), list(filter(touched, there.counts))
        )

    def _read(
        self, connection: sqlite3.Connection, stretch: Stretch, kinds: Collection[str] = tables.KINDS
    ) -> Points:
        def rows(kind: str) -> Iterable[Sequence[object]]:
            return tables.rows(connection, kind, stretch) if kind in kinds else ()

        return Points(
            [Used(*row) for row in rows("used")],  # type: ignore[arg-type]
            [_traffic(row) for row in rows("traffic")],
            [Count(*row) for row in rows("counts")],  # type: ignore[arg-type]
            tables.steps(connection, stretch.step, stretch.since, stretch.until),
        )

    def _used_row(self, connection: sqlite3.Connection, point: Used) -> tuple[object, ...]:
        return (point.at, self._id(connection, point), *point[3:])

    def _traffic_row(self, connection: sqlite3.Connection, point: Traffic) -> tuple[object, ...]:
        packed = histogram.pack(point.service)
        return (point.at, self._id(connection, point), *point.classes, point.sent, point.millis, packed)

    def _count_row(self, connection: sqlite3.Connection, point: Count) -> tuple[object, ...]:
        return (point.at, self._id(connection, point), point.what, point.times)

    def _id(self, connection: sqlite3.Connection, point: Used | Traffic | Count) -> int:
        key = point.app, point.dyno
        if key not in self._ids:
            self._ids[key] = tables.dyno_id(connection, point.app, point.dyno, point.at)
        return self._ids[key]

    def _forget(self, connection: sqlite3.Connection, now: int) -> None:
        for step, kept in KEPT.items():
            self._rows -= tables.forget_before(connection, step, now - kept, _AT_ONCE)
            self._rows -= tables.forget_from(connection, step, now + _AHEAD)
        if self._rows > self._most_rows:
            self._forget_oldest(connection, lambda: self._rows <= self._most_rows * _SLACK)

    def _tidy(self, connection: sqlite3.Connection, now: int) -> None:
        """Once a day, and after each start."""
        if not self._tidied <= now < self._tidied + DAY:
            tables.forget_names(connection)
            self._ids.clear()
            self._tidied = now

    def _shrink(self, connection: sqlite3.Connection) -> None:
        if tables.taken(connection) > self._most_bytes:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                self._forget_oldest(connection, lambda: tables.taken(connection) <= self._most_bytes * _SLACK)

    def _forget_oldest(self, connection: sqlite3.Connection, enough: tables.Condition) -> None:
        """Minutes first, as long as there is more than a day of them; then whatever is oldest."""
        while not enough():
            first = {step: tables.first_step(connection, step) for step in KEPT}
            last = tables.last_step(connection, MINUTE, _FOREVER)
            span = last - (last if first[MINUTE] is None else first[MINUTE] or 0)
            there = [step for step in KEPT if first[step] is not None]
            if not there:
                return
            step = MINUTE if span > DAY or FIVE not in there else FIVE
            self._rows -= tables.forget_before(connection, step, (first[step] or 0) + 3600, _AT_ONCE)


def _traffic(row: Sequence[object]) -> Traffic:
    at, app, dyno, *classes, sent, millis, packed = row
    try:
        service = histogram.unpack(packed)  # type: ignore[arg-type]
    except ValueError as error:
        raise sqlite3.DatabaseError(str(error)) from error
    return Traffic(at, app, dyno, tuple(classes), sent, millis, service)  # type: ignore[arg-type]
