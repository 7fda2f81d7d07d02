import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from ledger_kit import add_slug, open_ledger

from hostd.errors import Internal, Invalid, NotFound
from hostd.ledger import App, Ledger, User, audit, chain
from hostd.ledger.database import to_text


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "master"


@pytest.fixture
def ledger(directory):
    ledger = open_ledger(directory)
    yield ledger
    ledger.close()


@pytest.fixture
def kate(ledger: Ledger) -> User:
    return ledger.users.add("kate@example.com", admin=True)


@pytest.fixture
def app(ledger: Ledger, kate: User) -> App:
    return ledger.apps.create("hello", kate.id)


@pytest.fixture
def tamper(ledger: Ledger, directory) -> Callable[..., None]:
    """Change the file behind the ledger's back, as somebody with root and sqlite3 would: without triggers."""

    def change(*statements: str) -> None:
        connection = sqlite3.connect(directory / "ledger.db")
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return change


def fill(ledger: Ledger, app: App, kate: User) -> None:
    """v2 to v4, with a release phase in v3, and a stack from there on."""
    slug = add_slug(ledger, app)
    for number in (2, 3, 4):
        ledger.releases.append(
            app.id,
            slug_id=slug.id,
            config={"NUMBER": str(number)},
            description=f"Change {number}",
            user=kate,
            stack="host@12.11" if number == 3 else None,
        )
    ledger.releases.add_output(app.id, 3, "migrating...")
    ledger.releases.add_output(app.id, 3, " done\n")


def test_a_release_holds_who_what_when_and_why(ledger, app, kate):
    slug = add_slug(ledger, app)
    build = ledger.builds.start(app.id, kate.id, "20a5742")
    made = ledger.releases.append(
        app.id,
        slug_id=slug.id,
        config={"A": "\u20ac\n", "B": ""},
        description="Deploy 20a5742",
        user=kate,
        build_id=build.id,
    )
    assert ledger.releases.current(app.id) == made
    assert (made.version, made.slug_id, made.build_id) == (2, slug.id, build.id)
    assert (made.config, made.description) == ({"A": "\u20ac\n", "B": ""}, "Deploy 20a5742")
    assert (made.user_id, made.user_email) == (kate.id, kate.email)
    assert made.previous_hash == ledger.releases.get(app.id, 1).hash
    assert ledger.apps.get(app.id).released_at == made.created_at


def test_versions_count_up_by_app(ledger, app, kate):
    other = ledger.apps.create("other", kate.id)
    fill(ledger, app, kate)
    assert [release.version for release in ledger.releases.list(app.id)] == [4, 3, 2, 1]
    assert [release.version for release in ledger.releases.list(app.id, limit=2)] == [4, 3]
    assert [release.version for release in ledger.releases.list(other.id)] == [1]


def test_a_release_is_found_by_number_id_or_as_the_current_one(ledger, app, kate):
    fill(ledger, app, kate)
    second = ledger.releases.get(app.id, 2)
    for reference in ("2", "v2", second.id):
        assert ledger.releases.find(app.id, reference) == second
    assert ledger.releases.find(app.id, "current").version == 4
    for reference in ("v5", "0", "", "v-1", "x", "9" * 400, "\u0662"):
        with pytest.raises(NotFound, match="v1 to v4"):
            ledger.releases.find(app.id, reference)


def test_a_release_of_one_app_is_not_found_through_another(ledger, app, kate):
    other = ledger.apps.create("other", kate.id)
    with pytest.raises(NotFound):
        ledger.releases.find(other.id, ledger.releases.current(app.id).id)


def test_no_release_for_an_app_that_is_not_there(ledger, app, kate):
    ledger.apps.destroy(app.id)
    for app_id in (app.id, "never"):
        with pytest.raises(NotFound):
            ledger.releases.append(app_id, slug_id=None, config={}, description="x", user=kate)
    with pytest.raises(NotFound):
        ledger.releases.current("never")
    assert ledger.releases.verify() == []


@pytest.mark.parametrize("description", ["two\nlines", "\x1b[31mred", "half \ud800", "right to left \u202e"])
def test_a_description_is_one_line_that_can_be_shown(ledger, app, kate, description):
    with pytest.raises(Invalid, match="one line of printable text"):
        ledger.releases.append(app.id, slug_id=None, config={}, description=description, user=kate)
    assert ledger.releases.current(app.id).version == 1


def test_output_of_the_release_phase_is_kept_in_pieces(ledger, app, kate):
    fill(ledger, app, kate)
    assert ledger.releases.output(app.id, 3) == "migrating... done\n"
    assert [piece.text for piece in ledger.releases.outputs(app.id, 3)] == ["migrating...", " done\n"]
    assert ledger.releases.output(app.id, 2) is None


