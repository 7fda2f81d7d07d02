"""ACM: which apps get their certificates by themselves, and how it stands with the names that have none yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from hostd.ledger.apps import Apps
from hostd.ledger.database import Database, moments


@dataclass(frozen=True, slots=True)
class Standing:
    """What was tried for a name, and when something is tried next; a name with which all is well has none.

    `since_at` is since when a certificate is wanted; `reason` why there is none yet. `limited`: the authority itself
    said that it wants to be left alone until `next_at`. `renew`: a new one is wanted, whatever there is.
    """

    app_id: str
    hostname: str
    since_at: datetime
    updated_at: datetime
    next_at: datetime
    reason: str | None = None
    failures: int = 0
    limited: bool = False
    renew: bool = False


class Acm:
    """The tables of automatic certificate management."""

    def __init__(self, database: Database, apps: Apps) -> None:
        self._database = database
        self._apps = apps

    def enabled(self, app_id: str) -> bool:
        """Whether an app gets its certificates by itself."""
        return self._database.first("SELECT 1 FROM acm WHERE app_id = ?", app_id) is not None

    def all_enabled(self) -> set[str]:
        """The ids of all apps that get their certificates by themselves."""
        return {record["app_id"] for record in self._database.select("SELECT app_id FROM acm")}

    def challenge(self, app_id: str) -> str | None:
        """The only way by which its names are to be proven, as ACME calls it; None for whichever does it."""
        record = self._database.first("SELECT challenge FROM acm WHERE app_id = ?", app_id)
        return record["challenge"] if record else None

    def enable(self, app_id: str, challenge: str | None = None) -> None:
        """Let an app get them from now on, its names being proven in that way only. Raises NotFound."""
        with self._database.transaction():
            self._database.write(
                "INSERT INTO acm (app_id, enabled_at, challenge) VALUES (?, ?, ?) "
                "ON CONFLICT (app_id) DO UPDATE SET challenge = excluded.challenge",
                self._apps.get(app_id).id,
                self._database.now(),
                challenge,
            )

    def disable(self, app_id: str) -> None:
        """Let an app get none any more, and forget what was tried."""
        with self._database.transaction():
            self._database.write("DELETE FROM acm WHERE app_id = ?", app_id)
            self._database.write("DELETE FROM acm_names WHERE app_id = ?", app_id)

    def apps(self) -> Sequence[str]:
        """The ids of the apps that get certificates by themselves, or have some that they got so."""
        records = self._database.select(
            "SELECT app_id FROM acm UNION SELECT app_id FROM certificates WHERE automatic = 1 ORDER BY app_id"
        )
        return [record["app_id"] for record in records]

    def standings(self, app_id: str) -> Mapping[str, Standing]:
        """How it stands with the names of an app, by name; those with which all is well are left out."""
        return {
            record["hostname"]: Standing(
                **moments(record) | {"limited": bool(record["limited"]), "renew": bool(record["renew"])}
            )
            for record in self._database.select(
                "SELECT app_id, hostname, since_at, updated_at, next_at, reason, failures, limited, renew "
                "FROM acm_names WHERE app_id = ?",
                app_id,
            )
        }

    def put(self, standing: Standing) -> None:
        """Note how it stands with a name."""
        values = asdict(standing)
        self._database.write(
            f"INSERT OR REPLACE INTO acm_names ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608 - our own columns
            *values.values(),
        )

    def forget(self, app_id: str, hostname: str) -> None:
        """All is well with a name, or it is none of the app's any more."""
        self._database.write("DELETE FROM acm_names WHERE app_id = ? AND hostname = ?", app_id, hostname)
