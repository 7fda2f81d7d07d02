import sqlite3
import stat
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlite_utils
from ledger_kit import START, Clock, make_ledger

from hostd.errors import Invalid, Unavailable
from hostd.ledger import Ledger, migrations
from hostd.ledger.database import BUSY_TIMEOUT_MS, Database, from_text, to_text


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "master"


def test_a_new_ledger_is_for_its_owner_alone(directory):
    ledger = make_ledger(directory)
    ledger.users.add("kate@example.com")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600, "ledger.key": 0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    ledger.close()


def test_a_ledger_is_opened_again_with_all_that_was_in_it(directory):
    ledger = make_ledger(directory)
    kate = ledger.users.add("kate@example.com")
    app = ledger.apps.create("hello", kate.id)
    ledger.releases.append(app.id, slug_id=None, config={"A": "1"}, description="Set A", user=kate)
    release = ledger.releases.current(app.id)
    ledger.close()
    again = make_ledger(directory)
    assert again.users.list() == [kate]
    assert again.releases.current(app.id) == release
    assert again.releases.verify() == []
    again.close()


def test_what_was_committed_survives_a_kill(directory, tmp_path):
    # The files as a killed process leaves them: nothing closed, the WAL not folded in.
    ledger = make_ledger(directory)
    kate = ledger.users.add("kate@example.com")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in directory.iterdir():
        if path.name != "ledger.db-shm":
            (copy / path.name).write_bytes(path.read_bytes())
            (copy / path.name).chmod(0o600)
    again = make_ledger(copy)
    assert again.users.list() == [kate]
    again.close()
    ledger.close()


def test_the_connection_is_durable_and_patient(directory):
    ledger = make_ledger(directory)
    found = {
        name: ledger._database.first(f"PRAGMA {name}")
        for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "busy_timeout")
    }
    assert {name: next(iter(record.values())) for name, record in found.items()} == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "busy_timeout": BUSY_TIMEOUT_MS,
    }
    ledger.close()


def test_a_ledger_of_a_newer_hostd_is_refused_and_left_alone(directory):
    make_ledger(directory).close()
    db = sqlite_utils.Database(directory / "ledger.db")
    db.table("_sqlite_migrations").insert({"migration_set": "hostd", "name": "teams", "applied_at": "2030"})
    db.close()
    before = (directory / "ledger.db").read_bytes()
    with pytest.raises(Unavailable, match=r"written by a newer hostd: .* teams,"):
        make_ledger(directory)
    assert (directory / "ledger.db").read_bytes() == before


def later(*names: str) -> sqlite_utils.Migrations:
    """The migrations of a later hostd: ours, then others by name; `broken` fails half way."""
    later = sqlite_utils.Migrations("hostd")
    for known in migrations.MIGRATIONS.pending(sqlite_utils.Database(memory=True)):
        later(name=known.name)(known.fn)

    for name in names:

        def change(db: sqlite_utils.Database, name: str = name) -> None:
            db.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY) STRICT")
            if name == "broken":
                raise RuntimeError("half way")

        later(name=name)(change)
    return later


def test_an_older_ledger_is_brought_up_to_date(directory):
    ledger = make_ledger(directory)
    kate = ledger.users.add("kate@example.com")
    ledger.close()
    db = sqlite_utils.Database(directory / "ledger.db")
    assert migrations.upgrade(db, later("teams", "spaces")) == ["teams", "spaces"]
    assert migrations.upgrade(db, later("teams", "spaces")) == []
    assert {"teams", "spaces"} <= set(db.table_names())
    assert [row["email"] for row in db.query("SELECT email FROM users")] == [kate.email]
    db.close()


def test_an_upgrade_that_fails_leaves_the_ledger_as_it_was(directory):
    make_ledger(directory).close()
    db = sqlite_utils.Database(directory / "ledger.db")
    with pytest.raises(RuntimeError):
        migrations.upgrade(db, later("teams", "broken"))
    assert not {"teams", "broken"} & set(db.table_names())
    db.close()
    make_ledger(directory).close()


def test_another_database_or_no_database_is_refused(directory):
    directory.mkdir()
    path = directory / "ledger.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE cookies (id)")
    connection.close()
    (directory / "ledger.key").write_bytes(b"k" * 32)
    (directory / "ledger.key").chmod(0o600)
    with pytest.raises(Unavailable, match="not a ledger of hostd"):
        make_ledger(directory)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(Unavailable, match="Cannot open the ledger"):
        make_ledger(directory)


