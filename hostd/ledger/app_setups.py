"""Setups of apps: each is one app made of a source, as its app.json says, and how that went."""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from hostd.errors import NotFound
from hostd.ledger.apps import App
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.users import User

KEPT = 100
"""Setups of a user that are kept, with what they said: up to 1 MiB each."""


class SetupStatus(Enum):
    """How far it is. The last two are for good."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Postdeploy:
    """What the command after the first deploy printed, and its exit status; None if it was stopped."""

    output: str = field(repr=False)
    status: int | None


@dataclass(frozen=True, slots=True)
class AppSetup:
    """A setup. `problems` are what is wrong with the app.json; `build_id` is that of a build that may not be yet."""

    id: str
    app_id: str
    app_name: str
    user_id: str
    build_id: str
    status: SetupStatus
    failure: str | None
    problems: tuple[str, ...]
    postdeploy: Postdeploy | None
    success_url: str | None
    created_at: datetime
    updated_at: datetime


class AppSetups:
    """The table of setups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, app: App, user: User) -> AppSetup:
        """A new setup, pending; the oldest of the user's give way."""
        made, now = str(uuid.uuid4()), self._database.now()
        with self._database.transaction():
            self._database.insert(
                "app_setups",
                {
                    "id": made,
                    "app_id": app.id,
                    "app_name": app.name,
                    "user_id": user.id,
                    "build_id": str(uuid.uuid4()),
                    "status": SetupStatus.PENDING.value,
                    "created_at": now,
                    "updated_at": now,
                },
            )
            self._database.write(
                "DELETE FROM app_setups WHERE user_id = ?1 AND status != 'pending' AND sequence NOT IN "
                "(SELECT sequence FROM app_setups WHERE user_id = ?1 ORDER BY sequence DESC LIMIT ?2)",
                user.id,
                KEPT,
            )
            return self.get(made)

    def get(self, id: str) -> AppSetup:
        """A setup by its id. Raises NotFound."""
        found = self._select("id = ?", id)
        if not found:
            raise NotFound(f"There is no setup {id[:60]!r}.", resource="app_setup")
        return found[0]

    def pending(self) -> Sequence[AppSetup]:
        """Those that have not ended, oldest first."""
        return self._select("status = 'pending' ORDER BY sequence")

    def output(self, id: str) -> bytes:
        """What a setup that has ended said."""
        record = self._database.first("SELECT output FROM app_setups WHERE id = ?", id)
        return zlib.decompress(record["output"]) if record and record["output"] else b""

    def postdeploy(self, setup: AppSetup, output: str, status: int | None) -> None:
        """Record what the command after the first deploy did."""
        self._database.write(
            "UPDATE app_setups SET postdeploy_output = ?, postdeploy_status = ?, updated_at = ? WHERE id = ?",
            output,
            status,
            self._database.now(),
            setup.id,
        )

    def end(
        self,
        setup: AppSetup,
        *,
        failure: str | None = None,
        problems: Sequence[str] = (),
        success_url: str | None = None,
        output: bytes = b"",
    ) -> None:
        """It has ended: well, or with a reason for its failure. One that has ended already stays as it is."""
        status = SetupStatus.SUCCEEDED if failure is None else SetupStatus.FAILED
        self._database.write(
            "UPDATE app_setups SET status = ?, failure = ?, problems = ?, success_url = ?, output = ?, updated_at = ? "
            "WHERE id = ? AND status = 'pending'",
            status.value,
            failure,
            list(problems),
            success_url,
            zlib.compress(output),
            self._database.now(),
            setup.id,
        )

    def _select(self, condition: str, *parameters: object) -> Sequence[AppSetup]:
        return [_setup(record) for record in self._database.select(f"{_SETUPS} WHERE {condition}", *parameters)]


_SETUPS = (
    "SELECT id, app_id, app_name, user_id, build_id, status, failure, problems, postdeploy_output, postdeploy_status, "
    "success_url, created_at, updated_at FROM app_setups"
)


def _setup(record: Record) -> AppSetup:
    fields = moments(record)
    output, status = fields.pop("postdeploy_output"), fields.pop("postdeploy_status")
    fields["status"] = SetupStatus(fields["status"])
    fields["problems"] = tuple(json.loads(fields["problems"]))
    return AppSetup(**fields, postdeploy=None if output is None else Postdeploy(output, status))
