import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostd.errors import Internal
from hostd.ledger import chain
from hostd.ledger.vault import Vault

ROWS = st.dictionaries(
    st.text(min_size=1, max_size=8), st.none() | st.integers() | st.text(max_size=20) | st.binary(max_size=20)
)


def test_the_canonical_form_is_what_the_documentation_says():
    assert chain.canonical({"b": b"\x00\xff", "a": "\u20ac", "c": None, "d": 1}) == (
        b'{"a":"\\u20ac","b":"00ff","c":null,"d":1}'
    )


def test_a_chain_computed_by_hand():
    first = chain.genesis("1")
    assert (
        first == "bbaba525d318b3b7859e116e199bd0568869e3582188226980cffde49b9e0112"
    )  # printf 'hostd releases of app 1' | sha256sum
    expected = hashlib.sha256(bytes.fromhex(first) + b'{"version":1}').hexdigest()
    assert chain.link(first, {"version": 1}) == expected


@given(ROWS)
@pytest.mark.thorough
def test_the_canonical_form_does_not_depend_on_order(row):
    backwards = dict(reversed(row.items()))
    assert chain.canonical(row) == chain.canonical(backwards)
    assert json.loads(chain.canonical(row)).keys() == row.keys()


@given(ROWS, st.text(min_size=1, max_size=8), st.text(max_size=20), st.text(max_size=20))
def test_a_row_with_another_text_has_another_hash(row, column, one, other):
    previous = chain.genesis("app")
    same = chain.link(previous, row | {column: one}) == chain.link(previous, row | {column: other})
    assert same == (one == other)


@given(st.uuids(), st.uuids())
def test_chains_of_different_apps_begin_differently(one, other):
    assert (chain.genesis(str(one)) == chain.genesis(str(other))) == (one == other)


VAULT = Vault(b"k" * 32)
CONFIGS = st.dictionaries(st.text(max_size=10), st.text(max_size=30), max_size=5)


@given(CONFIGS, st.text(max_size=10))
def test_what_was_encrypted_is_decrypted(config, place):
    assert VAULT.decrypt(VAULT.encrypt(config, place), place) == config


@given(CONFIGS, st.data())
def test_one_changed_bit_anywhere_is_refused(config, data):
    sealed = bytearray(VAULT.encrypt(config, "app 1 v1"))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Internal):
        VAULT.decrypt(bytes(sealed), "app 1 v1")


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(12), bytes(28)])
def test_what_is_no_ciphertext_is_refused(sealed):
    with pytest.raises(Internal):
        VAULT.decrypt(sealed, "app 1 v1")


def test_a_ciphertext_opens_only_at_its_place_and_with_its_key():
    sealed = VAULT.encrypt({"A": "1"}, "app 1 v1")
    with pytest.raises(Internal):
        VAULT.decrypt(sealed, "app 1 v2")
    with pytest.raises(Internal):
        Vault(b"x" * 32).decrypt(sealed, "app 1 v1")


def test_seals_depend_on_text_and_key():
    assert VAULT.seal("a") == VAULT.seal("a")
    assert len({VAULT.seal("a"), VAULT.seal("b"), Vault(b"x" * 32).seal("a")}) == 3
