"""Events of apps and of pipelines, and their deliveries to webhooks: what was told, or is to be, and how that went."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from hostd.errors import NotFound
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.webhook_subjects import Kind, Subject
from hostd.ledger.webhooks import Webhook

KEPT = 1000
"""Newest events of an app, and of a pipeline, that are remembered, with their deliveries; older ones are not delivered
any more either."""


class DeliveryStatus(Enum):
    """How it stands with a delivery, in Heroku's words. The last two are for good."""

    PENDING = "pending"
    RETRYING = "retrying"
    FAILED = "failed"
    SUCCEEDED = "succeeded"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an app, of the kind `include`; `payload` says what, in JSON."""

    sequence: int
    id: str
    app_id: str
    include: str
    payload: Mapping[str, Any] = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try: the status that it was answered with, if it was, and why it failed, if it did."""

    id: str
    at: datetime
    code: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a webhook is to be told of an event. `next_at` is when it is tried next; None when it was told or given up.

    `last` is the last try, `include` the kind of the event.
    """

    sequence: int
    id: str
    webhook_id: str
    event_id: str
    include: str
    status: DeliveryStatus
    tries: int
    next_at: datetime | None
    last: Attempt | None
    created_at: datetime
    updated_at: datetime


class WebhookDeliveries:
    """The tables of events and of deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(
        self, subject: Subject, app_id: str, include: str, payload: Mapping[str, Any], to: Iterable[Webhook]
    ) -> Event:
        """An event of the app or of its pipeline, to be delivered to these at once; the oldest are forgotten."""
        with self._database.transaction():
            made, now = str(uuid.uuid4()), self._database.now()
            event = {"id": made, "app_id": app_id, "include": include, "payload": dict(payload), "created_at": now}
            self._database.insert("webhook_events", {subject.column: subject.id} | event)
            for webhook in to:
                delivery = {
                    "id": str(uuid.uuid4()),
                    "webhook_id": webhook.id,
                    "event_id": made,
                    "status": DeliveryStatus.PENDING.value,
                    "next_at": now,
                    "created_at": now,
                    "updated_at": now,
                }
                self._database.insert("webhook_deliveries", delivery)
            own = _own(subject)
            for old in self._events(f"{own} ORDER BY sequence DESC LIMIT 1 OFFSET ?2", subject.id, KEPT):
                self._database.write(f"{_FORGET} WHERE {own} AND sequence <= ?2", subject.id, old.sequence)
            return self.event(subject, made)

    def event(self, subject: Subject, id: str) -> Event:
        """An event of the app or the pipeline. Raises NotFound."""
        for event in self._events(f"{_own(subject)} AND id = ?2", subject.id, id):
            return event
        raise NotFound(f"There is no event {id[:60]!r}. Those that there are: hostctl webhooks:events{subject.flag}")

    def events(self, subject: Subject) -> Sequence[Event]:
        """The events of the app or the pipeline, oldest first."""
        return self._events(f"{_own(subject)} ORDER BY sequence", subject.id)

    def get(self, subject: Subject, id: str) -> Delivery:
        """A delivery to a webhook of the app or the pipeline. Raises NotFound."""
        for delivery in self._deliveries(f"{_own(subject)} AND webhook_deliveries.id = ?2", subject.id, id):
            return delivery
        raise NotFound(
            f"There is no delivery {id[:60]!r}. Those that there are: hostctl webhooks:deliveries{subject.flag}"
        )

    def list(self, subject: Subject) -> Sequence[Delivery]:
        """The deliveries to webhooks of the app or the pipeline, oldest first."""
        return self._deliveries(f"{_own(subject)} ORDER BY webhook_deliveries.sequence", subject.id)

    def next(self) -> Sequence[Delivery]:
        """Of each webhook the one that is to be tried first, in the order in which they are to be."""
        return self._deliveries(
            "webhook_deliveries.sequence IN (SELECT sequence FROM (SELECT sequence, row_number() OVER "
            "(PARTITION BY webhook_id ORDER BY next_at, sequence) AS place FROM webhook_deliveries "
            "WHERE next_at IS NOT NULL) WHERE place = 1) ORDER BY next_at, webhook_deliveries.sequence"
        )

    def trying(self, delivery: Delivery, attempt_id: str, next_at: datetime) -> None:
        """Note that it is about to be tried; if nobody is left to say how that went, it is tried again then."""
        now = self._database.now()
        self._database.write(
            "UPDATE webhook_deliveries SET tries = tries + 1, next_at = ?, attempt_id = ?, attempt_at = ?, "
            "attempt_code = NULL, attempt_error = NULL, updated_at = ? WHERE id = ? AND next_at IS NOT NULL",
            next_at,
            attempt_id,
            now,
            now,
            delivery.id,
        )

    def tried(
        self, delivery: Delivery, *, code: int | None, error: str | None, next_at: datetime | None
    ) -> DeliveryStatus:
        """Note how a try went, and when the next is; with an `error` and None for that, it is given up."""
        status = DeliveryStatus.SUCCEEDED
        if error is not None:
            status = DeliveryStatus.FAILED if next_at is None else DeliveryStatus.RETRYING
        self._database.write(
            "UPDATE webhook_deliveries SET status = ?, next_at = ?, attempt_code = ?, attempt_error = ?, "
            "updated_at = ? WHERE id = ?",
            status.value,
            next_at,
            code,
            error,
            self._database.now(),
            delivery.id,
        )
        return status

    def resume(self) -> None:
        """Have tried again, before all that came later, what an earlier hostd was trying when it ended."""
        self._database.write(
            "UPDATE webhook_deliveries SET next_at = created_at WHERE next_at IS NOT NULL "
            "AND attempt_id IS NOT NULL AND attempt_code IS NULL AND attempt_error IS NULL"
        )

    def _events(self, condition: str, *parameters: object) -> Sequence[Event]:
        records = self._database.select(f"{_EVENTS} WHERE {condition}", *parameters)
        return [Event(**moments(record) | {"payload": json.loads(record["payload"])}) for record in records]

    def _deliveries(self, condition: str, *parameters: object) -> Sequence[Delivery]:
        return [_delivery(each) for each in self._database.select(f"{_DELIVERIES} WHERE {condition}", *parameters)]


_EVENTS = "SELECT sequence, id, app_id, include, payload, created_at FROM webhook_events"
_FORGET = "DELETE FROM webhook_events"
_DELIVERIES = (
    "SELECT webhook_deliveries.sequence, webhook_deliveries.id, webhook_id, event_id, webhook_events.include, status, "
    "tries, next_at, attempt_id, attempt_at, attempt_code, attempt_error, webhook_deliveries.created_at, "
    "webhook_deliveries.updated_at FROM webhook_deliveries JOIN webhook_events ON webhook_events.id = event_id"
)


def _own(subject: Subject) -> str:
    """That an event is of this subject, whose id is the first parameter. Those of a pipeline are not its apps'."""
    if subject.kind is Kind.PIPELINE:
        return "webhook_events.pipeline_id = ?1"
    return "webhook_events.app_id = ?1 AND webhook_events.pipeline_id IS NULL"


def _delivery(record: Record) -> Delivery:
    known = moments(record)
    id, at, code, error = (known.pop(f"attempt_{name}") for name in ("id", "at", "code", "error"))
    last = Attempt(id, at, code, error) if id is not None else None
    return Delivery(**known | {"status": DeliveryStatus(known["status"]), "last": last})
