"""The formation: how many dynos of each process type an app should have, and of what size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hostd import names, sizes
from hostd.ledger.apps import Apps
from hostd.ledger.database import Database


@dataclass(frozen=True, slots=True)
class Process:
    """One line of a formation."""

    type: str
    quantity: int
    size: str = sizes.DEFAULT


class Formation:
    """The table of formations."""

    def __init__(self, database: Database, apps: Apps) -> None:
        self._database = database
        self._apps = apps

    def get(self, app_id: str) -> dict[str, Process]:
        """An app's formation by process type, in order of the types; types that its slug lost may be among them."""
        records = self._database.select(
            "SELECT type, quantity, size FROM formation WHERE app_id = ? ORDER BY type", app_id
        )
        return {record["type"]: Process(**record) for record in records}

    def promised(self) -> int:
        """Bytes of memory that the dynos of all apps may use together, each its quota."""
        records = self._database.select("SELECT quantity, size FROM formation WHERE quantity > 0")
        return sum(record["quantity"] * sizes.get(record["size"]).memory for record in records)

    def set(self, app_id: str, updates: Iterable[Process]) -> dict[str, Process]:
        """Set some lines of the formation and leave the others; the whole formation comes back."""
        with self._database.transaction():
            app = self._apps.get(app_id)
            for process in updates:
                change = names.scale_update(process.type, process.quantity, process.size)
                self._database.write(
                    "INSERT INTO formation (app_id, type, quantity, size) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (app_id, type) DO UPDATE SET quantity = excluded.quantity, size = excluded.size",
                    app.id,
                    change.type,
                    change.quantity,
                    change.size,
                )
            return self.get(app.id)

    def scale(self, app_id: str, changes: Sequence[names.ScaleChange], known: Iterable[str]) -> dict[str, Process]:
        """Apply changes in order, all or none, to a release with the `known` process types; those changed come back.

        Raises Invalid for an unknown type and beyond the bounds.
        """
        with self._database.transaction():
            app, types = self._apps.get(app_id), set(known)
            formation = self.get(app.id)
            changed: dict[str, Process] = {}
            for change in changes:
                type = names.known_type(change.type, types, app.name)
                process = changed.get(type) or formation.get(type) or Process(type, 0)
                size = change.size or process.size
                changed[type] = replace(process, quantity=change.target(process.quantity), size=size)
            self.set(app.id, changed.values())
            return changed

    def adopt(self, app_id: str, types: Iterable[str]) -> dict[str, Process]:
        """Take in the process types of a new slug: those not in the formation start with web at 1, the others at 0."""
        with self._database.transaction():
            formation = self.get(app_id)
            fresh = [type for type in types if type not in formation and type not in names.UNSCALABLE]
            return self.set(app_id, [Process(type, 1 if type == "web" else 0) for type in fresh])
