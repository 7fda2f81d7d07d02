"""Certificates and https in the ledger."""

import sqlite3

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from tls_kit import DAY, NOW, make

from hostd.certificates.checking import Checked
from hostd.errors import Internal, Invalid, NotFound
from hostd.ledger import Hsts, Https


def judged(*names: str) -> Checked:
    made = make(*names)
    fingerprint = made.certificate.fingerprint(SHA256()).hex()
    return Checked(made.pem, made.key_pem, fingerprint, names, NOW - DAY, NOW + 90 * DAY)


@pytest.fixture
def app(ledger):
    return ledger.apps.create("hello", ledger.users.add("kate@example.com", admin=True).id)


def test_a_certificate_comes_back_with_its_key(ledger, app):
    one = judged("www.example.com", "*.example.org")
    made = ledger.certificates.add(app.id, one)
    assert ledger.certificates.get(app.id, made.name) == ledger.certificates.get(app.id, made.id) == made
    assert (made.chain, made.names, made.expires_at) == (one.chain, one.names, one.expires_at)
    assert ledger.certificates.key(made) == one.key
    assert ledger.certificates.list(app.id) == ledger.certificates.every() == [made]


def test_the_key_is_nowhere_in_the_file(ledger, app, tmp_path):
    one = judged("www.example.com")
    ledger.certificates.add(app.id, one)
    copy = tmp_path / "copy"
    copy.mkdir()
    ledger.backup(copy)
    written = (copy / "ledger.db").read_bytes()
    assert b"BEGIN CERTIFICATE" in written
    assert b"PRIVATE KEY" not in written
    assert one.key.splitlines()[1].encode() not in written


def test_a_key_that_was_moved_to_another_certificate_does_not_open(ledger, app, tmp_path):
    first, second = (ledger.certificates.add(app.id, judged(name)) for name in ("a.test", "b.test"))
    with sqlite3.connect(tmp_path / "master/ledger.db") as file:
        file.execute(
            "UPDATE certificates SET private_key = (SELECT private_key FROM certificates WHERE id = ?) WHERE id = ?",
            (first.id, second.id),
        )
    with pytest.raises(Internal, match="cannot be decrypted"):
        ledger.certificates.key(second)


def test_an_update_keeps_name_and_id_and_forgets_warnings(ledger, app):
    made = ledger.certificates.add(app.id, judged("www.example.com"))
    ledger.certificates.warned(made, 7)
    two = judged("www.example.com")
    after = ledger.certificates.update(app.id, made.name, two)
    assert (after.id, after.name, after.created_at) == (made.id, made.name, made.created_at)
    assert (after.fingerprint, after.warned_days) == (two.fingerprint, None)
    assert after.content != made.content
    assert ledger.certificates.key(after) == two.key


def test_the_one_that_was_touched_last_comes_last(ledger, app):
    first, second = (ledger.certificates.add(app.id, judged(name)) for name in ("a.test", "b.test"))
    assert [each.id for each in ledger.certificates.list(app.id)] == [first.id, second.id]
    ledger.certificates.update(app.id, first.name, judged("a.test"))
    assert [each.id for each in ledger.certificates.list(app.id)] == [second.id, first.id]


def test_no_app_has_a_certificate_twice(ledger, app):
    one = judged("www.example.com")
    made = ledger.certificates.add(app.id, one)
    other = ledger.certificates.add(app.id, judged("www.example.com"))
    with pytest.raises(Invalid, match=made.name):
        ledger.certificates.add(app.id, one)
    with pytest.raises(Invalid, match=made.name):
        ledger.certificates.update(app.id, other.name, one)
    assert ledger.certificates.update(app.id, made.name, one).id == made.id
    elsewhere = ledger.apps.create("other", app.owner_id)
    assert ledger.certificates.add(elsewhere.id, one).app_id == elsewhere.id


def test_another_apps_certificate_is_not_found(ledger, app):
    made = ledger.certificates.add(app.id, judged("www.example.com"))
    other = ledger.apps.create("other", app.owner_id)
    for refused in (ledger.certificates.get, ledger.certificates.remove):
        with pytest.raises(NotFound, match="no certificate"):
            refused(other.id, made.id)


def test_certificates_and_settings_go_with_their_app(ledger, app):
    made = ledger.certificates.add(app.id, judged("www.example.com"))
    ledger.https.set(app.id, Https(redirect=True))
    ledger.apps.destroy(app.id)
    assert ledger.certificates.every() == []
    with pytest.raises(NotFound):
        ledger.certificates.key(made)
    assert ledger.https.get(app.id) == Https()


@pytest.mark.parametrize("https", [
    Https(True), Https(False, Hsts(60)), Https(True, Hsts(31536000, True, True)), Https(False, Hsts(0)), Https(),
])  # fmt: skip
def test_what_an_app_wants_of_https_comes_back(ledger, app, https):
    assert ledger.https.get(app.id) == Https()
    ledger.https.set(app.id, https)
    assert ledger.https.get(app.id) == https


def test_hsts_as_browsers_read_it():
    assert Hsts(60).header == "max-age=60"
    assert Hsts(60, True, True).header == "max-age=60; includeSubDomains; preload"
