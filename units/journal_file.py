"""One file of journald's, read forward as it grows: systemd.io/JOURNAL_FILE_FORMAT, without libsystemd.

libsystemd looks through an entry once for each field asked for. Here what the lines of one process have in common, all
but the message, is looked at once: such entries refer to it by the same numbers. That takes a tenth of the time.
Everything is read with `pread`: a file cut short is then an error, where one mapped into memory ends the process.
"""

import errno
import os
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from units import zstd
from units.cursors import Place, cursor_of, place_in
from units.journal import Entry
from units.journal_header import ARCHIVED, GROWTH, GROWTH_AT, HEADER_BYTES, cut_short, first_array, read_header

Fields = Mapping[str, str]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_OBJECT = struct.Struct("<BB6xQ")
_ENTRY = struct.Struct("<B7xQ8xQ")
_NUMBER = struct.Struct("<Q")
_SHORT = struct.Struct("<I")
_UNUSED, _TYPE_DATA, _TYPE_ENTRY, _TYPE_ARRAY = 0, 1, 3, 6
_ENTRY_HEAD = 64
_ARRAY_HEAD = 24
_COMPRESSED = 0b111  # XZ, LZ4, ZSTD

_MESSAGE = b"MESSAGE="
_LARGEST = 64 * 1024
"""Bytes an entry may have besides its data: 1,024 fields, and more."""
_WINDOW = 256 * 1024
_BEHIND = 4096
_BEFORE = 16 * 1024
"""Bytes in front of what comes next: processes that print the same text refer to the first one's."""
_MOST_BYTES = 1024 * 1024
"""Of messages in one batch."""
_LONGEST = 64 * 1024 * 1024
"""Bytes of a compressed text that are made out here."""
_MOST_REMEMBERED = 2048
"""Senders, and fields of theirs."""


@dataclass(frozen=True, slots=True)
class _Sender:
    fields: Fields
    believed: bool