def test_config_is_neither_in_the_file_nor_in_a_representation(ledger, app, kate, directory):
    release = ledger.releases.append(
        app.id, slug_id=None, config={"PASSWORD_KEY": "hunter2"}, description="Set", user=kate
    )
    assert "hunter2" not in repr(release)
    ledger.close()
    files = b"".join(path.read_bytes() for path in directory.iterdir())
    assert b"hunter2" not in files
    assert b"PASSWORD_KEY" not in files


def test_the_same_config_looks_different_in_each_release(ledger, app, kate, directory):
    for _ in range(2):
        ledger.releases.append(app.id, slug_id=None, config={"A": "1"}, description="Set", user=kate)
    connection = sqlite3.connect(directory / "ledger.db")
    configs = connection.execute("SELECT config FROM releases WHERE version > 1").fetchall()
    connection.close()
    assert configs[0] != configs[1]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE releases SET description = 'x' WHERE version = 2",
        "DELETE FROM releases WHERE version = 2",
        "REPLACE INTO releases SELECT * FROM releases WHERE version = 2",
        "INSERT OR REPLACE INTO releases SELECT sequence + 100, id || 'x', app_id, version, slug_id, config, 'new', "
        "user_id, user_email, build_id, created_at, previous_hash, hash, stack FROM releases WHERE version = 2",
        "INSERT INTO releases SELECT NULL, id || 'x', app_id, 9, slug_id, config, description, user_id, user_email, "
        "build_id, created_at, hash, hash, stack FROM releases WHERE version = 4",
        "INSERT INTO releases SELECT NULL, id || 'x', app_id, 5, slug_id, config, description, user_id, user_email, "
        "build_id, created_at, previous_hash, hash, stack FROM releases WHERE version = 4",
        "INSERT INTO releases SELECT * FROM releases WHERE version = 2 ON CONFLICT DO UPDATE SET description = 'x'",
        "UPDATE release_outputs SET output = 'x'",
        "DELETE FROM release_outputs",
        "REPLACE INTO release_outputs SELECT * FROM release_outputs",
        "DELETE FROM apps",
        "UPDATE apps SET uid = 0",
        "UPDATE apps SET id = 'x'",
        "DELETE FROM users",
        "UPDATE users SET email = 'eve@example.com'",
        "UPDATE sequences SET next = 1",
        "DELETE FROM sequences",
    ],
)
@pytest.mark.parametrize("recursive", ["ON", "OFF"])
def test_any_connection_is_refused_to_change_history(ledger, app, kate, directory, statement, recursive):
    fill(ledger, app, kate)
    connection = sqlite3.connect(directory / "ledger.db")
    connection.execute(f"PRAGMA recursive_triggers = {recursive}")
    try:
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
        connection.rollback()
    finally:
        connection.close()
    assert ledger.releases.verify() == []


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER releases_are_never_changed",
        "DROP TABLE releases",
        "ALTER TABLE releases ADD COLUMN x TEXT",
        "PRAGMA writable_schema = 1",
        "PRAGMA recursive_triggers = OFF",
        "ATTACH DATABASE ':memory:' AS aside",
    ],
)
def test_the_ledgers_own_connection_cannot_take_the_protection_away(ledger, statement):
    with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
        ledger._database.write(statement)


def test_an_untouched_ledger_verifies(ledger, app, kate):
    fill(ledger, app, kate)
    ledger.apps.destroy(ledger.apps.create("gone", kate.id).id)
    assert ledger.releases.verify() == []


@pytest.mark.parametrize("column", ["id", "description", "user_email", "created_at", "hash", "previous_hash"])
@pytest.mark.parametrize("version", [1, 3, 4])
def test_a_changed_text_in_any_release_is_found(ledger, app, kate, tamper, column, version):
    fill(ledger, app, kate)
    tamper(f"UPDATE releases SET {column} = {column} || 'f' WHERE version = {version}")
    assert any(problem.version == version for problem in ledger.releases.verify())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE releases SET config = x'00' WHERE version = 3",
        "UPDATE releases SET config = (SELECT config FROM releases WHERE version = 2) WHERE version = 3",
        "UPDATE releases SET slug_id = NULL WHERE version = 3",
        "UPDATE releases SET user_id = 'x' WHERE version = 3",
        "UPDATE releases SET build_id = 'x' WHERE version = 3",
        "UPDATE releases SET stack = 'debian-13@1' WHERE version = 2",
        "UPDATE releases SET stack = 'debian-13@1' WHERE version = 3",
        "UPDATE releases SET stack = NULL WHERE version = 3",
        "UPDATE releases SET app_id = (SELECT id FROM apps WHERE name = 'other') WHERE version = 3",
        "UPDATE releases SET app_id = 'nowhere' WHERE version = 3",
        "UPDATE releases SET version = 5 WHERE version = 4",
        "DELETE FROM releases WHERE version = 1",
        "DELETE FROM releases WHERE version = 3",
        "DELETE FROM releases WHERE version = 4",
        "DELETE FROM releases",
        "DELETE FROM release_heads",
        "UPDATE release_heads SET version = version + 1",
        "UPDATE release_heads SET seal = 'f\u00e4lschung'",
        "UPDATE release_outputs SET output = 'all well' WHERE part = 1",
        "UPDATE release_outputs SET hash = 'x' WHERE part = 1",
        "UPDATE release_outputs SET release_id = (SELECT id FROM releases WHERE version = 2)",
        "UPDATE release_outputs SET release_id = 'nowhere'",
        "DELETE FROM release_outputs WHERE part = 1",
        "DELETE FROM release_outputs WHERE part = 2",
        "DELETE FROM release_outputs",
        "DELETE FROM apps WHERE name = 'hello'",
    ],
)
def test_any_other_change_is_found(ledger, app, kate, tamper, statement):
    ledger.apps.create("other", kate.id)
    fill(ledger, app, kate)
    tamper(statement)
    problems = ledger.releases.verify()
    assert problems
    assert all(str(problem) for problem in problems)


