"""The audit log: who asked for which change, from where, and how it was answered. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from hostd.ledger.database import Database, moments, to_text
from hostd.ledger.users import User

LONGEST_TARGET = 300
"""Characters of what was asked for that are kept."""
MOST = 10_000
"""Entries that can be asked for at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What somebody asked for.

    `door` is where they came in, `address` from where; `route` is the path as the API's routes have it, `target` with
    its names filled in; `status` is that of the answer (499: the client went away).
    """

    user_id: str
    user_email: str
    door: str
    address: str
    authorization_id: str | None = None
    method: str
    route: str
    app_id: str | None = None
    app_name: str | None = None
    target: str
    status: int
    request_id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A deed as it is recorded, with its number, which only grows."""

    sequence: int
    created_at: datetime
    deed: Deed


class Trail:
    """The table of deeds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, deed: Deed) -> None:
        """Record a deed. Raises Unavailable if nothing can be written."""
        record = asdict(deed) | {"target": deed.target[:LONGEST_TARGET], "created_at": self._database.now()}
        self._database.insert("audit", record)

    def list(
        self,
        *,
        app_id: str | None = None,
        user: User | None = None,
        email: str | None = None,
        since: datetime | None = None,
        most: int = MOST,
    ) -> Sequence[Entry]:
        """The newest deeds, newest first: on an app, by a user, by whoever had an address, since a time."""
        records = self._database.select(
            # Texts of times are all of one form (`to_text`), so they sort as the times do.
            "SELECT * FROM audit WHERE (?1 IS NULL OR app_id = ?1) AND (?2 IS NULL OR user_id = ?2) "
            "AND (?3 IS NULL OR user_email = ?3) AND (?4 IS NULL OR created_at >= ?4) ORDER BY sequence DESC LIMIT ?5",
            app_id,
            user.id if user else None,
            email,
            to_text(since) if since else None,
            min(most, MOST),
        )
        return [_entry(moments(record)) for record in records]


def _entry(record: dict[str, object]) -> Entry:
    sequence, created_at = record.pop("sequence"), record.pop("created_at")
    assert isinstance(sequence, int) and isinstance(created_at, datetime)
    return Entry(sequence, created_at, Deed(**record))  # type: ignore[arg-type]  # the columns are the fields
