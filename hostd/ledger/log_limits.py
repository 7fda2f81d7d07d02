"""Log limits: how much of an app's log is kept, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from hostd.ledger.apps import Apps
from hostd.ledger.database import Database


@dataclass(frozen=True, slots=True)
class LogLimits:
    """MiB that an app's log may take on disk (None: as the settings say), and days (None: as long as there is room)."""

    size_mb: int | None = None
    retention_days: int | None = None


class LogLimitsTable:
    """The table of apps whose logs have limits of their own."""

    def __init__(self, database: Database, apps: Apps) -> None:
        self._database = database
        self._apps = apps

    def get(self, app_id: str) -> LogLimits:
        """The limits of an app's own."""
        found = self._database.select("SELECT size_mb, retention_days FROM log_limits WHERE app_id = ?", app_id)
        return LogLimits(**next(iter(found), {}))

    def set(self, app_id: str, limits: LogLimits) -> None:
        """Give an app's log these limits. Raises NotFound."""
        with self._database.transaction():
            app = self._apps.get(app_id)
            if limits == LogLimits():
                self._database.write("DELETE FROM log_limits WHERE app_id = ?", app.id)
                return
            self._database.write(
                "INSERT INTO log_limits (app_id, size_mb, retention_days) VALUES (?1, ?2, ?3) ON CONFLICT (app_id) "
                "DO UPDATE SET size_mb = excluded.size_mb, retention_days = excluded.retention_days",
                app.id,
                limits.size_mb,
                limits.retention_days,
            )
