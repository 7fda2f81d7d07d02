"""Ledgers of older hostds, with data in them, become today's."""

import pytest
import sqlite_utils
from ledger_kit import make_ledger

from hostd.ledger import BuildOutput, Right, chain, migrations
from hostd.ledger.vault import Vault
from hostd.ledger.webhook_subjects import Subject

NOW = "2026-01-27T10:48:08.000000+00:00"
FIRST_HASHED = (
    *("id", "app_id", "version", "slug_id", "config"),
    *("description", "user_id", "user_email", "build_id", "created_at"),
)


def first_ledger(directory):
    """A ledger as the first hostd left it: an app with two releases, a failed build and one that succeeded."""
    make_ledger(directory).close()
    (directory / "ledger.db").unlink()
    db, vault = sqlite_utils.Database(directory / "ledger.db"), Vault.open(directory / "ledger.key", create=False)
    (directory / "ledger.db").chmod(0o600)
    only_first = sqlite_utils.Migrations("hostd")
    only_first(name="first")(migrations.first)
    only_first.apply(db)
    user = {"id": "u", "email": "kate@example.com", "name": "kate", "admin": 1, "created_at": NOW}
    app = {"id": "a", "name": "hello", "owner_id": "u", "uid": 200000, "stack": "host"}
    build = {"app_id": "a", "user_id": "u", "commit": "20a5742", "created_at": NOW, "ended_at": NOW}
    slug = {"id": "s", "app_id": "a", "commit": "20a5742", "size_bytes": 1, "process_types": '{"web": "x"}'}
    with db.conn:
        db["key_marks"].insert({"id": 1, "mark": vault.seal("the key of this ledger")})
        db["users"].insert(user)
        db["users"].insert({**user, "id": "v", "email": "joe@example.com", "admin": 0})
        db["apps"].insert({**app, "created_at": NOW, "updated_at": NOW, "released_at": NOW})
        db["collaborators"].insert({"app_id": "a", "user_id": "v", "created_at": NOW})
        db["slugs"].insert({**slug, "buildpack": "python", "stack": "host", "digest": "d", "created_at": NOW})
        db["builds"].insert({**build, "id": "b1", "status": "failed", "output": "No buildpack fits this app."})
        db["builds"].insert({**build, "id": "b2", "status": "succeeded", "slug_id": "s", "release_version": 2})
        previous = chain.genesis("a")
        for version, slug_id in ((1, None), (2, "s")):
            release = dict.fromkeys(FIRST_HASHED) | {
                "id": f"r{version}",
                "app_id": "a",
                "version": version,
                "slug_id": slug_id,
                "config": vault.encrypt({"A": str(version)}, f"app a v{version}"),
                "description": "Initial release",
                "user_id": "u",
                "user_email": "kate@example.com",
                "created_at": NOW,
            }
            link = chain.link(previous, release)
            db["releases"].insert({**release, "previous_hash": previous, "hash": link})
            previous = link
        seal = vault.seal(f"a v2 {previous} 0")
        db["release_heads"].insert({"app_id": "a", "version": 2, "hash": previous, "outputs": 0, "seal": seal})
    db.close()


@pytest.mark.thorough
def test_old_releases_still_verify_and_new_ones_follow_them(tmp_path):
    first_ledger(tmp_path)
    ledger = make_ledger(tmp_path)
    assert ledger.releases.verify() == []
    old = ledger.releases.current("a")
    assert (old.version, old.config, old.stack) == (2, {"A": "2"}, None)
    kate = ledger.users.get("kate@example.com")
    for stack, expected in ((None, None), ("debian-12@1", "debian-12@1"), (None, "debian-12@1")):
        made = ledger.releases.append("a", slug_id="s", config={}, description="x", user=kate, stack=stack)
        assert made == ledger.releases.current("a")
        assert made.stack == expected
    assert ledger.releases.verify() == []
    ledger.close()


@pytest.mark.thorough
def test_old_collaborators_may_what_they_could(tmp_path):
    first_ledger(tmp_path)
    ledger = make_ledger(tmp_path)
    (joe,) = ledger.access.list("a")
    assert joe.rights == {Right.VIEW, Right.DEPLOY, Right.OPERATE}
    assert joe.updated_at == joe.created_at
    assert ledger.trail.list() == []
    ledger.close()


@pytest.mark.thorough
def test_old_builds_keep_why_they_failed(tmp_path):
    first_ledger(tmp_path)
    ledger = make_ledger(tmp_path)
    succeeded, failed = ledger.builds.list("a")
    assert (failed.status, failed.reason, failed.cancelled) == ("failed", "No buildpack fits this app.", False)
    assert (succeeded.status, succeeded.reason, succeeded.source) == ("succeeded", None, "git push")
    assert ledger.build_outputs.get("b2") == BuildOutput(b"")
    ledger.close()


@pytest.mark.thorough
def test_old_slugs_and_apps_are_read(tmp_path):
    first_ledger(tmp_path)
    ledger = make_ledger(tmp_path)
    slug, app = ledger.slugs.get("s"), ledger.apps.get("hello")
    assert (slug.process_types, slug.stack_version, slug.files, slug.buildpacks) == ({"web": "x"}, None, None, [])
    assert (app.stack, app.build_timeout) == ("host", None)
    assert ledger.buildpacks.list(app.id) == []
    ledger.close()


@pytest.mark.thorough
def test_old_webhooks_keep_their_apps_and_deliveries(tmp_path):
    first_ledger(tmp_path)
    db, vault = sqlite_utils.Database(tmp_path / "ledger.db"), Vault.open(tmp_path / "ledger.key", create=False)
    db.execute("PRAGMA foreign_keys=ON")
    until_then = sqlite_utils.Migrations("hostd")
    for name in [each.name for each in migrations.MIGRATIONS.pending(sqlite_utils.Database(memory=True))]:
        if name != "first":
            if name == "pipeline_webhooks":
                break
            until_then(name=name)(getattr(migrations, name))
    until_then.apply(db)
    sealed = vault.encrypt({"url": "https://x.example/", "secret": "s", "authorization": ""}, "webhook w")
    webhook = {"id": "w", "app_id": "a", "include": '["api:app"]', "level": "sync", "sealed": sealed}
    event = {"id": "e", "app_id": "a", "include": "api:app", "payload": "{}", "created_at": NOW}
    delivery = {"id": "d", "webhook_id": "w", "event_id": "e", "status": "pending", "next_at": NOW, "created_at": NOW}
    with db.conn:
        db["webhooks"].insert({**webhook, "created_at": NOW, "updated_at": NOW})
        db["webhook_events"].insert(event)
        db["webhook_deliveries"].insert({**delivery, "updated_at": NOW})
    db.close()
    ledger, subject = make_ledger(tmp_path), Subject.app("a")
    (kept,) = ledger.webhooks.list(subject)
    assert (kept.id, kept.subject, kept.url) == ("w", subject, "https://x.example/")
    assert [each.id for each in ledger.webhook_deliveries.events(subject)] == ["e"]
    assert [each.id for each in ledger.webhook_deliveries.next()] == ["d"]
    ledger.webhooks.remove(subject, "w")
    assert ledger.webhook_deliveries.list(subject) == []
    assert ledger._database.select("PRAGMA foreign_key_check") == []
    ledger.close()
