"""Health checks: the path of each process type that must answer well before a dyno of it gets requests."""

from __future__ import annotations

from hostd import names
from hostd.ledger.apps import Apps
from hostd.ledger.database import Database


class Checks:
    """The table of the checks that people have set; those of an app.json are with the slug."""

    def __init__(self, database: Database, apps: Apps) -> None:
        self._database = database
        self._apps = apps

    def get(self, app_id: str) -> dict[str, str]:
        """The paths by process type."""
        records = self._database.select("SELECT type, path FROM checks WHERE app_id = ? ORDER BY type", app_id)
        return {record["type"]: record["path"] for record in records}

    def set(self, app_id: str, type: str, path: str) -> None:
        """Let dynos of a type be asked for `path`. Raises NotFound, and Invalid for what can be no check."""
        with self._database.transaction():
            app = self._apps.get(app_id)
            self._database.write(
                "INSERT INTO checks (app_id, type, path) VALUES (?, ?, ?) "
                "ON CONFLICT (app_id, type) DO UPDATE SET path = excluded.path",
                app.id,
                names.checked_type(type),
                names.check_path(path),
            )

    def unset(self, app_id: str, type: str) -> bool:
        """Forget what was set for a type; False if nothing was."""
        return self._database.write("DELETE FROM checks WHERE app_id = ? AND type = ?", app_id, type) > 0
