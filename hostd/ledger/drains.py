"""Drains: where an app's lines are sent on to. Their addresses are encrypted, as there may be passwords in them."""

from __future__ import annotations

import builtins
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hostd.errors import Conflict, Invalid, NotFound
from hostd.ledger.apps import Apps
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.vault import Vault
from hostd.logplex.drains.destinations import masked

MOST = 5
"""Drains that an app may have (Heroku's limit)."""


@dataclass(frozen=True, slots=True)
class Drain:
    """A drain of an app. `token` is what its receiver knows it by; `filters` as `drains.choices.Choice` writes them."""

    id: str
    app_id: str
    url: str = field(repr=False)
    token: str
    filters: Mapping[str, Any]
    created_at: datetime

    @property
    def shown(self) -> str:
        """Its address, as it may be shown."""
        return masked(self.url)


class Drains:
    """The table of drains. Addresses and filters were judged before."""

    def __init__(self, database: Database, apps: Apps, vault: Vault) -> None:
        self._database = database
        self._apps = apps
        self._vault = vault

    def add(self, app_id: str, url: str, filters: Mapping[str, Any]) -> Drain:
        """Give an app a drain. Raises Conflict for an address that one has already, Invalid beyond the limit."""
        with self._database.transaction():
            app = self._apps.get(app_id)
            known = self.list(app.id)
            if any(drain.url == url for drain in known):
                raise Conflict(f"{app.name} has a drain to this address already. See: hostctl drains -a {app.name}")
            if len(known) >= MOST:
                raise Invalid(f"{app.name} has {MOST} drains, which is the limit. Remove one: hostctl drains:remove")
            made = str(uuid.uuid4())
            self._database.insert(
                "drains",
                {
                    "id": made,
                    "app_id": app.id,
                    "url": self._vault.encrypt({"url": url}, _place(made)),
                    "token": f"d.{uuid.uuid4()}",
                    "filters": json.dumps(filters),
                    "created_at": self._database.now(),
                },
            )
            return self.get(app.id, made)

    def get(self, app_id: str, name: str) -> Drain:
        """A drain of the app by its id, token or address, also as it is shown.

        Raises NotFound, and Conflict for what could be several.
        """
        known = self.list(app_id)
        exact = [drain for drain in known if name in (drain.id, drain.token, drain.url)]
        found = exact or [drain for drain in known if drain.shown == name]
        if not found:
            raise NotFound("Couldn't find that drain. Name it by its address, id or token: see hostctl drains")
        if len(found) > 1:
            raise Conflict(f"{len(found)} drains have this address when it is masked. Name the one by its token.")
        return found[0]

    def list(self, app_id: str) -> list[Drain]:
        """The app's drains, in the order in which they were added."""
        return self._select("WHERE app_id = ? ORDER BY sequence", app_id)

    def all(self) -> builtins.list[Drain]:
        """The drains of all apps."""
        return self._select("ORDER BY sequence")

    def remove(self, app_id: str, name: str) -> Drain:
        """Take a drain away. Raises NotFound, Conflict."""
        with self._database.transaction():
            drain = self.get(app_id, name)
            self._database.write("DELETE FROM drains WHERE id = ?", drain.id)
        return drain

    def _select(self, rest: str, *parameters: object) -> builtins.list[Drain]:
        return [self._drain(record) for record in self._database.select(f"{_DRAINS} {rest}", *parameters)]

    def _drain(self, record: Record) -> Drain:
        url = self._vault.decrypt(record["url"], _place(record["id"]))["url"]
        return Drain(**moments(record) | {"url": url, "filters": json.loads(record["filters"])})


_DRAINS = "SELECT id, app_id, url, token, filters, created_at FROM drains"


def _place(drain_id: str) -> str:
    return f"drain {drain_id}"
