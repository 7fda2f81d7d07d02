"""How passwords are kept."""

import pytest

from router.passwords import hashed, matches, nobodys

KEPT = "scrypt1:000102030405060708090a0b0c0d0e0f:d46e517c2ce3291702fcb804dd12495211a0be8bd46863e1458da6e794dfa62e"
"""`correct horse`, as it was kept once: what is in ledgers must fit for ever."""


@pytest.mark.thorough
def test_what_was_kept_once_fits():
    assert matches(b"correct horse", KEPT)


def test_hashes_are_salted_and_hold_no_password(cheap_hashes):
    again = hashed("correct horse")
    assert again != hashed("correct horse") and "correct" not in again
    assert matches(b"correct horse", again) and not matches(b"correct horsf", again)
    assert not matches(b"", nobodys())
    with pytest.raises(ValueError, match="not the hash"):
        matches(b"x", "plain")
