import pytest
from ledger_kit import add_slug

from hostd.errors import Conflict, Invalid, NotFound
from hostd.ledger import App, BuildOutput, Ledger, User
from hostd.ledger.releases import OUTPUT_LIMIT, bounded


@pytest.fixture
def kate(ledger: Ledger) -> User:
    return ledger.users.add("kate@example.com")


@pytest.fixture
def app(ledger: Ledger, kate: User) -> App:
    return ledger.apps.create("hello", kate.id)


def test_a_build_from_start_to_end(ledger, kate, app):
    build = ledger.builds.start(app.id, kate.id, "20a5742", id="push-id", stack="host@12.11")
    assert (build.id, build.status, build.ended_at, build.source) == ("push-id", "pending", None, "git push")
    assert ledger.builds.pending() == [build]
    slug = add_slug(ledger, app)
    ended = ledger.builds.finish(build.id, "succeeded", slug_id=slug.id, release_version=2)
    assert (ended.status, ended.slug_id, ended.release_version) == ("succeeded", slug.id, 2)
    assert (ended.stack, ended.reason, ended.cancelled) == ("host@12.11", None, False)
    assert ended.ended_at is not None
    assert ledger.builds.get(build.id) == ended
    assert ledger.builds.pending() == []


def test_a_build_ends_once(ledger, kate, app):
    build = ledger.builds.start(app.id, kate.id, "20a5742")
    ledger.builds.finish(build.id, "failed", reason="no \0 \udcff", cancelled=True)
    assert ledger.builds.get(build.id).reason == "no \0 ?"
    assert ledger.builds.get(build.id).cancelled
    with pytest.raises(Conflict, match="ended already"):
        ledger.builds.finish(build.id, "succeeded")
    with pytest.raises(NotFound):
        ledger.builds.finish("never", "failed")


def test_what_a_build_finds_out_is_added_to_it(ledger, kate, app):
    build = ledger.builds.start(app.id, kate.id, "", source="git:sync https://example.com/app.git")
    packs = [{"name": "heroku/python", "commit": None}]
    assert ledger.builds.learn(build.id, commit="20a5742", buildpacks=packs).commit == "20a5742"
    learnt = ledger.builds.learn(build.id, stack="host@12.11", report="lock: yarn.lock")
    assert (learnt.commit, learnt.stack, learnt.buildpacks) == ("20a5742", "host@12.11", packs)
    assert ledger.builds.learn(build.id).report == "lock: yarn.lock"


def test_builds_are_listed_newest_first(ledger, kate, app):
    first, second = (ledger.builds.start(app.id, kate.id, commit) for commit in ("a", "b"))
    assert [build.id for build in ledger.builds.list(app.id)] == [second.id, first.id]
    assert [build.id for build in ledger.builds.list(app.id, limit=1)] == [second.id]


def test_a_build_is_found_by_the_beginning_of_its_id(ledger, kate, app):
    with pytest.raises(NotFound, match="never built"):
        ledger.builds.find(app.id, "current")
    for number in "abc1", "abd2", "x%_y":
        ledger.builds.start(app.id, kate.id, "20a5742", id=number)
    assert ledger.builds.find(app.id, "abc").id == "abc1"
    assert ledger.builds.find(app.id, "ABD2").id == "abd2"
    assert ledger.builds.find(app.id, "current").id == "x%_y"
    with pytest.raises(Invalid, match="Several builds begin with 'ab'"):
        ledger.builds.find(app.id, "ab")
    for unknown in ("", "%", "a_c", "abc12", "0"):
        with pytest.raises(NotFound):
            ledger.builds.find(app.id, unknown)


def test_a_build_of_one_app_is_not_found_through_another(ledger, kate, app):
    build = ledger.builds.start(app.id, kate.id, "20a5742")
    other = ledger.apps.create("other", kate.id)
    with pytest.raises(NotFound):
        ledger.builds.find(other.id, build.id)


def test_the_output_of_a_build_is_kept_as_far_as_it_came(ledger, kate, app):
    build = ledger.builds.start(app.id, kate.id, "20a5742")
    assert ledger.build_outputs.get(build.id) == BuildOutput(b"")
    for output in (BuildOutput(b"-----> \0\xff\n"), BuildOutput(b"first", b"last", 7)):
        ledger.build_outputs.save(build.id, output)
        assert ledger.build_outputs.get(build.id) == output
    assert BuildOutput(b"one ", b"two").text == b"one two"
    assert BuildOutput(b"first", b"last", 7).text == b"first\n[7 bytes are left out here]\nlast"


def test_of_old_builds_the_output_is_forgotten_and_the_record_kept(ledger, kate, app):
    other = ledger.apps.create("other", kate.id)
    made = [ledger.builds.start(owner.id, kate.id, "20a5742") for owner in (app, other, app, app)]
    for build in made:
        ledger.build_outputs.save(build.id, BuildOutput(b"text"))
    assert ledger.build_outputs.prune(app.id, keep=2) == 1
    assert [ledger.build_outputs.get(build.id).text for build in made] == [b"", b"text", b"text", b"text"]
    assert len(ledger.builds.list(app.id)) == 3
    assert ledger.build_outputs.prune(app.id, keep=0) == 2


def test_buildpacks_are_kept_in_order_and_go_with_their_app(ledger, app):
    urls = ["heroku/nodejs", "https://example.com/pack.git#v1", "heroku/python"]
    assert ledger.buildpacks.replace(app.id, urls) == urls
    assert ledger.buildpacks.replace(app.id, urls[::-1]) == urls[::-1]
    assert ledger.buildpacks.list(app.id) == urls[::-1]
    ledger.apps.destroy(app.id)
    assert ledger.buildpacks.list(app.id) == []
    with pytest.raises(NotFound):
        ledger.buildpacks.replace(app.id, urls)


def test_stack_and_build_timeout_of_an_app(ledger, app):
    assert (app.stack, app.build_timeout) == ("host", None)
    ledger.apps.set_stack(app.id, "debian-12")
    ledger.apps.set_build_timeout(app.id, 1800)
    changed = ledger.apps.get("hello")
    assert (changed.stack, changed.build_timeout) == ("debian-12", 1800)
    assert ledger.apps.set_build_timeout(app.id, None).build_timeout is None


def test_a_slug_knows_what_made_it(ledger, app):
    packs = [{"name": "heroku/python", "commit": None}]
    slug = ledger.slugs.add(
        app.id,
        commit="20a5742",
        size_bytes=1000,
        process_types={},
        buildpack="python",
        stack="debian-12",
        digest="d1",
        stack_version="20261121.1",
        files=12,
        buildpacks=packs,
    )
    assert ledger.slugs.get(slug.id) == slug
    assert (slug.stack_version, slug.files, slug.buildpacks) == ("20261121.1", 12, packs)


@pytest.mark.parametrize("unit", ["x", "\u20ac", "line\n"])
def test_long_output_keeps_its_beginning_and_its_end(unit):
    text = "first" + unit * (OUTPUT_LIMIT // len(unit.encode()) + 100) + "last"
    kept = bounded(text)
    assert len(kept.encode()) <= OUTPUT_LIMIT
    assert kept.startswith("first")
    assert kept.endswith("last")
    assert "bytes are left out here]" in kept
    assert bounded("short") == "short"
