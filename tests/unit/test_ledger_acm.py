"""Automatic certificates in the ledger."""

import sqlite3
from dataclasses import replace

import pytest
from test_ledger_certificates import judged
from tls_kit import NOW

from hostd.acme.standings import new
from hostd.errors import Internal, NotFound

DIRECTORY = "https://acme.example/directory"


@pytest.fixture
def app(ledger):
    return ledger.apps.create("hello", ledger.users.add("kate@example.com", admin=True).id)


def test_an_app_gets_them_from_when_it_is_enabled(ledger, app):
    assert (ledger.acm.enabled(app.id), ledger.acm.apps()) == (False, [])
    for _ in range(2):
        ledger.acm.enable(app.id)
        assert (ledger.acm.enabled(app.id), ledger.acm.apps()) == (True, [app.id])
    ledger.acm.disable(app.id)
    assert (ledger.acm.enabled(app.id), ledger.acm.apps()) == (False, [])
    with pytest.raises(NotFound):
        ledger.acm.enable("nobody")


def test_how_names_are_to_be_proven_is_the_last_word(ledger, app):
    assert ledger.acm.challenge(app.id) is None
    for challenge in ("tls-alpn-01", None, "dns-01"):
        ledger.acm.enable(app.id, challenge)
        assert ledger.acm.challenge(app.id) == challenge
    with pytest.raises(sqlite3.IntegrityError):
        ledger.acm.enable(app.id, "by-word-of-mouth")


def test_an_app_that_has_some_left_is_not_forgotten(ledger, app):
    ledger.certificates.add(app.id, judged("a.test"))
    assert ledger.acm.apps() == []
    made = ledger.certificates.add(app.id, judged("b.test"), automatic=True)
    assert made.automatic
    assert ledger.acm.apps() == [app.id]


def test_standings_come_back_and_go(ledger, app):
    one = new(app.id, "a.test", NOW)
    two = replace(one, hostname="b.test", reason="it leads away", failures=3, limited=True, renew=True)
    for standing in (one, two, one):
        ledger.acm.put(standing)
    assert ledger.acm.standings(app.id) == {"a.test": one, "b.test": two}
    ledger.acm.forget(app.id, "a.test")
    assert ledger.acm.standings(app.id) == {"b.test": two}
    ledger.acm.disable(app.id)
    assert ledger.acm.standings(app.id) == {}


def test_all_of_it_goes_with_the_app(ledger, app):
    ledger.acm.enable(app.id)
    ledger.acm.put(new(app.id, "a.test", NOW))
    ledger.certificates.add(app.id, judged("a.test"), automatic=True)
    ledger.apps.destroy(app.id)
    assert (ledger.acm.apps(), ledger.acm.standings(app.id)) == ([], {})


def test_an_account_has_a_key_that_is_nowhere_in_clear(ledger, tmp_path):
    assert ledger.acme_accounts.get(DIRECTORY) is None
    made = ledger.acme_accounts.make(DIRECTORY, "A PRIVATE KEY")
    assert ledger.acme_accounts.get(DIRECTORY) == made
    assert ledger.acme_accounts.key(made) == "A PRIVATE KEY"
    copy = tmp_path / "copy"
    copy.mkdir()
    ledger.backup(copy)
    assert b"A PRIVATE KEY" not in (copy / "ledger.db").read_bytes()
    ledger.acme_accounts.make("https://other.example/", "ANOTHER KEY")
    with sqlite3.connect(tmp_path / "master/ledger.db") as file:
        file.execute(
            "UPDATE acme_accounts SET private_key = (SELECT private_key FROM acme_accounts WHERE directory = ?)",
            (DIRECTORY,),
        )
    with pytest.raises(Internal, match="cannot be decrypted"):
        ledger.acme_accounts.key(ledger.acme_accounts.get("https://other.example/"))


def test_what_is_known_of_an_account(ledger):
    ledger.acme_accounts.make(DIRECTORY, "key")
    ledger.acme_accounts.registered(DIRECTORY, "https://acme.example/account/1")
    ledger.acme_accounts.hold(DIRECTORY, "too much", NOW, 2)
    known = ledger.acme_accounts.get(DIRECTORY)
    assert (known.uri, known.reason, known.next_at, known.failures) == (
        "https://acme.example/account/1", "too much", NOW, 2
    )  # fmt: skip
    ledger.acme_accounts.registered(DIRECTORY, None)
    ledger.acme_accounts.hold(DIRECTORY, None, None, 0)
    known = ledger.acme_accounts.get(DIRECTORY)
    assert (known.uri, known.reason, known.next_at, known.failures) == (None, None, None, 0)
