import pytest
from ledger_kit import add_slug

from hostd import names
from hostd.errors import Conflict, Invalid, NotFound
from hostd.ledger import Process, Use


@pytest.fixture
def kate(ledger):
    return ledger.users.add("kate@example.com", admin=True)


@pytest.fixture
def app(ledger, kate):
    return ledger.apps.create("hello", kate.id)


# Apps


def test_a_new_app_has_a_uid_and_its_first_release(ledger, kate, app):
    assert (app.name, app.owner_id, app.uid, app.stack, app.host) == ("hello", kate.id, 200000, "host", 1)
    release = ledger.releases.current(app.id)
    assert (release.version, release.description, release.slug_id, release.config) == (1, "Initial release", None, {})
    assert app.released_at == release.created_at
    assert ledger.apps.get("hello") == ledger.apps.get(app.id) == app


def test_an_app_without_a_name_gets_one(ledger, kate):
    first, second = ledger.apps.create(None, kate.id), ledger.apps.create(None, kate.id)
    assert names.app_name(first.name) != names.app_name(second.name)


@pytest.mark.parametrize("name", ["", "..", "-a", "x" * 31, "bl\u00fcte", "git"])
def test_a_bad_name_makes_no_app(ledger, kate, name):
    with pytest.raises(Invalid):
        ledger.apps.create(name, kate.id)
    assert ledger.apps.list() == []
    assert ledger.apps.create("hello", kate.id).uid == 200000


def test_apps_are_listed_by_name_and_in_the_order_they_were_made(ledger, kate, app):
    first, gone, last = (ledger.apps.create(name, kate.id) for name in ("zoo", "gone", "ant"))
    ledger.apps.destroy(gone.id)
    assert [each.name for each in ledger.apps.list()] == ["ant", app.name, "zoo"]
    assert [each.id for each in ledger.apps.in_order()] == [app.id, first.id, last.id]


def test_a_taken_name_is_refused(ledger, kate, app):
    with pytest.raises(Invalid, match="Name hello is already taken"):
        ledger.apps.create("hello", kate.id)
    other = ledger.apps.create("other", kate.id)
    with pytest.raises(Invalid, match="Name hello is already taken"):
        ledger.apps.rename(other.id, "hello")


def test_an_owner_must_be_a_user(ledger):
    with pytest.raises(NotFound):
        ledger.apps.create("hello", "nobody")


def test_an_app_can_be_renamed_and_put_in_maintenance_and_given_away(ledger, kate, app):
    joe = ledger.users.add("joe@example.com")
    ledger.access.add(app.id, joe.id)
    renamed = ledger.apps.rename(app.id, "world")
    assert (renamed.id, renamed.name) == (app.id, "world")
    assert renamed.updated_at > app.updated_at
    assert ledger.apps.rename(app.id, "world") == renamed
    assert ledger.apps.set_maintenance(app.id, True).maintenance is True
    assert ledger.apps.transfer(app.id, joe.id).owner_id == joe.id
    assert ledger.access.list(app.id) == []
    with pytest.raises(NotFound, match="no app 'hello'"):
        ledger.apps.get("hello")


def test_a_destroyed_app_frees_its_name_but_never_its_id_or_uid(ledger, kate, app):
    fill = add_slug(ledger, app)
    ledger.formation.set(app.id, [Process("web", 2)])
    ledger.checks.set(app.id, "web", "/health")
    gone = ledger.apps.destroy(app.id)
    assert gone.destroyed_at is not None
    assert ledger.apps.list() == []
    assert ledger.apps.destroyed() == [gone]
    for reference in ("hello", app.id):
        with pytest.raises(NotFound):
            ledger.apps.get(reference)
    again = ledger.apps.create("hello", kate.id)
    assert (again.id != app.id, again.uid) == (True, app.uid + 1)
    assert ledger.formation.get(again.id) == ledger.formation.get(app.id) == {}
    assert ledger.checks.get(app.id) == {}
    assert ledger.releases.get(app.id, 1).description == "Initial release"
    assert ledger.slugs.list(app.id) == [fill]
    assert ledger.slugs.uses() == []


def test_a_health_check_is_set_and_unset(ledger, app):
    ledger.checks.set(app.id, "web", "/health")
    ledger.checks.set(app.id, "web", "/up?deep=1")
    assert ledger.checks.get(app.id) == {"web": "/up?deep=1"}
    assert ledger.checks.unset(app.id, "web")
    assert not ledger.checks.unset(app.id, "web")
    assert ledger.checks.get(app.id) == {}


@pytest.mark.parametrize(
    ("type", "path", "why"),
    [
        ("worker", "/health", "only web dynos answer requests"),
        ("web", "health", "must begin with /"),
        ("web", "/a b", "without blanks"),
        ("web", "/\r\nHost: other", "without blanks"),
        ("web", "/" + "x" * 1024, "at most 1024 characters"),
    ],
)
def test_what_can_be_no_health_check_is_refused(ledger, app, type, path, why):
    with pytest.raises(Invalid, match=why):
        ledger.checks.set(app.id, type, path)
    assert ledger.checks.get(app.id) == {}