class JournalFile:
    """Reads a file's entries in the order in which they were written, with the meaning of `units.journal.Reader`.

    `fields` are the names that are read; `believed` tells by those that journald itself has set whether the others
    and the message are. `decompress` gives the entry with a cursor, for one that is compressed otherwise than by zstd.
    Raises OSError if the file cannot be read, UnknownFormat if it is not understood.
    """

    def __init__(
        self,
        path: Path,
        *,
        fields: Sequence[str],
        believed: Callable[[Fields], bool],
        decompress: Callable[[str], Entry | None],
    ) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.header = read_header(self._descriptor)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._wanted = {name.encode(): name for name in (*fields, "MESSAGE")}
        self._longest = max(map(len, self._wanted)) + 1
        self._believed = believed
        self._decompress = decompress
        self._number, self._stride, self._payload = (_SHORT, 4, 72) if self.header.compact else (_NUMBER, 16, 64)
        self._arrays: list[tuple[int, int, int]] = []  # of entries: the index of its first, where it is, its length
        self._count, self._tail = self.header.entries, self.header.tail
        self.archived = self.header.state == ARCHIVED
        self._next = self._end = 0
        self._given_up = False
        self._names: dict[int, str] = {}
        self._texts: dict[int, str] = {}
        self._senders: dict[bytes, _Sender] = {}

    @property
    def left(self) -> int:
        """Entries not read yet, of those there were at the last look."""
        return self._count - self._next

    @property
    def position(self) -> int:
        """How many entries are before this place."""
        return self._next

    @property
    def last_number(self) -> int:
        """journald's number of the last entry before this place; at its end the last that the file has used up.

        journald may use up a number for an entry that it then writes into the next file.
        """
        return self._tail if not self.left else self._number_of(self._next - 1) if self._next else self.header.head - 1

    def is_at(self, path: Path) -> bool:
        """Whether this file is the one at a path."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), path.stat())
        except FileNotFoundError:
            return False

    def give_up(self) -> int:
        """Read no more of it, as it is damaged; how many entries that leaves out, as far as is known."""
        left, self._next, self._given_up = self.left, self._count, True
        return left

    def look(self) -> bool:
        """See how far the file has grown; True if there is something to read."""
        if self._given_up:
            return False
        state, count, tail = GROWTH.unpack(self._bytes(GROWTH_AT, GROWTH.size))
        if count < self._count:
            raise cut_short()  # journald has emptied it, to make room: it does so with files that are still open
        self._count, self._tail, self.archived = count, tail, state == ARCHIVED
        return self._count > self._next

    def seek_end(self) -> None:
        """To behind the last entry."""
        self.look()
        self._next = self._count

    def seek(self, position: int) -> None:
        """To behind so many entries."""
        self._next = position

    def seek_behind(self, place: Place) -> bool:
        """To before the first entry that was written after the one at a place; whether the latter is in this file."""
        self.look()
        self._next = bisect_left(range(self._count), 1, key=lambda index: self.place_of(index).is_behind(place))
        before = self.place_of(self._next - 1) if self._next else None
        return before is not None and (before.numbering, before.number) == (place.numbering, place.number)

    def place_of(self, index: int) -> Place:
        """The place of the entry with this index."""
        return place_in(self._bytes(self._offsets(index, 1)[0] + 16, 48) + self.header.numbering)

    def seek_realtime(self, microseconds: int) -> bool:
        """To before the first entry at or after a time (unix microseconds); whether there is one."""
        self.look()
        self._next = bisect_left(range(self._count), microseconds, key=self._time_of)
        return self.left > 0

    def back(self, count: int) -> list[Entry]:
        """At most `count` entries before this place, oldest first; the place stays."""
        place, entries = self._next, list[Entry]()
        self._next = max(0, place - count)
        while self._next < place:
            entries += self.read(place - self._next)
        return entries

    def step_back(self, count: int) -> list[Entry]:
        """The `count` entries before this place, fewer at the head of the file, and to before them."""
        place = self._next
        entries = self.back(count)
        self._next = max(0, place - count)
        return entries

    def read(self, limit: int) -> list[Entry]:
        """The next entries, at most `limit` or about 1 MiB of text; those that cannot be made out are left out."""
        offsets = self._offsets(self._next, min(limit, self._count - self._next))
        numbering, payload, last = self.header.numbering, self._payload, -self._stride
        senders, number = self._senders, self._number
        window, base, size, taken = b"", 0, 0, 0
        found: list[Entry] = []
        for offset in offsets:
            taken += 1
            at = offset - base
            if at < 0 or at + _ENTRY_HEAD > len(window):
                window, base = self._slide(offset, offsets[-1])
                at = offset - base
            kind, length, realtime = _ENTRY.unpack_from(window, at)
            if kind == _UNUSED:
                if not found:
                    raise cut_short()
                taken -= 1
                break
            if kind != _TYPE_ENTRY or not _ENTRY_HEAD < length <= _LARGEST:
                continue
            if at + length > len(window):
                window, base = self._slide(offset, offset + length)
                at = offset - base
            self._end = offset + length
            items = window[at + _ENTRY_HEAD : at + length]
            place = window[at + 16 : at + _ENTRY_HEAD] + numbering
            sender = senders.get(items[:last])
            if sender is not None:
                # Its message is the last of its data, and was mostly written just before it.
                start = number.unpack_from(items, len(items) + last)[0] - base
                if start >= 0 and window.startswith(_MESSAGE, start + payload) and not window[start + 1] & _COMPRESSED:
                    message = b""
                    if sender.believed:
                        message = window[start + payload + 8 : start + _NUMBER.unpack_from(window, start + 8)[0]]
                    found.append(Entry(place, realtime, message, sender.fields))
                    size += len(message)
                    continue
            entry = self._looked_up(items, place, realtime)
            if entry is not None:
                found.append(entry)
                size += len(entry.message)
            if size > _MOST_BYTES:
                break
        self._next += taken
        return found

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _looked_up(self, items: bytes, place: bytes, realtime: int) -> Entry | None:
        """An entry by each of its data: of a sender not known yet, or with a text that was said before."""
        offsets = [item[0] for item in self._number.iter_unpack(items)][:: self._stride // self._number.size]
        first: dict[str, int] = {}
        for offset in offsets:
            name = self._names.get(offset)
            first.setdefault(self._name(offset) if name is None else name, offset)
        first.pop("", None)
        message = first.pop("MESSAGE", None)
        try:
            fields = {name: self._text(offset) for name, offset in first.items() if name.startswith("_")}
            believed = self._believed(fields)
            if believed:
                fields |= {name: self._text(offset) for name, offset in first.items() if name not in fields}
            if message is not None and message == offsets[-1]:
                _remember(self._senders, items[: -self._stride], _Sender(fields, believed))
            text = self._value(message) if believed and message is not None else b""
        except _Compressed:
            return self._decompress(cursor_of(place))
        return Entry(place, realtime, text, fields)

    def _name(self, offset: int) -> str:
        """The name of the field in a datum if it is wanted, else nothing."""
        start = os.pread(self._descriptor, self._payload + self._longest, offset)
        if len(start) < self._payload or start[0] == _UNUSED:
            raise cut_short()
        if start[0] != _TYPE_DATA:
            return ""
        if start[1] & _COMPRESSED:
            name = self._compressed_name(offset)
        else:
            name = self._wanted.get(start[self._payload :].partition(b"=")[0], "")
        _remember(self._names, offset, name)
        return name

    def _text(self, offset: int) -> str:
        """The value of a field."""
        text = self._texts.get(offset)
        if text is None:
            text = self._value(offset).decode(errors="replace")
            if len(text) < _BEHIND:
                _remember(self._texts, offset, text)
        return text

    def _compressed_name(self, offset: int) -> str:
        try:
            return self._wanted.get(zstd.beginning(self._datum(offset)[1], self._longest).partition(b"=")[0], "")
        except zstd.NotZstd:
            # It may be the text. If libsystemd has to say what it is, it says all of the entry.
            return "MESSAGE"

    def _value(self, offset: int) -> bytes:
        flags, data = self._datum(offset)
        if flags & _COMPRESSED:
            try:
                data = zstd.whole(data, _LONGEST)
            except zstd.NotZstd:
                raise _Compressed from None
        return data.partition(b"=")[2]

    def _datum(self, offset: int) -> tuple[int, bytes]:
        _, flags, size = _OBJECT.unpack(self._bytes(offset, _OBJECT.size))
        return flags, self._bytes(offset + self._payload, size - self._payload)

    def _slide(self, offset: int, most: int) -> tuple[bytes, int]:
        """A piece of the file with an entry and what was written just before it, on to `most`; and where it begins."""
        is_next = offset - _WINDOW // 2 <= self._end <= offset
        base = max(0, self._end - _BEFORE if is_next else offset - _BEHIND)
        window = os.pread(self._descriptor, max(offset - base, min(most - base, _WINDOW)) + _BEHIND, base)
        if len(window) < offset - base + _ENTRY_HEAD:
            raise cut_short()
        return window, base

    def _offsets(self, index: int, count: int) -> list[int]:
        """Where the entries from an index on are."""
        found: list[int] = []
        while len(found) < count:
            first, where, length = self._array_of(index)
            some = min(count - len(found), first + length - index)
            size = self._number.size
            data = self._bytes(where + _ARRAY_HEAD + (index - first) * size, some * size)
            found += [item[0] for item in self._number.iter_unpack(data)]
            index += some
        return found

    def _array_of(self, index: int) -> tuple[int, int, int]:
        """The array with an entry's offset: the index of its first, where it is, its length. They are a chain."""
        while not self._arrays or index >= self._arrays[-1][0] + self._arrays[-1][2]:
            if self._arrays:
                first, where, length = self._arrays[-1]
                first, where = first + length, _NUMBER.unpack(self._bytes(where + 16, 8))[0]
            else:
                first, where = 0, first_array(self._bytes(0, HEADER_BYTES))
            kind, _, size = _OBJECT.unpack(self._bytes(where, _OBJECT.size))
            if kind != _TYPE_ARRAY or size <= _ARRAY_HEAD:
                raise OSError(errno.EBADMSG, "a journal file's list of entries is damaged")
            self._arrays.append((first, where, (size - _ARRAY_HEAD) // self._number.size))
        return self._arrays[bisect_right(self._arrays, index, key=itemgetter(0)) - 1]

    def _number_of(self, index: int) -> int:
        """journald's number of the entry with this index."""
        return int(_NUMBER.unpack(self._bytes(self._offsets(index, 1)[0] + 16, 8))[0])

    def _time_of(self, index: int) -> int:
        return int(_NUMBER.unpack(self._bytes(self._offsets(index, 1)[0] + 24, 8))[0])

    def _bytes(self, offset: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, offset)
        if len(data) < size:
            raise cut_short()
        return data


class _Compressed(Exception):  # noqa: N818 - not an error
    """Something that is read was compressed."""


def _remember(known: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known[key] = value
