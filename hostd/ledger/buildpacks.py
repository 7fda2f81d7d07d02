"""Buildpacks: which ones an app's owner has chosen, in order. None chosen: a build finds out by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hostd.ledger.apps import Apps
from hostd.ledger.database import Database


class Buildpacks:
    """The table of the apps' buildpacks."""

    def __init__(self, database: Database, apps: Apps) -> None:
        self._database = database
        self._apps = apps

    def list(self, app_id: str) -> list[str]:
        """An app's buildpacks as their owner wrote them, first to last."""
        records = self._database.select("SELECT url FROM buildpacks WHERE app_id = ? ORDER BY position", app_id)
        return [record["url"] for record in records]

    def replace(self, app_id: str, urls: Iterable[str]) -> Sequence[str]:
        """Let the app have exactly these buildpacks; they count from its next build. Raises NotFound."""
        with self._database.transaction():
            app = self._apps.get(app_id)
            self._database.write("DELETE FROM buildpacks WHERE app_id = ?", app.id)
            for position, url in enumerate(urls, start=1):
                self._database.insert("buildpacks", {"app_id": app.id, "position": position, "url": url})
            return self.list(app.id)
