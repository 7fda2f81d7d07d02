"""Idling: which apps sleep while nobody asks for them, and which do now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hostd.ledger.apps import Apps
from hostd.ledger.database import Database, moments


@dataclass(frozen=True, slots=True)
class Idle:
    """An app that sleeps `after` so many seconds without a request; `idled_version` is the release that sleeps now."""

    app_id: str
    after: int
    idled_at: datetime | None = None
    idled_version: int | None = None


class Idling:
    """The table of apps that may sleep."""

    def __init__(self, database: Database, apps: Apps) -> None:
        self._database = database
        self._apps = apps

    def get(self, app_id: str) -> Idle | None:
        """When an app sleeps, and whether it does; None if it never does."""
        return next(iter(self._select("WHERE app_id = ?", app_id)), None)

    def list(self) -> Sequence[Idle]:
        """All apps that may sleep."""
        return self._select("ORDER BY app_id")

    def set(self, app_id: str, after: int | None) -> Idle | None:
        """Let an app sleep after so many seconds without a request; None: never. Raises NotFound."""
        with self._database.transaction():
            app = self._apps.get(app_id)
            if after is None:
                self._database.write("DELETE FROM idling WHERE app_id = ?", app.id)
            else:
                self._database.write(
                    "INSERT INTO idling (app_id, after) VALUES (?1, ?2) "
                    "ON CONFLICT (app_id) DO UPDATE SET after = excluded.after",
                    app.id,
                    after,
                )
            return self.get(app.id)

    def begin(self, app_id: str, version: int) -> None:
        """Let a release of an app that may sleep do so from now on."""
        self._database.write(
            "UPDATE idling SET idled_at = ?, idled_version = ? WHERE app_id = ?", self._database.now(), version, app_id
        )

    def end(self, app_id: str) -> None:
        """Let an app be awake."""
        self._database.write("UPDATE idling SET idled_at = NULL, idled_version = NULL WHERE app_id = ?", app_id)

    def _select(self, condition: str, *parameters: object) -> Sequence[Idle]:
        records = self._database.select(f"{_IDLING} {condition}", *parameters)
        return [Idle(**moments(record)) for record in records]


_IDLING = "SELECT app_id, after, idled_at, idled_version FROM idling"
