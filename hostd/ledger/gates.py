"""Gates: who may come to an app, by name and password or by network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hostd.errors import Conflict, Invalid, NotFound
from hostd.ledger.apps import Apps
from hostd.ledger.database import Database, moments

MOST_USERS, MOST_NETWORKS = 100, 200


@dataclass(frozen=True, slots=True)
class GateUser:
    """Somebody who has a password; `created_at` is when this one was set."""

    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Gate:
    """An app's gate; where it has users a client must be one, and where it has networks come from one."""

    users: tuple[GateUser, ...] = ()
    networks: tuple[str, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether the app is not for everybody."""
        return bool(self.users or self.networks)


class Gates:
    """The tables of gates. Passwords come as their hashes, names and networks as they are written best."""

    def __init__(self, database: Database, apps: Apps) -> None:
        self._database = database
        self._apps = apps

    def get(self, app_id: str) -> Gate:
        """The gate of an app."""
        users = self._database.select("SELECT name, created_at FROM gate_users WHERE app_id = ? ORDER BY name", app_id)
        networks = self._database.select(
            "SELECT network FROM gate_networks WHERE app_id = ? ORDER BY network", app_id
        )
        return Gate(
            tuple(GateUser(**moments(record)) for record in users), tuple(record["network"] for record in networks)
        )

    def hashes(self, app_id: str) -> Mapping[str, str]:
        """The hash of each user's password, by the user's name."""
        records = self._database.select("SELECT name, hash FROM gate_users WHERE app_id = ? ORDER BY name", app_id)
        return {record["name"]: record["hash"] for record in records}

    def add(self, app_id: str, hashes: Mapping[str, str], networks: Sequence[str]) -> Gate:
        """Let these users, with other passwords if they have some, and networks in too. Raises NotFound, Invalid."""
        with self._database.transaction():
            app = self._apps.get(app_id)
            for name, kept in hashes.items():
                self._database.write(
                    "INSERT OR REPLACE INTO gate_users (app_id, name, hash, created_at) VALUES (?, ?, ?, ?)",
                    app.id,
                    name,
                    kept,
                    self._database.now(),
                )
            for network in networks:
                self._database.write(
                    "INSERT OR IGNORE INTO gate_networks (app_id, network) VALUES (?, ?)", app.id, network
                )
            gate = self.get(app.id)
            if len(gate.users) > MOST_USERS or len(gate.networks) > MOST_NETWORKS:
                raise Invalid(f"A gate has at most {MOST_USERS} users and {MOST_NETWORKS} networks.")
            return gate

    def remove(self, app_id: str, users: Sequence[str], networks: Sequence[str]) -> Gate:
        """Let these in no more. Raises NotFound, and Conflict if that would let in everybody."""
        with self._database.transaction():
            self._delete("DELETE FROM gate_users WHERE app_id = ? AND name = ?", app_id, users)
            self._delete("DELETE FROM gate_networks WHERE app_id = ? AND network = ?", app_id, networks)
            gate = self.get(app_id)
            if not gate.closed:
                raise Conflict(
                    "Nobody would be left at the gate, and so everybody would get in. Nothing was changed. "
                    "If that is what you want: hostctl access:gate:disable"
                )
            return gate

    def clear(self, app_id: str) -> None:
        """Let everybody in."""
        with self._database.transaction():
            self._database.write("DELETE FROM gate_users WHERE app_id = ?", app_id)
            self._database.write("DELETE FROM gate_networks WHERE app_id = ?", app_id)

    def _delete(self, sql: str, app_id: str, values: Sequence[str]) -> None:
        for value in values:
            if not self._database.write(sql, app_id, value):
                raise NotFound(f"{value[:64]} is not at the gate. Who is: hostctl access:gate")
