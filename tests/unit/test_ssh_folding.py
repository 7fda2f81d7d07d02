"""Lines that the pusher's git can take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostd.ssh.folding import LONGEST, Folding


def folded(text: bytes, size: int) -> bytes:
    fold = Folding()
    return b"".join(fold(text[start : start + size]) for start in range(0, len(text), size))


@given(st.binary(max_size=300), st.integers(1, 7))
def test_short_lines_stay_as_they_are(text, size):
    assert folded(text, size) == text


@pytest.mark.parametrize("size", [100, LONGEST, 65536, 10**8])
def test_a_long_line_is_broken_and_nothing_of_it_lost(size):
    text = b"before\n" + b"x" * 100_000 + b"\nafter\n"
    shown = folded(text, size)
    assert max(map(len, shown.split(b"\n"))) == LONGEST
    assert shown.replace(b"\n", b"") == text.replace(b"\n", b"")
    assert shown.startswith(b"before\n")
    assert shown.endswith(b"x\nafter\n")


def test_no_character_is_cut():
    for shift in range(4):
        shown = Folding()(b"a" * shift + "😀".encode() * 3000)
        assert [line.decode() for line in shown.split(b"\n")]
    assert folded(b"\x80" * 9000, 9000).replace(b"\n", b"") == b"\x80" * 9000
