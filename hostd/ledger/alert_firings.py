"""Firings of alerts, and the notices of them: what was told, or is to be told, to whom."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hostd.ledger.database import Database, Record, moments

KEPT = 100
"""Newest firings of an alert that are remembered, and newest notices that were sent or given up."""
LOG = -1
"""The target that stands for the log."""


@dataclass(frozen=True, slots=True)
class Firing:
    """A firing. It `began_at` the first minute in which the condition held, `fired_at` the one after which it was told;
    both ends are None while it goes on."""

    sequence: int
    alert_id: str
    began_at: datetime
    fired_at: datetime
    low: float
    high: float
    over_at: datetime | None
    ended_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told to one target of an alert. `next_at` is None when it was sent, or given up."""

    sequence: int
    id: str
    alert_id: str
    target: int
    message: Mapping[str, Any] = field(repr=False)
    created_at: datetime
    tries: int
    next_at: datetime | None
    sent_at: datetime | None
    reason: str | None


class AlertFirings:
    """The tables of firings and of notices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, alert_id: str, *, began: datetime, fired: datetime, low: float, high: float) -> Firing:
        """A firing that goes on; the oldest are forgotten."""
        with self._database.transaction():
            self._database.insert(
                "alert_firings",
                {"alert_id": alert_id, "began_at": began, "fired_at": fired, "low": low, "high": high},
            )
            self._database.write(
                "DELETE FROM alert_firings WHERE alert_id = ?1 AND sequence NOT IN "
                "(SELECT sequence FROM alert_firings WHERE alert_id = ?1 ORDER BY sequence DESC LIMIT ?2)",
                alert_id,
                KEPT,
            )
            return self.list(alert_id, 1)[0]

    def end(self, firing: Firing, *, over: datetime, ended: datetime, reason: str) -> None:
        """It goes on no more."""
        self._database.write(
            "UPDATE alert_firings SET over_at = ?, ended_at = ?, reason = ? WHERE sequence = ? AND ended_at IS NULL",
            over,
            ended,
            reason,
            firing.sequence,
        )

    def open(self, alert_id: str) -> Firing | None:
        """The firing of an alert that goes on."""
        return next(iter(self._firings("alert_id = ? AND ended_at IS NULL", alert_id)), None)

    def list(self, alert_id: str, limit: int = KEPT) -> Sequence[Firing]:
        """An alert's firings, newest first."""
        return self._firings("alert_id = ? ORDER BY sequence DESC LIMIT ?", alert_id, limit)

    def tell(self, alert_id: str, target: int, message: Mapping[str, Any]) -> None:
        """Something to be told as soon as can be; what was told long ago is forgotten."""
        with self._database.transaction():
            now = self._database.now()
            self._database.insert(
                "alert_notices",
                {
                    "id": str(uuid.uuid4()),
                    "alert_id": alert_id,
                    "target": target,
                    "message": dict(message),
                    "created_at": now,
                    "next_at": now,
                },
            )
            self._database.write(
                "DELETE FROM alert_notices WHERE alert_id = ?1 AND next_at IS NULL AND sequence NOT IN "
                "(SELECT sequence FROM alert_notices WHERE alert_id = ?1 ORDER BY sequence DESC LIMIT ?2)",
                alert_id,
                KEPT,
            )

    def waiting(self) -> Sequence[Notice]:
        """Of each target of each alert the first notice that was neither sent nor given up, in their order."""
        return self._notices(
            "sequence IN (SELECT min(sequence) FROM alert_notices WHERE next_at IS NOT NULL AND target >= 0 "
            "GROUP BY alert_id, target) ORDER BY sequence"
        )

    def unsaid(self) -> Sequence[Notice]:
        """What is to be said in the log, in its order."""
        return self._notices("next_at IS NOT NULL AND target < 0 ORDER BY sequence")

    def trying(self, notice: Notice, next_at: datetime) -> None:
        """Note that it is about to be tried; if nobody is left to say how that went, it is tried again then."""
        self._database.write(
            "UPDATE alert_notices SET tries = tries + 1, next_at = ? WHERE sequence = ?", next_at, notice.sequence
        )

    def failed(self, notice: Notice, next_at: datetime | None, reason: str) -> None:
        """Note why a try failed, and when it is tried next; None: it is given up."""
        self._database.write(
            "UPDATE alert_notices SET next_at = ?, reason = ? WHERE sequence = ?", next_at, reason, notice.sequence
        )

    def sent(self, notice: Notice) -> None:
        """Note that it was told."""
        self._database.write(
            "UPDATE alert_notices SET next_at = NULL, sent_at = ?, reason = NULL WHERE sequence = ?",
            self._database.now(),
            notice.sequence,
        )

    def notices(self, alert_id: str, limit: int = KEPT) -> Sequence[Notice]:
        """What was told, or is to be told, of an alert, newest first; the log is not meant."""
        return self._notices("alert_id = ? AND target >= 0 ORDER BY sequence DESC LIMIT ?", alert_id, limit)

    def _firings(self, condition: str, *parameters: object) -> Sequence[Firing]:
        records = self._database.select(f"{_FIRINGS} WHERE {condition}", *parameters)
        return [Firing(**moments(record)) for record in records]

    def _notices(self, condition: str, *parameters: object) -> Sequence[Notice]:
        return [_notice(record) for record in self._database.select(f"{_NOTICES} WHERE {condition}", *parameters)]


_FIRINGS = (
    "SELECT sequence, alert_id, began_at, fired_at, low, high, over_at, ended_at, reason FROM alert_firings"
)
_NOTICES = (
    "SELECT sequence, id, alert_id, target, message, created_at, tries, next_at, sent_at, reason FROM alert_notices"
)


def _notice(record: Record) -> Notice:
    return Notice(**moments(record) | {"message": json.loads(record["message"])})
