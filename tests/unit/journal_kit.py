"""Writes journal files as journald does: systemd.io/JOURNAL_FILE_FORMAT, as much of it as reading forward takes."""

from __future__ import annotations

import itertools
import struct
import uuid
from collections.abc import Mapping
from pathlib import Path

HEADER = 272
START = 1_769_510_888_000_000
COMPACT, COMPRESSED, ARCHIVED = 16, 4, 2
MACHINE, NAMESPACE = "c" * 32, "hostd-app"
_uptime = itertools.count(1)


class FileWriter:
    """One file. `numbering` is the id of its numbers, of which `head` is its first."""

    def __init__(self, path: Path, *, head: int = 1, numbering: str = "a", compact: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.number = head - 1
        self._compact = compact
        self._width, self._payload = (4, 72) if compact else (8, 64)
        self._data = bytearray(HEADER)
        self._known: dict[bytes, int] = {}
        self._array = (0, 0, 0)  # where, how long, how much of it is used
        id_ = uuid.uuid4().bytes
        flags = COMPACT if compact else 0
        struct.pack_into(
            "<8sIIB7x16s32x16s",
            self._data,
            0,
            b"LPKSHHRH",
            0,
            flags,
            1,
            id_,
            bytes.fromhex(numbering * (32 // len(numbering))),
        )
        path.write_bytes(self._data)

    def add(self, *fields: bytes, time: int | None = None, packed: Mapping[bytes, bytes] = {}, kind: int = 3) -> str:
        """Append an entry; its cursor. `packed`: what fields are when compressed. Of another `kind` it is damaged."""
        offsets = sorted({self._datum(field, packed.get(field)) for field in fields})
        self.number += 1
        at = START + self.number if time is None else time
        items = b"".join(self._item(offset) for offset in offsets)
        uptime = next(_uptime)
        entry = self._object(kind, struct.pack("<QQQ16sQ", self.number, at, uptime, b"b" * 16, 7) + items)
        self._link(entry)
        self._head(at)
        self.path.write_bytes(self._data)
        numbering = bytes(self._data[72:88]).hex()
        return f"s={numbering};i={self.number:x};b={(b'b' * 16).hex()};m={uptime:x};t={at:x};x=7"

    def say(self, text: str, process: str = "web.1", **fields: str) -> str:
        """Append what a dyno printed."""
        known = {"_TRANSPORT": "stdout", "_UID": "1000", "HOSTD_PROCESS": process, **fields, "MESSAGE": text}
        return self.add(*(f"{name}={value}".encode() for name, value in known.items()))

    def archive(self, name: str) -> None:
        """What journald does to a file before it begins another one."""
        self._data[16] = ARCHIVED
        self.path.write_bytes(self._data)
        self.path = self.path.rename(self.path.with_name(name))

    def change_format(self) -> None:
        """Let it be of a format that nobody knows."""
        struct.pack_into("<I", self._data, 12, 1 << 30)
        self.path.write_bytes(self._data)

    def cut(self, size: int) -> None:
        """Cut the file short."""
        self.path.write_bytes(self._data[:size])

    def _datum(self, field: bytes, packed: bytes | None) -> int:
        if field not in self._known:
            body = bytes(self._payload - 16) + (packed or field)
            self._known[field] = self._object(1, body, COMPRESSED if packed else 0)
        return self._known[field]

    def _item(self, offset: int) -> bytes:
        return struct.pack("<I", offset) if self._compact else struct.pack("<QQ", offset, 99)

    def _object(self, kind: int, body: bytes, flags: int = 0) -> int:
        self._data += bytes(-len(self._data) % 8)
        where = len(self._data)
        self._data += struct.pack("<BB6xQ", kind, flags, 16 + len(body)) + body
        struct.pack_into("<Q", self._data, 136, where)
        return where

    def _link(self, entry: int) -> None:
        where, length, used = self._array
        if used == length:
            length = max(4, 2 * length)
            new = self._object(6, bytes(8 + length * self._width))
            struct.pack_into("<Q", self._data, where + 16 if where else 176, new)
            where, used = new, 0
        struct.pack_into("<I" if self._compact else "<Q", self._data, where + 24 + used * self._width, entry)
        self._array = where, length, used + 1

    def _head(self, time: int) -> None:
        entries, head = struct.unpack_from("<Q8xQ", self._data, 152)
        struct.pack_into("<QQQ", self._data, 152, entries + 1, self.number, head or self.number)
        first = struct.unpack_from("<Q", self._data, 184)[0]
        struct.pack_into("<QQ", self._data, 184, first or time, time)


def folder(root: Path) -> Path:
    """Where journald keeps a namespace's files."""
    return root / f"{MACHINE}.{NAMESPACE}"
