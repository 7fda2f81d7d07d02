"""Releases: slug, config vars, who, when and why, in an append-only chain per app."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hostd.errors import Invalid, NotFound
from hostd.ledger import audit, chain
from hostd.ledger.audit import Problem
from hostd.ledger.database import Database, Record, from_text, moments, to_text
from hostd.ledger.users import User
from hostd.ledger.vault import Vault

__all__ = ["Output", "Problem", "Release", "Releases", "Running"]

OUTPUT_LIMIT = 512 * 1024
"""Bytes of a release phase's output that are kept."""
_HEAD = 128 * 1024


@dataclass(frozen=True, slots=True)
class Release:
    """A release; `config` is the whole set of config vars it runs with, in clear. Never log it.

    `stack` is what it runs on, NAME@VERSION; releases from before stacks had versions have none.
    """

    id: str
    app_id: str
    version: int
    slug_id: str | None
    config: dict[str, str]
    description: str
    user_id: str
    user_email: str
    build_id: str | None
    created_at: datetime
    previous_hash: str
    hash: str
    stack: str | None = None

    def __repr__(self) -> str:
        # The one that a traceback or a log line would print: no values.
        return f"Release(app_id={self.app_id!r}, version={self.version}, description={self.description!r})"


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of what the release phase printed."""

    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Running:
    """What an app's current release runs: the buildpack and bytes of its slug, on which stack, NAME@VERSION."""

    buildpack: str
    size_bytes: int
    stack: str | None


