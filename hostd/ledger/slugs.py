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
        )
        self._database.insert("slugs", asdict(slug))
        return slug

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

    def kept(self) -> Sequence[Slug]:
        """The slugs of all apps whose files the pool should hold."""
        records = self._database.select(_SLUGS + "WHERE dropped_at IS NULL ORDER BY app_id, sequence DESC")
        return [_slug(record) for record in records]

    def surplus(self, app_id: str, keep: int) -> Sequence[Slug]:
        """The slugs that may be dropped: all but the newest `keep` and the one in use; all of a destroyed app."""
        live = self.list(app_id)
        if self._database.first("SELECT 1 FROM apps WHERE id = ? AND destroyed_at IS NOT NULL", app_id):
            return live
        current = self._in_use(app_id)
        return [slug for slug in live[keep:] if slug.id != current]

    def drop(self, slug_id: str) -> Slug:
        """Mark a slug's files as gone. Raises Conflict for the slug of a current release."""
        with self._database.transaction():
            slug = self.get(slug_id)
            if self._in_use(slug.app_id) == slug.id:
                raise Conflict(f"The slug {slug.id} is in use by the app's current release.")
            self._database.write(
                "UPDATE slugs SET dropped_at = ? WHERE id = ? AND dropped_at IS NULL",
                self._database.now(),
                slug.id,
            )
            return self.get(slug.id)

    def _in_use(self, app_id: str) -> str | None:
        current = self._database.first(
            "SELECT slug_id FROM releases JOIN apps ON apps.id = app_id "
            "WHERE app_id = ? AND destroyed_at IS NULL ORDER BY version DESC LIMIT 1",
            app_id,
        )
        return current["slug_id"] if current else None


_SLUGS = (
    'SELECT id, app_id, "commit", size_bytes, process_types, buildpack, stack, digest, host, created_at, '
    "dropped_at, stack_version, files, buildpacks FROM slugs "
)


def _slug(record: Record) -> Slug:
    return Slug(**moments(record) | {key: json.loads(record[key]) for key in ("process_types", "buildpacks")})
