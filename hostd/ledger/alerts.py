"""Alerts: on what somebody wants to be told, and who."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hostd.errors import Invalid, NotFound
from hostd.ledger.apps import Apps
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.vault import Vault

PLATFORM = "platform"
"""What the platform's own alerts are counted under, where an app's are under its id."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert of an app, or with None of the platform. `condition` is a text that `hostd.alerts.rules` understands,
    `targets` are those that `hostd.alerts.notify.targets` does; secrets may be in them.

    `watched_at`: from when on it counts. `paused_at` is set while it is paused.
    """

    id: str
    app_id: str | None
    number: int
    condition: str
    targets: tuple[str, ...] = field(repr=False)
    created_at: datetime
    paused_at: datetime | None
    watched_at: datetime


class Alerts:
    """The table of alerts."""

    def __init__(self, database: Database, apps: Apps, vault: Vault) -> None:
        self._database = database
        self._apps = apps
        self._vault = vault

    def add(self, app_id: str | None, *, condition: str, targets: Sequence[str], most: int) -> Alert:
        """A new alert, which counts from now on. Raises Invalid beyond `most`, and for one that is there already."""
        with self._database.transaction():
            whose = self._apps.get(app_id).name if app_id is not None else "the platform"
            known = self.list(app_id)
            if len(known) >= most:
                raise Invalid(f"{whose} has {most} alerts, which is the most there may be. Remove one: hostctl alerts")
            for other in known:
                if other.condition == condition and other.targets == tuple(targets):
                    raise Invalid(f"Alert {other.number} is the same: {condition}")
            number = self._database.next(f"alert of {app_id or PLATFORM}")
            made, now = str(uuid.uuid4()), self._database.now()
            self._database.insert(
                "alerts",
                {
                    "id": made,
                    "app_id": app_id,
                    "number": number,
                    "condition": condition,
                    "targets": self._vault.encrypt({str(place): text for place, text in enumerate(targets)}, made),
                    "created_at": now,
                    "watched_at": now,
                },
            )
            return self.get(app_id, number)

    def get(self, app_id: str | None, number: int) -> Alert:
        """An alert of an app, or of the platform; raises NotFound."""
        for alert in self._select("app_id IS ? AND number = ?", app_id, number):
            return alert
        raise NotFound(f"There is no alert {number}. The alerts: hostctl alerts")

    def of_id(self, alert_id: str) -> Alert | None:
        """The alert of that id, if it is still there."""
        return next(iter(self._select("id = ?", alert_id)), None)

    def list(self, app_id: str | None) -> Sequence[Alert]:
        """The alerts of an app, or of the platform, in the order of their numbers."""
        return self._select("app_id IS ? ORDER BY number", app_id)

    def watched(self) -> Sequence[Alert]:
        """All that are not paused."""
        return self._select("paused_at IS NULL ORDER BY sequence")

    def pause(self, alert: Alert) -> None:
        """Let it count no more until it is resumed."""
        self._database.write(
            "UPDATE alerts SET paused_at = coalesce(paused_at, ?) WHERE id = ?", self._database.now(), alert.id
        )

    def resume(self, alert: Alert) -> None:
        """Let a paused alert count again, from now on."""
        self._database.write(
            "UPDATE alerts SET paused_at = NULL, watched_at = ? WHERE id = ? AND paused_at IS NOT NULL",
            self._database.now(),
            alert.id,
        )

    def remove(self, alert: Alert) -> None:
        """Forget it, and all that came of it."""
        self._database.write("DELETE FROM alerts WHERE id = ?", alert.id)

    def looked_until(self) -> datetime | None:
        """Until when all were looked at, if ever."""
        record = self._database.first("SELECT until_at FROM alert_looks")
        return moments(record)["until_at"] if record else None

    def looked(self, until: datetime) -> None:
        """Note until when all were looked at."""
        self._database.write(
            "INSERT INTO alert_looks (id, until_at) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET until_at = ?1", until
        )

    def _select(self, condition: str, *parameters: object) -> Sequence[Alert]:
        return [self._alert(record) for record in self._database.select(f"{_ALERTS} WHERE {condition}", *parameters)]

    def _alert(self, record: Record) -> Alert:
        found = self._vault.decrypt(record["targets"], record["id"])
        targets = tuple(found[str(place)] for place in range(len(found)))
        return Alert(**moments(record) | {"targets": targets})


_ALERTS = "SELECT id, app_id, number, condition, targets, created_at, paused_at, watched_at FROM alerts"
