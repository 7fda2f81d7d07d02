"""Builds: each attempt to turn a source into a slug, and how it ended."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from hostd.errors import Conflict, Invalid, NotFound
from hostd.ledger.database import Database, Record, moments

BuildStatus = Literal["pending", "succeeded", "failed"]

GIT_PUSH = "git push"


@dataclass(frozen=True, slots=True)
class Build:
    """A build; `slug_id` and `release_version` are what came of it.

    `source` is how it came (`git push`, `tarball`, `git:sync URL`), `commit` what its owner calls the version, perhaps
    nothing; `stack` is NAME@VERSION; `buildpacks` are those that run or ran, `report` what they said of it (YAML), once
    it has ended; `reason` is why it failed.
    """

    id: str
    app_id: str
    user_id: str
    commit: str
    status: BuildStatus
    slug_id: str | None
    release_version: int | None
    created_at: datetime
    ended_at: datetime | None
    source: str = GIT_PUSH
    stack: str | None = None
    buildpacks: list[dict[str, Any]] = field(default_factory=list)
    reason: str | None = None
    cancelled: bool = False
    report: str | None = None
    host: int = 1


class Builds:
    """The table of builds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(
        self,
        app_id: str,
        user_id: str,
        commit: str,
        id: str | None = None,
        *,
        source: str = GIT_PUSH,
        stack: str | None = None,
    ) -> Build:
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
                "source": source,
                "stack": stack,
            },
        )
        return self.get(build_id)

    def learn(
        self,
        build_id: str,
        *,
        commit: str | None = None,
        stack: str | None = None,
        buildpacks: Sequence[dict[str, Any]] | None = None,
        report: str | None = None,
    ) -> Build:
        """Record what the build itself has found out; what is None stays as it is."""
        self._database.write(
            'UPDATE builds SET "commit" = coalesce(?, "commit"), stack = coalesce(?, stack), '
            "buildpacks = coalesce(?, buildpacks), report = coalesce(?, report) WHERE id = ?",
            commit,
            stack,
            buildpacks,
            report,
            build_id,
        )
        return self.get(build_id)

    def finish(
        self,
        build_id: str,
        status: Literal["succeeded", "failed"],
        *,
        slug_id: str | None = None,
        release_version: int | None = None,
        reason: str | None = None,
        cancelled: bool = False,
    ) -> Build:
        """Record how a build ended; raises Conflict for one that has ended already."""
        with self._database.transaction():
            if self.get(build_id).status != "pending":
                raise Conflict(f"The build {build_id} has ended already.")
            self._database.write(
                "UPDATE builds SET status = ?, slug_id = ?, release_version = ?, reason = ?, cancelled = ?, "
                "ended_at = ? WHERE id = ?",
                status,
                slug_id,
                release_version,
                reason and reason.encode("utf-8", "replace").decode(),
                cancelled,
                self._database.now(),
                build_id,
            )
            return self.get(build_id)

    def get(self, build_id: str) -> Build:
        """The build with that id; raises NotFound."""
        record = self._database.first(_BUILDS + "WHERE id = ?", build_id)
        if record is None:
            raise NotFound(f"There is no build {build_id[:60]!r}.")
        return _build(record)

    def find(self, app_id: str, reference: str) -> Build:
        """A build of an app by its id or the beginning of it, or `current` for the newest.

        Raises NotFound, and Invalid when several ids begin so.
        """
        if reference == "current":
            found = self.list(app_id, limit=1)
            if not found:
                raise NotFound("This app was never built. Deploy it: git push, or hostctl deploy")
            return found[0]
        records = self._database.select(
            _BUILDS + "WHERE app_id = ?1 AND substr(id, 1, length(?2)) = ?2 ORDER BY sequence DESC LIMIT 2",
            app_id,
            reference.lower(),
        )
        if not records or not reference:
            raise NotFound(f"There is no build {reference[:60]!r}. The builds: hostctl builds")
        if len(records) > 1:
            raise Invalid(f"Several builds begin with {reference!r}: write more of the id.")
        return _build(records[0])

    def list(self, app_id: str, limit: int = 50) -> list[Build]:
        """An app's builds, newest first."""
        records = self._database.select(_BUILDS + "WHERE app_id = ? ORDER BY sequence DESC LIMIT ?", app_id, limit)
        return [_build(record) for record in records]

    def pending(self) -> Sequence[Build]:
        """All builds that have not ended, oldest first: after a restart, those whose end nobody saw."""
        return [
            _build(record) for record in self._database.select(_BUILDS + "WHERE status = 'pending' ORDER BY sequence")
        ]


_BUILDS = (
    'SELECT id, app_id, user_id, "commit", status, slug_id, release_version, created_at, ended_at, source, stack, '
    "buildpacks, reason, cancelled, report, host FROM builds "
)


def _build(record: Record) -> Build:
    plain = {"buildpacks": json.loads(record["buildpacks"]), "cancelled": bool(record["cancelled"])}
    return Build(**moments(record) | plain)
