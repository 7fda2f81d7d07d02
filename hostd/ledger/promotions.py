"""Promotions: the code of one app, given to others of its pipeline."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from hostd.errors import NotFound
from hostd.ledger.apps import App
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.pipelines import Pipeline
from hostd.ledger.releases import Release
from hostd.ledger.users import User


class TargetStatus(Enum):
    """How far it is with a target. The last two are for good."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Promotion:
    """A promotion of what a release of the source has."""

    id: str
    pipeline_id: str
    source_app_id: str
    source_release_id: str
    user_id: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Target:
    """An app that is promoted to: the release that it got, or why it got none."""

    id: str
    promotion_id: str
    app_id: str
    status: TargetStatus
    release_id: str | None
    error: str | None


class Promotions:
    """The tables of promotions and of their targets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, pipeline: Pipeline, source: Release, targets: Iterable[App], user: User) -> Promotion:
        """A new promotion; all its targets are pending."""
        with self._database.transaction():
            made, now = str(uuid.uuid4()), self._database.now()
            self._database.insert(
                "pipeline_promotions",
                {
                    "id": made,
                    "pipeline_id": pipeline.id,
                    "source_app_id": source.app_id,
                    "source_release_id": source.id,
                    "user_id": user.id,
                    "created_at": now,
                    "updated_at": now,
                },
            )
            for app in targets:
                target = {"id": str(uuid.uuid4()), "promotion_id": made, "app_id": app.id}
                self._database.insert("pipeline_promotion_targets", target | {"status": TargetStatus.PENDING.value})
            return self.get(made)

    def get(self, id: str) -> Promotion:
        """A promotion by its id. Raises NotFound."""
        record = self._database.first(
            "SELECT id, pipeline_id, source_app_id, source_release_id, user_id, created_at, updated_at "
            "FROM pipeline_promotions WHERE id = ?",
            id,
        )
        if record is None:
            raise NotFound(f"There is no promotion {id[:60]!r}.", resource="pipeline_promotion")
        return Promotion(**moments(record))

    def targets(self, promotion_id: str) -> Sequence[Target]:
        """The targets of a promotion, in the order in which they were named."""
        return self._targets("promotion_id = ?", promotion_id)

    def succeeded(self, target: Target, release: Release) -> None:
        """The target has its release; call it within the transaction that appends that."""
        self._end(target, TargetStatus.SUCCEEDED, release.id, None)

    def failed(self, target: Target, error: str) -> None:
        """The target has none, and why."""
        self._end(target, TargetStatus.FAILED, None, error)

    def interrupt(self, error: str) -> int:
        """End what an earlier hostd was at; how many targets that were."""
        pending = self._targets("status = 'pending'")
        for target in pending:
            self.failed(target, error)
        return len(pending)

    def _end(self, target: Target, status: TargetStatus, release_id: str | None, error: str | None) -> None:
        with self._database.transaction():
            self._database.write(
                "UPDATE pipeline_promotion_targets SET status = ?, release_id = ?, error = ? "
                "WHERE id = ? AND status = 'pending'",
                status.value,
                release_id,
                error,
                target.id,
            )
            self._database.write(
                "UPDATE pipeline_promotions SET updated_at = ? WHERE id = ?",
                self._database.now(),
                target.promotion_id,
            )

    def _targets(self, condition: str, *parameters: object) -> Sequence[Target]:
        records = self._database.select(f"{_TARGETS} WHERE {condition} ORDER BY sequence", *parameters)
        return [_target(record) for record in records]


_TARGETS = "SELECT id, promotion_id, app_id, status, release_id, error FROM pipeline_promotion_targets"


def _target(record: Record) -> Target:
    return Target(**record | {"status": TargetStatus(record["status"])})
