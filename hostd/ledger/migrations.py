"""From any older ledger to today's: the ordered list of schema changes, recorded in the ledger itself.

A change that has been released is never edited; a new one is added below it.
"""

from __future__ import annotations

import functools
import sqlite3
from pathlib import Path

from sqlite_utils import Database as SqliteUtils
from sqlite_utils import Migrations

from hostd.errors import Unavailable

MIGRATIONS = Migrations("hostd")


@MIGRATIONS()
def first(db: SqliteUtils) -> None:
    """Users, keys, apps, slugs, builds, releases, formation."""
    _run(db, "0001_ledger.sql")


@MIGRATIONS()
def builds(db: SqliteUtils) -> None:
    """Buildpacks of an app, records and transcripts of builds, versions of stacks."""
    _run(db, "0002_builds.sql")


@MIGRATIONS()
def build_reports(db: SqliteUtils) -> None:
    """What buildpacks report of a build."""
    _run(db, "0003_build_reports.sql")


@MIGRATIONS()
def stack_moves(db: SqliteUtils) -> None:
    """Which apps are still to be taken along to another version of their stack."""
    _run(db, "0004_stack_moves.sql")


@MIGRATIONS()
def schedule(db: SqliteUtils) -> None:
    """Jobs and their runs."""
    _run(db, "0005_schedule.sql")


@MIGRATIONS()
def checks(db: SqliteUtils) -> None:
    """Health checks."""
    _run(db, "0006_checks.sql")


@MIGRATIONS()
def idling(db: SqliteUtils) -> None:
    """Apps that sleep while nobody asks for them."""
    _run(db, "0007_idling.sql")


@MIGRATIONS()
def domains(db: SqliteUtils) -> None:
    """Names of their own for apps."""
    _run(db, "0008_domains.sql")


@MIGRATIONS()
def certificates(db: SqliteUtils) -> None:
    """Certificates of apps, and what they want of https."""
    _run(db, "0009_certificates.sql")


@MIGRATIONS()
def acm(db: SqliteUtils) -> None:
    """Certificates that apps get by themselves."""
    _run(db, "0010_acm.sql")


@MIGRATIONS()
def gates(db: SqliteUtils) -> None:
    """Who may come to an app."""
    _run(db, "0011_gates.sql")


@MIGRATIONS()
def routing(db: SqliteUtils) -> None:
    """What apps want of the router: names that stay out of the log, features, pauses."""
    _run(db, "0012_routing.sql")


@MIGRATIONS()
def challenge(db: SqliteUtils) -> None:
    """How names are proven to a certificate authority."""
    _run(db, "0013_challenge.sql")


@MIGRATIONS()
def log_limits(db: SqliteUtils) -> None:
    """How much of an app's log is kept."""
    _run(db, "0014_log_limits.sql")


@MIGRATIONS()
def drains(db: SqliteUtils) -> None:
    """Where apps' lines are sent on to."""
    _run(db, "0015_drains.sql")


@MIGRATIONS()
def alerts(db: SqliteUtils) -> None:
    """Alerts, their firings, and who was told."""
    _run(db, "0016_alerts.sql")


@MIGRATIONS()
def authorizations(db: SqliteUtils) -> None:
    """Tokens with which programs speak for users."""
    _run(db, "0017_authorizations.sql")


@MIGRATIONS()
def rights(db: SqliteUtils) -> None:
    """Rights of collaborators, transfers of apps, and the audit log."""
    _run(db, "0018_rights.sql")


@MIGRATIONS()
def webhooks(db: SqliteUtils) -> None:
    """Who is told what happened to apps, what happened, and whether they were told."""
    _run(db, "0020_webhooks.sql")


@MIGRATIONS()
def pipelines(db: SqliteUtils) -> None:
    """Pipelines, which app is at which stage, and promotions from one to the next."""
    _run(db, "0021_pipelines.sql")


@MIGRATIONS()
def app_setups(db: SqliteUtils) -> None:
    """Apps that are made, configured and deployed at one go."""
    _run(db, "0022_app_setups.sql")


@MIGRATIONS()
def pipeline_webhooks(db: SqliteUtils) -> None:
    """Webhooks of pipelines."""
    _run(db, "0023_pipeline_webhooks.sql")


def upgrade(db: SqliteUtils, migrations: Migrations = MIGRATIONS) -> list[str]:
    """Apply what is missing, all in one transaction, and tell what it was.

    Raises Unavailable, changing nothing, for a ledger that a newer hostd has written.
    """
    if not _missing(db, migrations):
        return []
    db.execute("BEGIN IMMEDIATE")
    try:
        missing = _missing(db, migrations)
        migrations.apply(db)
        db.commit()
    except BaseException:
        db.rollback()
        raise
    return missing


def _missing(db: SqliteUtils, migrations: Migrations) -> list[str]:
    applied = [migration.name for migration in migrations.applied(db)]
    known = [migration.name for migration in migrations.pending(_nothing())]
    unknown = [name for name in applied if name not in known]
    if unknown:
        raise Unavailable(
            f"This ledger was written by a newer hostd: it has the schema changes {', '.join(unknown)}, which this "
            "hostd does not know. Install the newer hostd again, or restore a backup from before the upgrade."
        )
    if not applied and db.table_names():
        raise Unavailable("This file is an SQLite database, but not a ledger of hostd.")
    return [name for name in known if name not in applied]


@functools.cache
def _nothing() -> SqliteUtils:
    """A database in which all changes are pending."""
    return SqliteUtils(sqlite3.connect(":memory:", check_same_thread=False), execute_plugins=False)


def _run(db: SqliteUtils, name: str) -> None:
    """All statements of a file, of which each ends at the end of a line.

    Inside a transaction, sqlite-utils looks for an end after each character: most of what a new ledger took.
    """
    statement = ""
    for line in Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""
    if statement.strip():
        db.execute(statement)
