"""Which app has which domain, and who may take one."""

import sqlite3

import pytest

from hostd.errors import Invalid, NotFound
from hostd.ledger import domains
from hostd.manager.desired import desired_app
from hostd.settings import Settings


@pytest.fixture
def root(ledger):
    return ledger.users.add("root@example.com", admin=True)


@pytest.fixture
def kate(ledger, root):
    return ledger.users.add("kate@example.com")


@pytest.fixture
def ann(ledger, root):
    return ledger.users.add("ann@example.com")


@pytest.fixture
def shop(ledger, kate):
    return ledger.apps.create("shop", kate.id)


@pytest.fixture
def other(ledger, ann):
    return ledger.apps.create("other", ann.id)


def names(ledger, app):
    return [domain.hostname for domain in ledger.domains.list(app.id)]


def test_domains_are_added_found_and_removed(ledger, kate, shop):
    www = ledger.domains.add(shop.id, "www.shop.de", kate)
    apex = ledger.domains.add(shop.id, "shop.de", kate)
    assert ledger.domains.list(shop.id) == [www, apex]
    assert ledger.domains.get(shop.id, "www.shop.de") == ledger.domains.get(shop.id, www.id) == www
    assert ledger.domains.holder("shop.de") == apex
    assert ledger.domains.remove(shop.id, "www.shop.de") == www
    assert names(ledger, shop) == ["shop.de"]
    with pytest.raises(NotFound):
        ledger.domains.remove(shop.id, "www.shop.de")
    again = ledger.domains.add(shop.id, "www.shop.de", kate)
    assert again.id != www.id


def test_a_domain_of_another_app_is_not_found(ledger, kate, shop, other):
    www = ledger.domains.add(shop.id, "www.shop.de", kate)
    for text in ("www.shop.de", www.id):
        with pytest.raises(NotFound):
            ledger.domains.get(other.id, text)


def test_a_domain_belongs_to_one_app(ledger, root, kate, ann, shop, other):
    ledger.domains.add(shop.id, "www.shop.de", kate)
    with pytest.raises(Invalid, match=r"shop has the domain www\.shop\.de already"):
        ledger.domains.add(shop.id, "www.shop.de", kate)
    with pytest.raises(Invalid, match="in use by an app of somebody else"):
        ledger.domains.add(other.id, "www.shop.de", ann)
    with pytest.raises(Invalid, match="in use by the app shop"):
        ledger.domains.add(other.id, "www.shop.de", root)
    assert names(ledger, other) == []


@pytest.mark.parametrize("name", ["shop.de", "www.shop.de", "a.b.shop.de", "*.b.shop.de"])
def test_names_on_the_ground_of_a_wildcard_are_its_owners(ledger, root, kate, ann, shop, other, name):
    ledger.domains.add(shop.id, "*.shop.de", kate)
    with pytest.raises(Invalid, match=r"is on the ground of \*\.shop\.de, a domain of an app of somebody else"):
        ledger.domains.add(other.id, name, ann)
    own = ledger.apps.create("second", kate.id)
    ledger.domains.add(own.id, name, kate)
    ledger.domains.remove(own.id, name)
    ledger.domains.add(other.id, name, root)


@pytest.mark.parametrize("name", ["shop.de", "www.shop.de", "a.b.shop.de", "*.b.shop.de"])
def test_a_wildcard_takes_in_no_names_of_others(ledger, root, kate, ann, shop, other, name):
    ledger.domains.add(other.id, name, ann)
    with pytest.raises(Invalid, match="would take in"):
        ledger.domains.add(shop.id, "*.shop.de", kate)
    ledger.domains.add(shop.id, "*.shop.de", root)


def test_names_that_only_look_alike_are_no_matter(ledger, kate, ann, shop, other):
    ledger.domains.add(other.id, "myshop.de", ann)
    ledger.domains.add(shop.id, "*.shop.de", kate)
    ledger.domains.add(other.id, "www.myshop.de", ann)
    ledger.domains.add(other.id, "shop.de.example.com", ann)


def test_domains_stay_with_an_app_that_is_renamed_or_given_away(ledger, kate, ann, shop):
    ledger.domains.add(shop.id, "*.shop.de", kate)
    ledger.apps.rename(shop.id, "store")
    ledger.apps.transfer(shop.id, ann.id)
    assert names(ledger, shop) == ["*.shop.de"]
    own = ledger.apps.create("second", ann.id)
    ledger.domains.add(own.id, "www.shop.de", ann)


def test_the_domains_of_a_destroyed_app_are_free(ledger, kate, ann, shop, other):
    ledger.domains.add(shop.id, "*.shop.de", kate)
    ledger.apps.destroy(shop.id)
    ledger.domains.add(other.id, "www.shop.de", ann)
    ledger.domains.add(other.id, "*.shop.de", ann)


def test_a_name_that_has_become_the_platform_s_is_not_the_app_s(ledger, kate, shop):
    for name in ("www.shop.de", "apps.shop.de", "x.apps.shop.de", "*.apps.shop.de", "myapps.shop.de"):
        ledger.domains.add(shop.id, name, kate)
    wanted = desired_app(ledger, Settings(domain="apps.shop.de"), shop)
    assert wanted.hosts == ("shop.apps.shop.de", "www.shop.de", "myapps.shop.de")


def test_an_app_has_so_many_domains_and_no_more(ledger, kate, shop, monkeypatch):
    monkeypatch.setattr(domains, "MOST", 2)
    for name in ("a.de", "b.de"):
        ledger.domains.add(shop.id, name, kate)
    with pytest.raises(Invalid, match="which is the limit"):
        ledger.domains.add(shop.id, "c.de", kate)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM domains",
        "UPDATE domains SET hostname = 'evil.de'",
        "UPDATE domains SET app_id = (SELECT id FROM apps WHERE name = 'other')",
        "UPDATE domains SET removed_at = NULL WHERE removed_at IS NOT NULL",
    ],
)
def test_who_had_a_domain_is_never_forgotten(ledger, kate, ann, shop, other, tmp_path, sql):
    ledger.domains.add(shop.id, "www.shop.de", kate)
    ledger.domains.remove(shop.id, "www.shop.de")
    with sqlite3.connect(tmp_path / "master/ledger.db") as db, pytest.raises(sqlite3.IntegrityError):
        db.execute(sql)
    db.close()
