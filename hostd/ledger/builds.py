"""Builds: each attempt to turn a commit into a slug, and what it printed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hostd.errors import Conflict, NotFound
from hostd.ledger.database import Database, moments

BuildStatus = Literal["pending", "succeeded", "failed"]

OUTPUT_LIMIT = 512 * 1024
"""Bytes of a build's output that are kept."""
_HEAD = 128 * 1024


@dataclass(frozen=True, slots=True)
class Build:
    """A build; `slug_id` and `release_version` are what came of it."""

    id: str
    app_id: str
    user_id: str
    commit: str
    status: BuildStatus
    slug_id: str | None
    release_version: int | None
    output: str
    created_at: datetime
    ended_at: datetime | None
    host: int = 1


class Builds:
    """The table of builds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, app_id: str, user_id: str, commit: str, id: str | None = None) -> Build:
        """Record a build that begins now; `id` is the one under which the pool and systemd know it."""
        build_id = id or str(uuid.uuid4())
        self._database.insert(
            "builds",
            {
                "id": build_id,
                "app_id": app_id,
                "user_id": user_id,
                "commit": commit,
                "status": "pending",
                "created_at": self._database.now(),
            },
        )
        return self.get(build_id)

    def finish(
        self,
        build_id: str,
        status: Literal["succeeded", "failed"],
        *,
        slug_id: str | None = None,
        release_version: int | None = None,
        output: str = "",
    ) -> Build:
        """Record how a build ended; raises Conflict for one that has ended already."""
        with self._database.transaction():
            if self.get(build_id).status != "pending":
                raise Conflict(f"The build {build_id} has ended already.")
            self._database.write(
                "UPDATE builds SET status = ?, slug_id = ?, release_version = ?, output = ?, ended_at = ? WHERE id = ?",
                status,
                slug_id,
                release_version,
                bounded(output),
                self._database.now(),
                build_id,
            )
            return self.get(build_id)

    def get(self, build_id: str) -> Build:
        """The build with that id, with its output; raises NotFound."""
        record = self._database.first(_BUILDS + "WHERE id = ?", build_id)
        if record is None:
            raise NotFound(f"There is no build {build_id[:60]!r}.")
        return Build(**moments(record))

    def list(self, app_id: str, limit: int = 50) -> list[Build]:
        """An app's builds, newest first, their output left empty."""
        records = self._database.select(
            _BUILDS_WITHOUT_OUTPUT + "WHERE app_id = ? ORDER BY sequence DESC LIMIT ?", app_id, limit
        )
        return [Build(**moments(record)) for record in records]

    def pending(self) -> Sequence[Build]:
        """All builds that have not ended, oldest first: after a restart, those whose end nobody saw."""
        records = self._database.select(_BUILDS + "WHERE status = 'pending' ORDER BY sequence")
        return [Build(**moments(record)) for record in records]


def bounded(output: str) -> str:
    """Output cut to OUTPUT_LIMIT bytes: its beginning and its end, and between them a line that says so."""
    raw = output.encode("utf-8", "replace")
    if len(raw) <= OUTPUT_LIMIT:
        return raw.decode()
    tail = OUTPUT_LIMIT - _HEAD - 100
    cut = len(raw) - _HEAD - tail
    head_text, tail_text = raw[:_HEAD].decode("utf-8", "ignore"), raw[-tail:].decode("utf-8", "ignore")
    return f"{head_text}\n[{cut} bytes are left out here]\n{tail_text}"


_BUILDS = (
    'SELECT id, app_id, user_id, "commit", status, slug_id, release_version, output, created_at, ended_at, host '
    "FROM builds "
)
_BUILDS_WITHOUT_OUTPUT = _BUILDS.replace("output,", "'' AS output,")
