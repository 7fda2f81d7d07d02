"""Pauses: the apps whose requests wait for a while."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from hostd.ledger.apps import Apps
from hostd.ledger.database import Database, moments


class Pauses:
    """The table of pauses. One whose time is over is none."""

    def __init__(self, database: Database, apps: Apps) -> None:
        self._database = database
        self._apps = apps
        self.begun: Callable[[], object] = lambda: None
        """Told when a pause begins."""

    def until(self, app_id: str) -> datetime | None:
        """Until when the app's requests wait; None if they do not."""
        record = self._database.first("SELECT ends_at FROM pauses WHERE app_id = ?", app_id)
        until: datetime | None = moments(record)["ends_at"] if record else None
        return until if until is not None and until > self._database.now() else None

    def begin(self, app_id: str, until: datetime) -> None:
        """Let requests wait until then. Raises NotFound."""
        with self._database.transaction():
            self._database.write(
                "INSERT OR REPLACE INTO pauses (app_id, ends_at) VALUES (?, ?)", self._apps.get(app_id).id, until
            )
        self.begun()

    def end(self, app_id: str) -> None:
        """Let requests wait no longer."""
        self._database.write("DELETE FROM pauses WHERE app_id = ?", app_id)

    def left(self) -> list[tuple[str, float]]:
        """The ids of the apps whose pause nobody has ended, and the seconds that are left: 0 and less, it is over."""
        now = self._database.now()
        records = map(moments, self._database.select("SELECT app_id, ends_at FROM pauses ORDER BY ends_at"))
        return [(record["app_id"], (record["ends_at"] - now).total_seconds()) for record in records]
