"""Masks: the query parameters whose values stay out of an app's log."""

from __future__ import annotations

from collections.abc import Sequence

from hostd.ledger.apps import Apps
from hostd.ledger.database import Database


class Masks:
    """The table of names."""

    def __init__(self, database: Database, apps: Apps) -> None:
        self._database = database
        self._apps = apps

    def get(self, app_id: str) -> tuple[str, ...]:
        """The names, in their order."""
        records = self._database.select("SELECT name FROM masks WHERE app_id = ? ORDER BY name", app_id)
        return tuple(record["name"] for record in records)

    def set(self, app_id: str, names: Sequence[str]) -> None:
        """Let it be these, and no others. Raises NotFound."""
        with self._database.transaction():
            app = self._apps.get(app_id)
            self._database.write("DELETE FROM masks WHERE app_id = ?", app.id)
            for name in sorted(set(names)):
                self._database.insert("masks", {"app_id": app.id, "name": name})