def test_a_missing_key_is_not_replaced(directory):
    make_ledger(directory).close()
    (directory / "ledger.key").unlink()
    with pytest.raises(Unavailable, match=r"is missing\. Restore it from the backup"):
        make_ledger(directory)
    assert not (directory / "ledger.key").exists()


def test_a_foreign_damaged_or_open_key_is_refused(directory):
    make_ledger(directory).close()
    key = directory / "ledger.key"
    key.write_bytes(b"x" * 32)
    with pytest.raises(Unavailable, match=r"is not the key of this ledger\.db"):
        make_ledger(directory)
    key.write_bytes(b"x" * 31)
    with pytest.raises(Unavailable, match="32 bytes, not 31"):
        make_ledger(directory)
    key.chmod(0o644)
    with pytest.raises(Unavailable, match="chmod 600"):
        make_ledger(directory)


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="Cannot open the ledger in"):
        make_ledger(tmp_path / "file" / "master")


@pytest.mark.thorough
def test_a_half_made_ledger_is_completed(directory):
    # Killed between key and database, or between database file and schema.
    directory.mkdir()
    (directory / "ledger.db").touch(0o600)
    make_ledger(directory).close()
    (directory / "ledger.db").unlink()
    make_ledger(directory).close()


def test_a_backup_is_a_whole_ledger(directory, tmp_path):
    ledger = make_ledger(directory)
    kate = ledger.users.add("kate@example.com")
    backup = tmp_path / "backup"
    backup.mkdir()
    ledger.backup(backup)
    ledger.backup(backup)
    assert [path.name for path in backup.iterdir()] == ["ledger.db"]
    assert stat.S_IMODE((backup / "ledger.db").stat().st_mode) == 0o600
    ledger.close()
    (backup / "ledger.key").write_bytes((directory / "ledger.key").read_bytes())
    (backup / "ledger.key").chmod(0o600)
    restored = make_ledger(backup)
    assert restored.users.list() == [kate]
    restored.close()


def test_transactions_nest_and_inner_failures_can_be_caught(directory):
    ledger = make_ledger(directory)
    with ledger.transaction():
        kate = ledger.users.add("kate@example.com")
        with pytest.raises(RuntimeError), ledger.transaction():
            ledger.users.add("joe@example.com")
            raise RuntimeError
    assert ledger.users.list() == [kate]
    ledger.close()


def test_a_ledger_that_another_process_holds_says_so(directory):
    ledger = make_ledger(directory)
    ledger._database._db.execute("PRAGMA busy_timeout = 1").fetchall()
    other = sqlite3.connect(directory / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match=r"database is locked\. Nothing was changed"):
        ledger.users.add("kate@example.com")
    other.execute("ROLLBACK")
    ledger.users.add("kate@example.com")
    other.close()
    ledger.close()


def test_half_a_character_is_bad_input_not_a_failure(directory):
    ledger = make_ledger(directory)
    kate = ledger.users.add("kate@example.com")
    for attempt in (
        lambda: ledger.apps.get("\ud800"),
        lambda: ledger.users.get("\ud800"),
        lambda: ledger.builds.start(ledger.apps.create(None, kate.id).id, kate.id, "\ud800"),
    ):
        with pytest.raises(Invalid, match="UTF-8"):
            attempt()
    ledger.close()


def test_a_sequence_never_gives_a_number_twice(directory):
    ledger = make_ledger(directory)
    assert [ledger.next("routes"), ledger.next("routes"), ledger.next("other")] == [1, 2, 1]
    with pytest.raises(RuntimeError), ledger.transaction():
        raise RuntimeError
    ledger.close()
    ledger = make_ledger(directory)
    assert ledger.next("routes") == 3
    ledger.close()


def test_times_are_stored_in_utc_with_microseconds(directory):
    there = timezone(timedelta(hours=2))
    text = to_text(datetime(2026, 1, 27, 12, 48, 8, tzinfo=there))
    assert text == "2026-01-27T10:48:08.000000+00:00"
    assert from_text(text) == datetime(2026, 1, 27, 10, 48, 8, tzinfo=UTC)
    ledger = Ledger.open(directory, clock=Clock())
    assert ledger.users.add("kate@example.com").created_at == START + timedelta(seconds=1)
    assert ledger.users.get("kate@example.com").created_at.tzinfo == UTC
    ledger.close()


def test_a_clock_of_another_zone_is_read_as_utc(tmp_path):
    there = timezone(timedelta(hours=-7))
    database = Database(tmp_path / "x.db", clock=lambda: datetime(2026, 1, 1, tzinfo=there))
    assert database.now() == datetime(2026, 1, 1, 7, tzinfo=UTC)
    assert database.now().tzinfo == UTC
    database.close()
