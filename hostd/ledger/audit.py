"""Proof that no release was changed, added, moved or taken away behind hostd's back.

Three things hold together: the hash chain of each app's releases and their output, the encryption of the config vars,
which is bound to app and version, and a seal over each chain's end that only the ledger's key can make.
What this cannot see is a whole ledger put back from an older copy; `Releases.head`, noted elsewhere, can.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from hostd.errors import HostdError
from hostd.ledger import chain
from hostd.ledger.database import Database, Record
from hostd.ledger.vault import Vault

HASHED = (
    "id",
    "app_id",
    "version",
    "slug_id",
    "config",
    "description",
    "user_id",
    "user_email",
    "build_id",
    "created_at",
)
"""The columns of a release that its hash covers, and `stack` where there is one: the first releases had none."""
_HASHED_OUTPUT = ("release_id", "part", "output", "created_at")


RELEASES = (
    "SELECT id, app_id, version, slug_id, config, description, user_id, user_email, build_id, created_at, "
    "stack, previous_hash, hash FROM releases "
)
_OUTPUTS = "SELECT release_id, part, output, created_at, hash FROM release_outputs "


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the ledger that is not as it was written; `version` is None when it concerns the whole app."""

    app_id: str
    app_name: str
    version: int | None
    text: str

    def __str__(self) -> str:
        where = self.app_name if self.version is None else f"{self.app_name} v{self.version}"
        return f"{where}: {self.text}"


def hashed(record: Record) -> Record:
    """What of a release its hash covers."""
    columns = HASHED if record["stack"] is None else (*HASHED, "stack")
    return {column: record[column] for column in columns}


def place(app_id: str, version: int) -> str:
    """What a release's config vars are bound to."""
    return f"app {app_id} v{version}"


def seal(database: Database, vault: Vault, app_id: str) -> None:
    """Note where an app's chain ends now; to be called in the transaction that made it longer."""
    end = _end(database, app_id)
    database.write(
        "INSERT INTO release_heads (app_id, version, hash, outputs, seal) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (app_id) DO UPDATE SET version = excluded.version, hash = excluded.hash, "
        "outputs = excluded.outputs, seal = excluded.seal",
        app_id,
        *end,
        _seal(vault, app_id, *end),
    )


def verify(database: Database, vault: Vault) -> list[Problem]:
    """Every problem in the releases of all apps."""
    problems = [
        Problem(app["id"], app["name"], version, text)
        for app in database.select("SELECT id, name FROM apps ORDER BY sequence")
        for version, text in _check_app(database, vault, app["id"])
    ]
    strays = database.select(
        "SELECT app_id, version FROM releases WHERE app_id NOT IN (SELECT id FROM apps) ORDER BY app_id, version"
    )
    problems += [Problem(row["app_id"], row["app_id"], row["version"], "belongs to no app") for row in strays]
    orphans = database.select(
        "SELECT DISTINCT release_id FROM release_outputs WHERE release_id NOT IN (SELECT id FROM releases)"
    )
    problems += [Problem("", "?", None, f"output without its release {row['release_id']}") for row in orphans]
    return problems


def _check_app(database: Database, vault: Vault, app_id: str) -> Iterator[tuple[int | None, str]]:
    previous, expected = chain.genesis(app_id), 1
    for record in database.select(RELEASES + "WHERE app_id = ? ORDER BY version", app_id):
        version = record["version"]
        if version != expected:
            yield expected, "missing" if version == expected + 1 else f"missing, with all up to v{version - 1}"
        elif record["previous_hash"] != previous:
            yield version, "does not follow the release before it"
        if _link(record["previous_hash"], hashed(record)) != record["hash"]:
            yield version, "was changed: its hash is not that of its content"
        yield from _check_config(vault, record)
        yield from _check_outputs(database, record)
        previous, expected = record["hash"], version + 1
    yield from _check_end(database, vault, app_id)


def _check_config(vault: Vault, release: Record) -> Iterator[tuple[int, str]]:
    try:
        vault.decrypt(release["config"], place(release["app_id"], release["version"]))
    except HostdError:
        yield release["version"], "its config vars cannot be decrypted: changed, moved, or of another key"


def _check_outputs(database: Database, release: Record) -> Iterator[tuple[int, str]]:
    previous = release["hash"]
    for record in database.select(_OUTPUTS + "WHERE release_id = ? ORDER BY part", release["id"]):
        if _link(previous, {column: record[column] for column in _HASHED_OUTPUT}) != record["hash"]:
            yield release["version"], f"part {record['part']} of its output was changed"
        previous = record["hash"]


def _check_end(database: Database, vault: Vault, app_id: str) -> Iterator[tuple[int | None, str]]:
    head = database.first("SELECT version, hash, outputs, seal FROM release_heads WHERE app_id = ?", app_id)
    if head is None:
        yield None, "the seal of its newest release is missing"
        return
    noted = head["version"], head["hash"], head["outputs"]
    if not hmac.compare_digest(_seal(vault, app_id, *noted).encode(), head["seal"].encode()):
        yield None, "the seal of its newest release was not made with this ledger's key"
    end = _end(database, app_id)
    if noted[0] > end[0]:
        yield None, f"its newest release was v{noted[0]}, and those after v{end[0]} are missing"
    elif noted[:2] != end[:2]:
        yield None, f"its newest release is not the one that was sealed as v{noted[0]}"
    elif noted[2] != end[2]:
        yield None, f"it has {end[2]} pieces of release output, and {noted[2]} were written"


def _end(database: Database, app_id: str) -> tuple[int, str, int]:
    last = database.first(
        "SELECT version, hash, (SELECT count(*) FROM releases JOIN release_outputs ON release_id = releases.id "
        "WHERE app_id = ?1) AS outputs FROM releases WHERE app_id = ?1 ORDER BY version DESC LIMIT 1",
        app_id,
    )
    return (last["version"], last["hash"], last["outputs"]) if last else (0, chain.genesis(app_id), 0)


def _seal(vault: Vault, app_id: str, version: int, hash: str, outputs: int) -> str:
    return vault.seal(f"{app_id} v{version} {hash} {outputs}")


def _link(previous: str, row: Record) -> str:
    try:
        return chain.link(previous, row)
    except ValueError:
        return ""  # a previous hash that is not even hexadecimal: equal to no hash
