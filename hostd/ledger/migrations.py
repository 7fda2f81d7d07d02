"""From any older ledger to today's: the ordered list of schema changes, recorded in the ledger itself.

A change that has been released is never edited; a new one is added below it.
"""

from __future__ import annotations

from pathlib import Path

from sqlite_utils import Database as SqliteUtils
from sqlite_utils import Migrations

from hostd.errors import Unavailable

MIGRATIONS = Migrations("hostd")


@MIGRATIONS()
def first(db: SqliteUtils) -> None:
    """Users, keys, apps, slugs, builds, releases, formation."""
    db.executescript(_sql("0001_ledger.sql"))


@MIGRATIONS()
def builds(db: SqliteUtils) -> None:
    """Buildpacks of an app, records and transcripts of builds, versions of stacks."""
    db.executescript(_sql("0002_builds.sql"))


@MIGRATIONS()
def build_reports(db: SqliteUtils) -> None:
    """What buildpacks report of a build."""
    db.executescript(_sql("0003_build_reports.sql"))


@MIGRATIONS()
def stack_moves(db: SqliteUtils) -> None:
    """Which apps are still to be taken along to another version of their stack."""
    db.executescript(_sql("0004_stack_moves.sql"))


@MIGRATIONS()
def schedule(db: SqliteUtils) -> None:
    """Jobs and their runs."""
    db.executescript(_sql("0005_schedule.sql"))


@MIGRATIONS()
def checks(db: SqliteUtils) -> None:
    """Health checks."""
    db.executescript(_sql("0006_checks.sql"))


@MIGRATIONS()
def idling(db: SqliteUtils) -> None:
    """Apps that sleep while nobody asks for them."""
    db.executescript(_sql("0007_idling.sql"))


@MIGRATIONS()
def domains(db: SqliteUtils) -> None:
    """Names of their own for apps."""
    db.executescript(_sql("0008_domains.sql"))


@MIGRATIONS()
def certificates(db: SqliteUtils) -> None:
    """Certificates of apps, and what they want of https."""
    db.executescript(_sql("0009_certificates.sql"))


@MIGRATIONS()
def acm(db: SqliteUtils) -> None:
    """Certificates that apps get by themselves."""
    db.executescript(_sql("0010_acm.sql"))


@MIGRATIONS()
def gates(db: SqliteUtils) -> None:
    """Who may come to an app."""
    db.executescript(_sql("0011_gates.sql"))


@MIGRATIONS()
def routing(db: SqliteUtils) -> None:
    """What apps want of the router: names that stay out of the log, features, pauses."""
    db.executescript(_sql("0012_routing.sql"))


@MIGRATIONS()
def challenge(db: SqliteUtils) -> None:
    """How names are proven to a certificate authority."""
    db.executescript(_sql("0013_challenge.sql"))


@MIGRATIONS()
def log_limits(db: SqliteUtils) -> None:
    """How much of an app's log is kept."""
    db.executescript(_sql("0014_log_limits.sql"))


@MIGRATIONS()
def drains(db: SqliteUtils) -> None:
    """Where apps' lines are sent on to."""
    db.executescript(_sql("0015_drains.sql"))


@MIGRATIONS()
def alerts(db: SqliteUtils) -> None:
    """Alerts, their firings, and who was told."""
    db.executescript(_sql("0016_alerts.sql"))


@MIGRATIONS()
def authorizations(db: SqliteUtils) -> None:
    """Tokens with which programs speak for users."""
    db.executescript(_sql("0017_authorizations.sql"))


@MIGRATIONS()
def rights(db: SqliteUtils) -> None:
    """Rights of collaborators, transfers of apps, and the audit log."""
    db.executescript(_sql("0018_rights.sql"))


@MIGRATIONS()
def webhooks(db: SqliteUtils) -> None:
    """Who is told what happened to apps, what happened, and whether they were told."""
    db.executescript(_sql("0020_webhooks.sql"))


@MIGRATIONS()
def pipelines(db: SqliteUtils) -> None:
    """Pipelines, which app is at which stage, and promotions from one to the next."""
    db.executescript(_sql("0021_pipelines.sql"))


@MIGRATIONS()
def app_setups(db: SqliteUtils) -> None:
    """Apps that are made, configured and deployed at one go."""
    db.executescript(_sql("0022_app_setups.sql"))


def upgrade(db: SqliteUtils, migrations: Migrations = MIGRATIONS) -> list[str]:
    """Apply what is missing, all in one transaction, and tell what it was.

    Raises Unavailable, changing nothing, for a ledger that a newer hostd has written.
    """
    _refuse_newer(db, migrations)
    if not migrations.pending(db):
        return []
    db.execute("BEGIN IMMEDIATE")
    try:
        missing = [migration.name for migration in migrations.pending(db)]
        migrations.apply(db)
        db.commit()
    except BaseException:
        db.rollback()
        raise
    return missing


def _refuse_newer(db: SqliteUtils, migrations: Migrations) -> None:
    applied = [migration.name for migration in migrations.applied(db)]
    known = {migration.name for migration in migrations.pending(SqliteUtils(memory=True, execute_plugins=False))}
    unknown = [name for name in applied if name not in known]
    if unknown:
        raise Unavailable(
            f"This ledger was written by a newer hostd: it has the schema changes {', '.join(unknown)}, which this "
            "hostd does not know. Install the newer hostd again, or restore a backup from before the upgrade."
        )
    if not applied and db.table_names():
        raise Unavailable("This file is an SQLite database, but not a ledger of hostd.")


def _sql(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