class Releases:
    """The table of releases."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def append(
        self,
        app_id: str,
        *,
        slug_id: str | None,
        config: Mapping[str, str],
        description: str,
        user: User,
        build_id: str | None = None,
        stack: str | None = None,
    ) -> Release:
        """Add the next release of an app, on disk when this returns; without `stack` it has that of the one before.

        Raises NotFound for no such app, Invalid for a description that is not one line of printable text.

        To make it one step with other changes (its slug, its build's end), call within `Ledger.transaction()`.
        """
        if not description.isprintable():
            raise Invalid("A release's description must be one line of printable text.")
        with self._database.transaction():
            now = to_text(self._database.now())
            if not self._database.write(
                "UPDATE apps SET released_at = ?1, updated_at = ?1 WHERE id = ?2 AND destroyed_at IS NULL", now, app_id
            ):
                raise NotFound("There is no such app; perhaps it was destroyed just now.")
            last = self._database.first(
                "SELECT version, hash, stack FROM releases WHERE app_id = ? ORDER BY version DESC LIMIT 1", app_id
            )
            version, previous = (last["version"] + 1, last["hash"]) if last else (1, chain.genesis(app_id))
            record: dict[str, Any] = {
                "id": str(uuid.uuid4()),
                "app_id": app_id,
                "version": version,
                "slug_id": slug_id,
                "config": self._vault.encrypt(config, audit.place(app_id, version)),
                "description": description,
                "user_id": user.id,
                "user_email": user.email,
                "build_id": build_id,
                "created_at": now,
                "stack": stack or (last["stack"] if last else None),
            }
            record |= {"previous_hash": previous, "hash": chain.link(previous, audit.hashed(record))}
            self._database.insert("releases", record)
            audit.seal(self._database, self._vault, app_id)
        plain = {"config": dict(config), "created_at": from_text(now)}
        return Release(**(record | plain))

    def current(self, app_id: str) -> Release:
        """The newest release of an app: what should run."""
        record = self._database.first(audit.RELEASES + "WHERE app_id = ? ORDER BY version DESC LIMIT 1", app_id)
        if record is None:
            raise NotFound("There is no such app.")
        return self._release(record)

    def running(self, app_ids: Sequence[str]) -> dict[str, Running]:
        """What of these apps those run, by their ids, to which anything was deployed: in one question for all."""
        records = self._database.select(
            "SELECT wanted.value AS id, slugs.buildpack, slugs.size_bytes, releases.stack FROM json_each(?) AS wanted "
            "JOIN releases ON releases.app_id = wanted.value "
            "AND releases.version = (SELECT max(version) FROM releases WHERE app_id = wanted.value) "
            "JOIN slugs ON slugs.id = releases.slug_id",
            json.dumps(app_ids),
        )
        return {record.pop("id"): Running(**record) for record in records}

    def get(self, app_id: str, version: int) -> Release:
        """One release of an app by its number; raises NotFound."""
        record = self._database.first(audit.RELEASES + "WHERE app_id = ? AND version = ?", app_id, version)
        if record is None:
            newest = self.current(app_id).version
            raise NotFound(f"There is no release v{version}: this app has v1 to v{newest}.")
        return self._release(record)

    def find(self, app_id: str, reference: str) -> Release:
        """One release of an app by `v12`, `12`, its id or `current`; raises NotFound."""
        if reference == "current":
            return self.current(app_id)
        if number := re.fullmatch(r"v?([0-9]{1,9})", reference):
            return self.get(app_id, int(number[1]))
        record = self._database.first(audit.RELEASES + "WHERE app_id = ? AND id = ?", app_id, reference)
        if record is None:
            newest = self.current(app_id).version
            raise NotFound(f"There is no release {reference[:60]!r}: this app has v1 to v{newest}.")
        return self._release(record)

    def list(self, app_id: str, limit: int | None = None) -> list[Release]:
        """An app's releases, newest first."""
        records = self._database.select(
            audit.RELEASES + "WHERE app_id = ? ORDER BY version DESC LIMIT ?",
            app_id,
            -1 if limit is None else limit,
        )
        return [self._release(record) for record in records]

    def add_output(self, app_id: str, version: int, text: str) -> None:
        """Add what the release phase printed to a release; may be called again with more."""
        with self._database.transaction():
            release = self.get(app_id, version)
            last = self._database.first(
                "SELECT part, hash FROM release_outputs WHERE release_id = ? ORDER BY part DESC LIMIT 1",
                release.id,
            )
            part, previous = (last["part"] + 1, last["hash"]) if last else (1, release.hash)
            record: dict[str, Any] = {
                "release_id": release.id,
                "part": part,
                "output": bounded(text),
                "created_at": to_text(self._database.now()),
            }
            self._database.insert("release_outputs", record | {"hash": chain.link(previous, record)})
            audit.seal(self._database, self._vault, app_id)

    def outputs(self, app_id: str, version: int) -> Sequence[Output]:
        """What the release phase of a release printed, piece by piece."""
        records = self._database.select(
            "SELECT output AS text, created_at FROM release_outputs WHERE release_id = ? ORDER BY part",
            self.get(app_id, version).id,
        )
        return [Output(**moments(record)) for record in records]

    def with_output(self, app_id: str) -> frozenset[str]:
        """The ids of the app's releases whose release phase printed something."""
        records = self._database.select(
            "SELECT DISTINCT release_id FROM release_outputs "
            "WHERE release_id IN (SELECT id FROM releases WHERE app_id = ?)",
            app_id,
        )
        return frozenset(record["release_id"] for record in records)

    def output(self, app_id: str, version: int) -> str | None:
        """All that the release phase of a release printed; None if there was none."""
        pieces = self.outputs(app_id, version)
        return "".join(piece.text for piece in pieces) if pieces else None

    def head(self, app_id: str) -> tuple[int, str]:
        """Number and hash of an app's newest release: noted elsewhere, they prove later that nothing was rewritten."""
        release = self.current(app_id)
        return release.version, release.hash

    def verify(self) -> Sequence[Problem]:
        """Check every release of every app, destroyed ones too; an empty list says that nothing was changed."""
        return audit.verify(self._database, self._vault)

    def _release(self, record: Record) -> Release:
        config = self._vault.decrypt(record["config"], audit.place(record["app_id"], record["version"]))
        return Release(**moments(record) | {"config": config})


def bounded(output: str) -> str:
    """Output cut to OUTPUT_LIMIT bytes: its beginning and its end, and between them a line that says so."""
    raw = output.encode("utf-8", "replace")
    if len(raw) <= OUTPUT_LIMIT:
        return raw.decode()
    tail = OUTPUT_LIMIT - _HEAD - 100
    cut = len(raw) - _HEAD - tail
    head_text, tail_text = raw[:_HEAD].decode("utf-8", "ignore"), raw[-tail:].decode("utf-8", "ignore")
    return f"{head_text}\n[{cut} bytes are left out here]\n{tail_text}"
