"""Features: what an app has beyond what every app has. Heroku's names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hostd.ledger.apps import Apps
from hostd.ledger.database import Database, moments
from hostd.ledger.vault import Vault

SESSION_AFFINITY = "session-affinity"
RUNTIME_METRICS = "log-runtime-metrics"


class Features:
    """The table of features that were enabled."""

    def __init__(self, database: Database, apps: Apps, vault: Vault) -> None:
        self._database = database
        self._apps = apps
        self._vault = vault

    def enabled(self, app_id: str) -> Mapping[str, datetime]:
        """The features that an app has, and since when."""
        records = self._database.select("SELECT name, enabled_at FROM features WHERE app_id = ? ORDER BY name", app_id)
        return {record["name"]: moments(record)["enabled_at"] for record in records}

    def set(self, app_id: str, name: str, on: bool) -> None:
        """Give an app a feature, or take it away. Raises NotFound for the app."""
        with self._database.transaction():
            app = self._apps.get(app_id)
            if on:
                self._database.write(
                    "INSERT OR IGNORE INTO features (app_id, name, enabled_at) VALUES (?, ?, ?)",
                    app.id,
                    name,
                    self._database.now(),
                )
            else:
                self._database.write("DELETE FROM features WHERE app_id = ? AND name = ?", app.id, name)

    def affinity_key(self, app_id: str) -> str:
        """The key of the cookies by which clients come back to their dyno, in hex; "" without session affinity."""
        has = SESSION_AFFINITY in self.enabled(app_id)
        return self._vault.seal(f"session affinity of {app_id}") if has else ""