def test_of_a_chain_cut_short_it_is_named_what_is_missing(ledger, app, kate, tamper):
    fill(ledger, app, kate)
    tamper("DELETE FROM releases WHERE version > 2", "DELETE FROM release_outputs")
    assert [str(problem) for problem in ledger.releases.verify()] == [
        "hello: its newest release was v4, and those after v2 are missing"
    ]


def test_a_whole_chain_written_anew_without_the_key_is_found(ledger, app, kate, tamper):
    fill(ledger, app, kate)
    row = {name: getattr(ledger.releases.get(app.id, 4), name) for name in (*audit.HASHED, "stack")}
    row |= {"description": "Deploy of an angel", "created_at": to_text(row["created_at"])}
    row["config"] = ledger._database.select("SELECT config FROM releases WHERE version = 4")[0]["config"]
    forged = chain.link(ledger.releases.get(app.id, 3).hash, row)
    tamper(
        f"UPDATE releases SET description = 'Deploy of an angel', hash = '{forged}' WHERE version = 4",
        f"UPDATE release_heads SET hash = '{forged}'",
    )
    assert [str(problem) for problem in ledger.releases.verify()] == [
        "hello: the seal of its newest release was not made with this ledger's key"
    ]


def test_releases_swapped_between_apps_are_found(ledger, app, kate, tamper):
    other = ledger.apps.create("other", kate.id)
    tamper(
        f"UPDATE releases SET app_id = 'aside' WHERE app_id = '{app.id}'",
        f"UPDATE releases SET app_id = '{app.id}' WHERE app_id = '{other.id}'",
        f"UPDATE releases SET app_id = '{other.id}' WHERE app_id = 'aside'",
    )
    assert {problem.app_name for problem in ledger.releases.verify()} == {"hello", "other"}


def test_a_config_that_was_changed_is_not_used_and_not_shown(ledger, app, kate, tamper):
    fill(ledger, app, kate)
    tamper("UPDATE releases SET config = (SELECT config FROM releases WHERE version = 2) WHERE version = 4")
    with pytest.raises(Internal, match="cannot be decrypted"):
        ledger.releases.current(app.id)


def test_the_check_in_the_documentation_needs_nothing_of_ours(ledger, app, kate, tamper, directory):
    page = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text()
    block = page[page.index("    import hashlib") : page.index("## Secret")]

    def check() -> list[str]:
        command = [sys.executable, "-I", "-c", textwrap.dedent(block)]
        return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout.splitlines()

    fill(ledger, app, kate)
    assert check() == ["hello 1 ok", "hello 2 ok", "hello 3 ok", "hello 4 ok"]
    tamper("UPDATE releases SET description = '\u20ac' WHERE version = 3")
    assert check() == ["hello 1 ok", "hello 2 ok", "hello 3 CHANGED", "hello 4 CHANGED"]


def test_the_head_can_be_noted_elsewhere(ledger, app, kate):
    fill(ledger, app, kate)
    current = ledger.releases.current(app.id)
    assert ledger.releases.head(app.id) == (4, current.hash)


def test_a_failure_in_a_transaction_leaves_no_half_made_release(ledger, app, kate):
    build = ledger.builds.start(app.id, kate.id, "20a5742")
    with pytest.raises(RuntimeError), ledger.transaction():
        slug = add_slug(ledger, app)
        ledger.releases.append(app.id, slug_id=slug.id, config={}, description="Deploy", user=kate)
        ledger.builds.finish(build.id, "succeeded", slug_id=slug.id, release_version=2)
        raise RuntimeError
    assert ledger.releases.current(app.id).version == 1
    assert ledger.slugs.list(app.id) == []
    assert ledger.builds.pending() == [build]
    assert ledger.releases.verify() == []
