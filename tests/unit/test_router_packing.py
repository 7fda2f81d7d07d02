"""Heads packed as HPACK says: the library hpack is on the other side, and judges what is not proper."""

from __future__ import annotations

from random import Random

import pytest
from hpack import Decoder, Encoder, HPACKError, OversizedHeaderListError
from hypothesis import given
from hypothesis import strategies as st

from router.frames import Broken, Error
from router.packing import Packer, Unpacker

LONGEST = 10_000
BLOCKS = [0, *(pytest.param(block, marks=pytest.mark.thorough) for block in range(1, 5))]

texts = st.one_of(
    st.sampled_from([b"", b"/", b"GET", b"date", b"set-cookie", b"etag", b"x", b"gzip, deflate", b"y" * 900]),
    st.binary(max_size=12), st.binary(min_size=120, max_size=400),
)  # fmt: skip
names = st.one_of(st.sampled_from([b":status", b":path", b"date", b"set-cookie", b"etag", b"via", b"x"]), texts)
heads = st.lists(st.tuples(names, texts), max_size=8)


@given(st.lists(st.tuples(st.lists(st.integers(0, 6000), max_size=3), heads), max_size=12))
@pytest.mark.thorough
def test_what_we_pack_others_unpack(said):
    packer, decoder = Packer(), Decoder(10**6)
    for limits, fields in said:
        for limit in limits:
            packer.limit(limit)
            decoder.max_allowed_table_size = min(limit, 4096)
        assert [tuple(field) for field in decoder.decode(packer.pack(fields), raw=True)] == fields
        entries = list(decoder.header_table.dynamic_entries)
        assert entries == list(reversed(packer._remembered))
        assert packer._size == decoder.header_table._current_size <= packer._most


# Of two changes before a head the library forgets one.
@given(st.lists(st.tuples(st.lists(st.integers(0, 4096), max_size=1), heads, st.booleans()), max_size=12))
@pytest.mark.thorough
def test_what_others_pack_we_unpack(said):
    encoder, unpacker = Encoder(), Unpacker(10**6)
    for limits, fields, coded in said:
        for limit in limits:
            encoder.header_table_size = limit
        assert unpacker.unpack(encoder.encode(fields, huffman=coded)) == fields
        assert list(unpacker._remembered) == list(encoder.header_table.dynamic_entries)


@pytest.mark.parametrize("block", BLOCKS)
def test_chance_is_judged_as_the_library_judges_it(block):
    """Whole connections: what one head teaches, the next refers to."""
    accepted = refused = 0
    for number in range(600 * block, 600 * (block + 1)):
        chance = Random(f"packing {number}")
        encoder, decoder, unpacker = Encoder(), Decoder(LONGEST), Unpacker(LONGEST)
        for _ in range(4):
            block = mutated(chance, encoder.encode(head(chance), huffman=chance.random() < 0.5))
            theirs = judged(decoder, block)
            try:
                ours: object = unpacker.unpack(block)
            except Broken as broken:
                ours = broken.code
            assert ours == theirs, (number, block)
            if isinstance(theirs, Error):
                refused += 1
                break
            accepted += 1
            assert list(unpacker._remembered) == list(decoder.header_table.dynamic_entries)
    assert accepted > 200 and refused > 200


def head(chance: Random) -> list[tuple[bytes, bytes]]:
    some = [b":path", b"x", b"cookie", b"accept", b"n" * 130]
    return [(chance.choice(some), chance.choice((b"", b"/", b"y" * chance.randrange(300)))) for _ in range(5)]


def mutated(chance: Random, block: bytes) -> bytes:
    changed = bytearray(block)
    for _ in range(chance.choice((0, 1, 1, 3))):
        at = chance.randrange(len(changed))
        if chance.random() < 0.3:
            del changed[at:]
        elif chance.random() < 0.3:
            changed[at:at] = chance.choice((b"\x3f\xe1\x1f", b"\x20", b"\x7f\xff\xff\xff\xff\x01", b"\xbe"))
        if changed:
            changed[chance.randrange(len(changed))] = chance.choice((0, 0x20, 0x3E, 0x7F, 0x80, 0xBE, 0xFF, at % 256))
        else:
            break
    return bytes(changed)


def judged(decoder: Decoder, block: bytes) -> object:
    try:
        return [tuple(field) for field in decoder.decode(block, raw=True)]
    except OversizedHeaderListError:
        return Error.ENHANCE_YOUR_CALM
    except (HPACKError, IndexError, TypeError, ValueError):
        return Error.COMPRESSION_ERROR


def test_what_is_said_again_is_said_short():
    packer = Packer()
    fields = [(b":status", b"200"), (b"content-type", b"text/html"), (b"server", b"something with a name")]
    first, second = packer.pack(fields), packer.pack(fields)
    assert len(second) == 3 < len(first)


def test_secrets_and_what_passes_are_not_remembered():
    packer = Packer()
    for number in range(100):
        packer.pack([(b"set-cookie", b"a=%d" % number), (b"date", b"%d" % number), (b"x", b"y" * 2000)])
    assert not packer._remembered
    # Nobody on the way is to remember it either (7.1.3).
    assert packer.pack([(b"set-cookie", b"a=b")])[0] & 0xF0 == 0x10


@pytest.mark.parametrize("block", [
    b"\x80", b"\xbe", b"\x40", b"\x82\x20", b"\x3f\xe2\x1f", b"\xff\xff\xff\xff\xff\xff\x01", b"\x00\x05ab",
    b"\x00\x81\xff\x00",
])  # fmt: skip
def test_what_is_no_head(block):
    with pytest.raises(Broken) as raised:
        Unpacker(LONGEST).unpack(block)
    assert raised.value.code == Error.COMPRESSION_ERROR


def test_a_small_head_that_is_a_large_one():
    with pytest.raises(Broken) as raised:
        Unpacker(LONGEST).unpack(b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4000 + b"\xbe" * 5)
    assert raised.value.code == Error.ENHANCE_YOUR_CALM
