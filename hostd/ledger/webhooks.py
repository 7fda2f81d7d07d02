"""Webhooks: who is told what happens to an app, or to the apps of a pipeline. Addresses and secrets are encrypted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hostd.errors import Invalid, NotFound
from hostd.ledger.apps import Apps
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.pipelines import Pipelines
from hostd.ledger.vault import Vault
from hostd.ledger.webhook_subjects import Kind, Subject

MOST = 20
"""Webhooks that an app may have, and a pipeline."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook. `include` are entities such as `api:release`; `level` is `notify`, told once, or `sync`, told until
    it is taken. `secret` signs what is told; `authorization` is a header that the receiver wants, or ""."""

    id: str
    subject: Subject
    include: tuple[str, ...]
    level: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    authorization: str = field(repr=False)
    created_at: datetime
    updated_at: datetime


class Webhooks:
    """The table of webhooks. What is in them was judged before."""

    def __init__(self, database: Database, apps: Apps, pipelines: Pipelines, vault: Vault) -> None:
        self._database = database
        self._apps = apps
        self._pipelines = pipelines
        self._vault = vault

    def add(  # noqa: PLR0917
        self, subject: Subject, url: str, include: Sequence[str], level: str, secret: str, authorization: str
    ) -> Webhook:
        """Give an app or a pipeline a webhook. Raises NotFound if it is not there, and Invalid beyond the limit."""
        with self._database.transaction():
            name = self._name(subject)
            if len(self.list(subject)) >= MOST:
                raise Invalid(
                    f"{name} has {MOST} webhooks: that is the limit. Remove one: "
                    f"hostctl webhooks:remove ID{subject.flag}"
                )
            made, now = str(uuid.uuid4()), self._database.now()
            self._database.insert(
                "webhooks",
                {
                    "id": made,
                    subject.column: subject.id,
                    "include": list(include),
                    "level": level,
                    "sealed": self._sealed(made, url, secret, authorization),
                    "created_at": now,
                    "updated_at": now,
                },
            )
            return self.get(subject, made)

    def update(self, changed: Webhook) -> Webhook:
        """Write down what has changed of a webhook. Raises NotFound if it is gone."""
        with self._database.transaction():
            self.get(changed.subject, changed.id)
            self._database.write(
                "UPDATE webhooks SET include = ?, level = ?, sealed = ?, updated_at = ? WHERE id = ?",
                list(changed.include),
                changed.level,
                self._sealed(changed.id, changed.url, changed.secret, changed.authorization),
                self._database.now(),
                changed.id,
            )
            return self.get(changed.subject, changed.id)

    def get(self, subject: Subject, id: str) -> Webhook:
        """A webhook of the app or the pipeline. Raises NotFound."""
        for found in self._select(f"{subject.column} = ? AND id = ?", subject.id, id):
            return found
        raise NotFound(
            f"There is no webhook {id[:60]!r}. Those that there are: hostctl webhooks{subject.flag}", resource="webhook"
        )

    def of_id(self, id: str) -> Webhook | None:
        """The webhook of that id, whosever it is, if it is still there."""
        return next(iter(self._select("id = ?", id)), None)

    def list(self, subject: Subject) -> Sequence[Webhook]:
        """The webhooks of the app or the pipeline, in the order in which they were added."""
        return self._select(f"{subject.column} = ? ORDER BY sequence", subject.id)

    def wants(self, app_id: str, include: str) -> bool:
        """Whether a webhook of the app, or of the pipeline that it is in, wants to be told of such."""
        return (
            self._database.first(
                "SELECT 1 FROM webhooks WHERE (app_id = ?1 OR pipeline_id = "
                "(SELECT pipeline_id FROM pipeline_couplings WHERE app_id = ?1)) "
                "AND EXISTS (SELECT 1 FROM json_each(include) WHERE value = ?2)",
                app_id,
                include,
            )
            is not None
        )

    def remove(self, subject: Subject, id: str) -> Webhook:
        """Take a webhook away, with what it was still to be told. Raises NotFound."""
        with self._database.transaction():
            webhook = self.get(subject, id)
            self._database.write("DELETE FROM webhooks WHERE id = ?", webhook.id)
        return webhook

    def remove_finished(self) -> None:
        """Take away those of destroyed apps that have been told all."""
        self._database.write(
            "DELETE FROM webhooks WHERE app_id IN (SELECT id FROM apps WHERE destroyed_at IS NOT NULL) "
            "AND app_id NOT IN (SELECT app_id FROM webhook_changes) AND NOT EXISTS "
            "(SELECT 1 FROM webhook_deliveries WHERE webhook_id = webhooks.id AND next_at IS NOT NULL)"
        )

    def _name(self, subject: Subject) -> str:
        if subject.kind is Kind.APP:
            return self._apps.get(subject.id).name
        return self._pipelines.get(subject.id).name

    def _sealed(self, id: str, url: str, secret: str, authorization: str) -> bytes:
        return self._vault.encrypt({"url": url, "secret": secret, "authorization": authorization}, _place(id))

    def _select(self, condition: str, *parameters: object) -> Sequence[Webhook]:
        records = self._database.select(f"{_WEBHOOKS} WHERE {condition}", *parameters)
        return [self._webhook(record) for record in records]

    def _webhook(self, record: Record) -> Webhook:
        sealed = self._vault.decrypt(record.pop("sealed"), _place(record["id"]))
        app_id, pipeline_id = record.pop("app_id"), record.pop("pipeline_id")
        subject = Subject.app(app_id) if app_id is not None else Subject.pipeline(pipeline_id)
        include = tuple(json.loads(record["include"]))
        return Webhook(**moments(record) | {"subject": subject, "include": include} | sealed)


_WEBHOOKS = "SELECT id, app_id, pipeline_id, include, level, sealed, created_at, updated_at FROM webhooks"


def _place(webhook_id: str) -> str:
    return f"webhook {webhook_id}"
