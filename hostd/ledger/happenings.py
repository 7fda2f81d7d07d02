"""Happenings: what changed of apps that somebody wants to hear of, noted by the change itself, and who changed it.

Triggers of the connection write down what changed (`happenings.sql`); who, and when, is added before the same
transaction ends. From that events are made, and from those deliveries to webhooks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hostd.ledger.database import Database, Record, moments, to_text
from hostd.ledger.webhook_subjects import Subject

ACTOR: ContextVar[str] = ContextVar("ACTOR", default="")
"""The id of the user for whom what is done now is done; "" is the platform."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that changed. `before` is what its trigger wrote down of how it was, and how it is `now`.

    `pipeline_id` is the pipeline whose webhooks may hear of it, if there is one.
    """

    sequence: int
    app_id: str
    pipeline_id: str | None
    resource: str
    action: str
    key: str
    before: Mapping[str, Any]
    user_id: str
    at: datetime

    @property
    def subjects(self) -> Sequence[Subject]:
        """Whose webhooks may hear of it."""
        app = Subject.app(self.app_id)
        return [app] if self.pipeline_id is None else [app, Subject.pipeline(self.pipeline_id)]


class Happenings:
    """The table of what changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.watch(Path(__file__).with_name("happenings.sql").read_text(encoding="utf-8"))
        database.before_commit.append(self._sign)
        self.heard: Callable[[], object] = lambda: None
        """Called when there is something new; it is in the ledger when the caller has ended."""

    def note(self, app_id: str, resource: str, action: str, key: str, before: Mapping[str, Any]) -> None:
        """Write down something that no table of the ledger has."""
        self._database.insert(
            "webhook_changes",
            {"app_id": app_id, "resource": resource, "action": action, "key": key, "before": dict(before)},
        )

    def list(self, limit: int = 100) -> Sequence[Happening]:
        """The oldest, in their order."""
        return [
            _happening(record)
            for record in self._database.select(
                "SELECT sequence, app_id, pipeline_id, resource, action, key, before, user_id, at FROM webhook_changes "
                "ORDER BY sequence LIMIT ?",
                limit,
            )
        ]

    def forget(self, happening: Happening) -> None:
        """It is an event now."""
        self._database.write("DELETE FROM webhook_changes WHERE sequence = ?", happening.sequence)

    def _sign(self) -> None:
        if self._database.first("SELECT 1 FROM webhook_changes WHERE at = '' LIMIT 1") is None:
            return
        self._database.write(
            "UPDATE webhook_changes SET user_id = coalesce(user_id, ?), at = ? WHERE at = ''",
            ACTOR.get(),
            to_text(self._database.now()),
        )
        self.heard()


def _happening(record: Record) -> Happening:
    record = record | {"before": json.loads(record["before"])}
    at = moments({"at_at": record["at"]})["at_at"]
    return Happening(**record | {"at": at})