def test_a_destroyed_app_can_not_be_changed(ledger, kate, app):
    ledger.apps.destroy(app.id)
    for change in (
        lambda: ledger.apps.destroy(app.id),
        lambda: ledger.apps.rename(app.id, "world"),
        lambda: ledger.apps.set_maintenance(app.id, True),
        lambda: ledger.apps.transfer(app.id, kate.id),
        lambda: ledger.formation.set(app.id, [Process("web", 1)]),
        lambda: ledger.access.add(app.id, kate.id),
    ):
        with pytest.raises(NotFound):
            change()


def test_uids_grow_over_reopening_and_from_a_higher_base(ledger, kate, app, tmp_path):
    from hostd.ledger import Ledger

    ledger.apps.destroy(app.id)
    ledger.close()
    again = Ledger.open(tmp_path / "master", uid_base=300000)
    assert again.apps.create("world", kate.id).uid == 300000
    again.close()
    again = Ledger.open(tmp_path / "master", uid_base=200000)
    assert again.apps.create("third", kate.id).uid == 300001
    again.close()


# Formation


def test_a_first_slug_starts_one_web_dyno(ledger, app):
    formation = ledger.formation.adopt(app.id, ["web", "worker", "release", "clock"])
    assert {type: process.quantity for type, process in formation.items()} == {"clock": 0, "web": 1, "worker": 0}
    assert formation["web"].size == "standard-1x"


def test_a_later_slug_leaves_the_formation_as_it_is(ledger, app):
    ledger.formation.adopt(app.id, ["web"])
    ledger.formation.set(app.id, [Process("web", 3, "eco")])
    formation = ledger.formation.adopt(app.id, ["web", "worker"])
    assert formation == {"web": Process("web", 3, "eco"), "worker": Process("worker", 0)}


def test_scaling_several_types_at_once(ledger, app):
    ledger.formation.adopt(app.id, ["web", "worker"])
    changes = [names.scale("web=3:standard-2x"), names.scale("worker+2"), names.scale("web-1")]
    changed = ledger.formation.scale(app.id, changes, ["web", "worker"])
    assert changed == {"web": Process("web", 2, "standard-2x"), "worker": Process("worker", 2)}
    assert ledger.formation.get(app.id) == changed


@pytest.mark.parametrize(
    ("change", "reason"),
    [("wbe=1", "Did you mean web"), ("worker-1", "below 0"), ("worker+100", None), ("worker=5", None)],
)
def test_scaling_is_all_or_nothing(ledger, app, change, reason):
    ledger.formation.adopt(app.id, ["web", "worker"])
    changes = [names.scale("web=3"), names.scale(change), names.scale("worker+1"), names.scale("web+97")]
    if change == "worker=5":
        changes.append(names.scale("worker+95"))
    before = ledger.formation.get(app.id)
    with pytest.raises(Invalid, match=reason or "0 to 100"):
        ledger.formation.scale(app.id, changes, ["web", "worker"])
    assert ledger.formation.get(app.id) == before


@pytest.mark.parametrize(
    "process", [Process("run", 1), Process("web", 101), Process("web", -1), Process("web", 1, "xl")]
)
def test_a_formation_holds_no_nonsense(ledger, app, process):
    with pytest.raises(Invalid):
        ledger.formation.set(app.id, [process])
    assert ledger.formation.get(app.id) == {}


# Slugs


def test_a_slug_is_kept_as_it_was_given(ledger, app):
    slug = ledger.slugs.add(
        app.id,
        id="pool-id",
        commit="20a5742",
        size_bytes=5,
        process_types={"web": "x", "a": "\u20ac"},
        buildpack="python",
        stack="host",
        digest="d",
    )
    assert slug.id == "pool-id"
    assert ledger.slugs.get("pool-id") == slug
    assert list(slug.process_types) == ["web", "a"]
    assert ledger.slugs.list(app.id) == [slug]
    with pytest.raises(NotFound):
        ledger.slugs.get("never")


def test_what_uses_a_slug_is_known_and_a_current_one_can_not_be_dropped(ledger, kate, app):
    slugs = [add_slug(ledger, app, str(number)) for number in range(3)]
    for slug in (slugs[0], slugs[1], slugs[0]):
        ledger.releases.append(app.id, slug_id=slug.id, config={}, description="Deploy", user=kate)
    other = ledger.apps.create("other", kate.id)
    ledger.releases.append(other.id, slug_id=slugs[1].id, config={}, description="Promote", user=kate)
    of_app = [Use(slugs[0].id, app.id, 4, 4), Use(slugs[1].id, app.id, 3, 4)]
    of_other = Use(slugs[1].id, other.id, 2, 2)
    assert sorted(ledger.slugs.uses(), key=str) == sorted([*of_app, of_other], key=str)
    assert ledger.slugs.uses(app.id) == ledger.slugs.uses()
    assert ledger.slugs.uses(other.id) == []
    for slug in slugs[:2]:
        with pytest.raises(Conflict, match="in use"):
            ledger.slugs.drop(slug.id)
    ledger.apps.destroy(other.id)
    dropped = ledger.slugs.drop(slugs[1].id)
    assert dropped.dropped_at is not None
    assert ledger.slugs.drop(slugs[1].id) == dropped
    assert ledger.slugs.get(slugs[1].id) == dropped
    assert ledger.slugs.uses() == [of_app[0]]
    assert [slug.id for slug in ledger.slugs.kept()] == [slugs[2].id, slugs[0].id]
