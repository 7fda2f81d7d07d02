"""Authorizations: tokens that are told once, end, are revoked, and go with their user."""

from datetime import timedelta

import pytest

from hostd.errors import Conflict, Invalid, NotFound
from hostd.ledger import authorizations as module
from hostd.ledger.authorizations import checked_scope


@pytest.fixture
def kate(ledger):
    return ledger.users.add("kate@example.com", admin=True)


def test_a_token_is_told_once_and_kept_as_a_hash(ledger, kate, tmp_path):
    made, token = ledger.authorizations.add(kate.id, description="ci", scope=["write", "read"])
    assert len(token) == 65 and token.startswith("HRKU-") and token.endswith(made.token_end)
    assert (made.description, made.scope, made.expires_at) == ("ci", ("read", "write"), None)
    assert ledger.authorizations.by_token(token) == (made, kate)
    assert ledger.authorizations.list(kate.id) == [made]
    ledger.backup(tmp_path)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))
    assert b"HRKU" not in stored and token[5:].encode() not in stored


@pytest.mark.parametrize("wrong", ["", "HRKU-", "x" * 65, "\ud800", "HRKU-\0"])
def test_other_tokens_are_nobody(ledger, kate, wrong):
    ledger.authorizations.add(kate.id)
    assert ledger.authorizations.by_token(wrong) is None


def test_a_token_ends_is_not_listed_any_more_and_the_next_one_clears_it_away(ledger, kate):
    _made, token = ledger.authorizations.add(kate.id, expires_in=5)
    assert ledger.authorizations.by_token(token)
    for _ in range(5):
        ledger.authorizations.list(kate.id)
    assert ledger.authorizations.by_token(token) is None
    assert ledger.authorizations.list(kate.id) == []
    ledger.authorizations.add(kate.id)
    assert len(ledger.authorizations.list(kate.id)) == 1


def test_another_token_ends_the_one_before_and_lasts_as_long(ledger, kate):
    made, token = ledger.authorizations.add(kate.id, expires_in=600)
    later, other = ledger.authorizations.regenerate(kate.id, made.id)
    assert ledger.authorizations.by_token(token) is None
    assert ledger.authorizations.by_token(other) == (later, kate)
    assert (later.id, later.created_at) == (made.id, made.created_at)
    assert later.token_id != made.token_id
    assert later.expires_at - later.issued_at == timedelta(seconds=600)


def test_nobody_reaches_the_tokens_of_others(ledger, kate):
    ann = ledger.users.add("ann@example.com")
    made, token = ledger.authorizations.add(kate.id)
    for reach in (
        lambda: ledger.authorizations.get(ann.id, made.id),
        lambda: ledger.authorizations.describe(ann.id, made.id, "mine"),
        lambda: ledger.authorizations.regenerate(ann.id, made.id),
        lambda: ledger.authorizations.remove(ann.id, made.id),
    ):
        with pytest.raises(NotFound):
            reach()
    assert ledger.authorizations.by_token(token) == (made, kate)


def test_they_end_with_their_user_and_when_they_are_revoked(ledger, kate):
    ann = ledger.users.add("ann@example.com")
    made, token = ledger.authorizations.add(kate.id)
    assert ledger.authorizations.remove(kate.id, made.id) == made
    assert ledger.authorizations.by_token(token) is None
    _made, token = ledger.authorizations.add(ann.id)
    ledger.users.remove(ann.id)
    assert ledger.authorizations.by_token(token) is None
    with pytest.raises(NotFound):
        ledger.authorizations.add(ann.id)


def test_a_use_is_written_once_a_minute(ledger, kate):
    made, token = ledger.authorizations.add(kate.id)
    ledger.authorizations.used(made, "192.0.2.1")
    first, _ = ledger.authorizations.by_token(token)
    assert first.used_from == "192.0.2.1"
    ledger.authorizations.used(first, "192.0.2.2")
    assert ledger.authorizations.by_token(token) == (first, kate)
    for _ in range(60):
        ledger.authorizations.list(kate.id)
    ledger.authorizations.used(first, "192.0.2.2")
    assert ledger.authorizations.get(kate.id, made.id).used_from == "192.0.2.2"


def test_what_cannot_be_a_scope_a_description_or_an_end(ledger, kate):
    assert checked_scope(["write", "read", "read"]) == ("read", "write")
    for wrong in ({"scope": []}, {"scope": ["all"]}, {"description": "a\nb"}, {"description": "x" * 256},
                  {"expires_in": 0}, {"expires_in": 10**12}):  # fmt: skip
        with pytest.raises(Invalid):
            ledger.authorizations.add(kate.id, **wrong)
    assert ledger.authorizations.list(kate.id) == []


def test_nobody_has_more_than_so_many(ledger, kate, monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    for _ in range(2):
        ledger.authorizations.add(kate.id)
    with pytest.raises(Conflict, match="Revoke those you do not need"):
        ledger.authorizations.add(kate.id)
