"""Slugs: what builds made. The pool holds their files, the ledger knows what they are."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from hostd.errors import Conflict, NotFound
from hostd.ledger.database import Database, Record, moments

THIS_HOST = 1


@dataclass(frozen=True, slots=True)
class Slug:
    """A slug; `process_types` maps type to command, `digest` is that of the tree, `dropped_at` when its files went.

    `checks` are the paths that its app.json wants its process types to be asked for.
    `stack` is a name, `stack_version` the version of it; `files` is their number and `buildpacks` those that made it,
    all three unknown for the slugs of older hostds.
    """

    id: str
    app_id: str
    commit: str
    size_bytes: int
    process_types: dict[str, str]
    buildpack: str
    stack: str
    digest: str
    host: int
    created_at: datetime
    dropped_at: datetime | None = None
    stack_version: str | None = None
    files: int | None = None
    buildpacks: list[dict[str, Any]] = field(default_factory=list)
    checks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Use:
    """That releases of an app name a slug: `version` is the newest of those, `newest` the app's newest of all."""

    slug_id: str
    app_id: str
    version: int
    newest: int


class Slugs:
    """The table of slugs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        app_id: str,
        *,
        commit: str,
        size_bytes: int,
        process_types: Mapping[str, str],
        buildpack: str,
        stack: str,
        digest: str,
        id: str | None = None,
        host: int = THIS_HOST,
        stack_version: str | None = None,
        files: int | None = None,
        buildpacks: Sequence[dict[str, Any]] = (),
        checks: Mapping[str, str] = {},
    ) -> Slug:
        """Record a slug; `id` is the one under which the pool has it."""
        slug = Slug(
            id=id or str(uuid.uuid4()),
            app_id=app_id,
            commit=commit,
            size_bytes=size_bytes,
            process_types=dict(process_types),
            buildpack=buildpack,
            stack=stack,
            digest=digest,
            host=host,
            created_at=self._database.now(),
            stack_version=stack_version,
            files=files,
            buildpacks=[*buildpacks],
            checks=dict(checks),
        )
        self._database.insert("slugs", asdict(slug))
        return slug

    def commands(self, slug_id: str | None) -> dict[str, str]:
        """The process types of a release's slug with their commands; none for a release without a slug."""
        return self.get(slug_id).process_types if slug_id else {}

    def get(self, slug_id: str) -> Slug:
        """The slug with that id, also a dropped one; raises NotFound."""
        record = self._database.first(_SLUGS + "WHERE id = ?", slug_id)
        if record is None:
            raise NotFound(f"There is no slug {slug_id[:60]!r}.")
        return _slug(record)

    def list(self, app_id: str) -> list[Slug]:
        """An app's slugs whose files the pool should hold, newest first."""
        records = self._database.select(
            _SLUGS + "WHERE app_id = ? AND dropped_at IS NULL ORDER BY sequence DESC", app_id
        )
        return [_slug(record) for record in records]

    def find(self, app_id: str, beginning: str) -> Sequence[Slug]:
        """An app's slugs, dropped ones too, whose ids begin so."""
        records = self._database.select(
            _SLUGS + "WHERE app_id = ? AND substr(id, 1, ?) = ?", app_id, len(beginning), beginning
        )
        return [_slug(record) for record in records]

    def versions(self, app_id: str) -> dict[str, Sequence[int]]:
        """The releases of an app by the slugs that they name, newest first."""
        records = self._database.select(
            "SELECT slug_id, version FROM releases WHERE app_id = ? AND slug_id IS NOT NULL ORDER BY version DESC",
            app_id,
        )
        found: dict[str, Sequence[int]] = {}
        for record in records:
            found[record["slug_id"]] = [*found.get(record["slug_id"], ()), record["version"]]
        return found

    def kept(self) -> Sequence[Slug]:
        """The slugs of all apps whose files the pool should hold."""
        records = self._database.select(_SLUGS + "WHERE dropped_at IS NULL ORDER BY app_id, sequence DESC")
        return [_slug(record) for record in records]

    def uses(self, app_id: str | None = None) -> Sequence[Use]:
        """How the releases of apps that exist use slugs whose files the pool should hold: those of one app, or all."""
        records = self._database.select(
            "SELECT slug_id, app_id, max(version) AS version, "
            "(SELECT max(version) FROM releases AS others WHERE others.app_id = releases.app_id) AS newest "
            "FROM releases WHERE app_id IN (SELECT id FROM apps WHERE destroyed_at IS NULL) AND slug_id IN "
            "(SELECT id FROM slugs WHERE dropped_at IS NULL AND (?1 IS NULL OR slugs.app_id = ?1)) "
            "GROUP BY slug_id, app_id",
            app_id,
        )
        return [Use(**record) for record in records]

    def drop(self, slug_id: str) -> Slug:
        """Mark a slug's files as gone. Raises Conflict for the slug of a current release."""
        with self._database.transaction():
            slug = self.get(slug_id)
            if self._in_use(slug.id):
                raise Conflict(f"The slug {slug.id} is in use by the app's current release.")
            self._database.write(
                "UPDATE slugs SET dropped_at = ? WHERE id = ? AND dropped_at IS NULL",
                self._database.now(),
                slug.id,
            )
            return self.get(slug.id)

    def _in_use(self, slug_id: str) -> bool:
        current = self._database.first(
            "SELECT 1 FROM releases JOIN apps ON apps.id = app_id WHERE slug_id = ? AND destroyed_at IS NULL "
            "AND version = (SELECT max(version) FROM releases AS others WHERE others.app_id = releases.app_id)",
            slug_id,
        )
        return current is not None


_SLUGS = (
    'SELECT id, app_id, "commit", size_bytes, process_types, buildpack, stack, digest, host, created_at, '
    "dropped_at, stack_version, files, buildpacks, checks FROM slugs "
)


def _slug(record: Record) -> Slug:
    decoded = {key: json.loads(record[key]) for key in ("process_types", "buildpacks", "checks")}
    return Slug(**moments(record) | decoded)
