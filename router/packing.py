"""Packing: heads of HTTP/2 as they go over the wire (HPACK, RFC 7541), there and back. Pure.

The library `hpack` does the same in several times the time; its tables are used here, and it judges this in the tests.
What we say is not Huffman-coded: most of it is said once on a connection and then referred to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import lru_cache

from hpack import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from router.fields import Field
from router.frames import Broken, Error

TABLE = 4096
"""Bytes of fields that either side remembers at most."""
_STATIC: tuple[Field, ...] = ((b"", b""), *HeaderTable.STATIC_TABLE)
"""What both sides know from the beginning, from 1 on."""
_NEWEST = len(_STATIC)
"""The index of what was remembered last; what was before it has the next one."""
_INDEX = {_STATIC[index]: index for index in range(1, _NEWEST)}
_NAME = {_STATIC[index][0]: index for index in range(_NEWEST - 1, 0, -1)}
_SECRET = b"set-cookie"
_PASSING = frozenset((b"age", b"content-length", b"content-range", b"date", b"etag", b"last-modified", b"location"))
"""What says another thing each time, and would only push out of memory what does not."""
_SHORT = 256
"""Bytes of a Huffman-coded text that is worth remembering."""


class Packer:
    """Packs the heads of a connection, in the order in which they are sent."""

    __slots__ = ("_known", "_least", "_made", "_most", "_remembered", "_size")

    def __init__(self) -> None:
        self._most = TABLE
        self._least: int | None = None
        """The least that the other side would remember since it was last told that we know."""
        self._remembered: deque[Field] = deque()
        self._known: dict[Field, int] = {}
        """Of each field that is remembered, how many were before it."""
        self._made = 0
        self._size = 0

    def limit(self, size: int) -> None:
        """The other side would remember so many bytes."""
        most = min(size, TABLE)
        if most != self._most or self._least is not None:
            self._least = most if self._least is None else min(most, self._least)
            self._most = most
            self._make_room(0)

    def pack(self, fields: Iterable[Field]) -> bytes:
        """A head."""
        made = [] if self._least is None else self._limits()
        for field in fields:
            index = _INDEX.get(field)
            if index is None and (before := self._known.get(field)) is not None:
                index = _NEWEST + self._made - before - 1
            if index is not None:
                made.append(_number(0x80, 127, index))
            elif field[0] == _SECRET:
                made.append(_literal(0x10, 15, field))
            elif field[0] in _PASSING or _cost(field) > self._most // 4:
                made.append(_literal(0x00, 15, field))
            else:
                made.append(_literal(0x40, 63, field))
                self._remember(field)
        return b"".join(made)

    def _limits(self) -> list[bytes]:
        """Tell the other side what we know of its memory: the least that it was, and what it is (4.2)."""
        assert self._least is not None
        sizes = sorted({self._least, self._most})
        self._least = None
        return [_number(0x20, 31, size) for size in sizes]

    def _remember(self, field: Field) -> None:
        self._make_room(_cost(field))
        self._size += _cost(field)
        self._remembered.append(field)
        self._known[field] = self._made
        self._made += 1

    def _make_room(self, size: int) -> None:
        while self._size + size > self._most:
            oldest = self._remembered.popleft()
            del self._known[oldest]
            self._size -= _cost(oldest)


class Unpacker:
    """Unpacks the heads of a connection, in the order in which they come. `longest`: bytes of an unpacked one, above
    which the connection ends, as what unpacks to much more than that is meant to."""

    __slots__ = ("_longest", "_most", "_remembered", "_size")

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._most = TABLE
        self._remembered: deque[Field] = deque()
        """What came last comes first."""
        self._size = 0

    def unpack(self, block: bytes) -> list[Field]:
        """A head; raises Broken."""
        try:
            return self._fields(block)
        except (IndexError, HPACKError) as error:
            raise Broken(Error.COMPRESSION_ERROR, "a head cannot be unpacked") from error

    def _fields(self, block: bytes) -> list[Field]:
        fields: list[Field] = []
        at, end, size = 0, len(block), 0
        while at < end:
            first = block[at]
            if first >= 0x80:
                index, at = _read_number(block, at, 127)
                field = self._at(index)
            elif first >= 0x40:
                field, at = self._literal(block, at, 63)
                self._remember(field)
            elif first >= 0x20:
                at = self._limit(block, at, fields)
                continue
            else:
                field, at = self._literal(block, at, 15)
            size += _cost(field)
            if size > self._longest:
                raise Broken(Error.ENHANCE_YOUR_CALM, "the head of the request is too long")
            fields.append(field)
        return fields

    def _at(self, index: int) -> Field:
        if 0 < index < _NEWEST:
            return _STATIC[index]
        if index:
            return self._remembered[index - _NEWEST]
        raise IndexError("there is no field 0")

    def _literal(self, block: bytes, at: int, mask: int) -> tuple[Field, int]:
        index, at = _read_number(block, at, mask)
        if index:
            name = self._at(index)[0]
        else:
            name, at = _read_text(block, at)
        value, at = _read_text(block, at)
        return (name, value), at

    def _limit(self, block: bytes, at: int, fields: list[Field]) -> int:
        """The other side has said, before any field, what it takes us to remember."""
        self._most, at = _read_number(block, at, 31)
        if fields or self._most > TABLE:
            raise IndexError("the size of the table is not to be changed so")
        self._make_room(0)
        return at

    def _remember(self, field: Field) -> None:
        cost = _cost(field)
        self._make_room(cost)
        if cost <= self._most:
            self._size += cost
            self._remembered.appendleft(field)

    def _make_room(self, size: int) -> None:
        while self._remembered and self._size + size > self._most:
            self._size -= _cost(self._remembered.pop())


def _cost(field: Field) -> int:
    """What a field counts in a table, and in a head (4.1)."""
    return 32 + len(field[0]) + len(field[1])


def _number(kind: int, mask: int, number: int) -> bytes:
    """A number behind the bits that say what it is of (5.1)."""
    if number < mask:
        return _BYTES[kind | number]
    made = bytearray((kind | mask,))
    number -= mask
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def _literal(kind: int, mask: int, field: Field) -> bytes:
    """A field said in full (6.2)."""
    name, value = field
    index = _NAME.get(name, 0)
    start = _number(kind, mask, index) if index else b"%b%b%b" % (_BYTES[kind], _number(0, 127, len(name)), name)
    return b"%b%b%b" % (start, _number(0, 127, len(value)), value)


def _read_number(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """The number that begins here, and where it ends; raises IndexError."""
    number = block[at] & mask
    at += 1
    if number < mask:
        return number, at
    for shift in range(0, 35, 7):
        byte = block[at]
        at += 1
        number += (byte & 127) << shift
        if byte < 128:
            return number, at
    raise IndexError("a number is too long")


def _read_text(block: bytes, at: int) -> tuple[bytes, int]:
    """The text that begins here, and where it ends (5.2); raises IndexError or HPACKError."""
    coded = block[at] >= 0x80
    size, at = _read_number(block, at, 127)
    end = at + size
    if end > len(block):
        raise IndexError("a text is cut short")
    text = block[at:end]
    if not coded:
        return text, end
    return (_decoded(text) if size <= _SHORT else decode_huffman(text)), end


@lru_cache(2048)
def _decoded(text: bytes) -> bytes:
    plain: bytes = decode_huffman(text)
    return plain


_BYTES = tuple(bytes((number,)) for number in range(256))
