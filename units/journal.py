# ruff: noqa: N818 - errors are named for what happened
"""journald from our side: lines written with fields of our own, and entries read and followed.

Writing uses the native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram an entry. Reading uses
systemd-python's low-level reader, which fetches only the fields asked for: six times as fast as whole entries.
"""

import asyncio
import errno
import fcntl
import os
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from systemd._reader import _Reader

from units.cursors import cursor_of

Value = str | bytes | int

_FIELD_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_TOO_LARGE = frozenset({errno.EMSGSIZE, errno.ENOBUFS})
_SEND_BUFFER = 8 * 1024 * 1024
_SEND_TIMEOUT = 2.0
_BATCH = 500
_LOCAL_ONLY = 1  # SD_JOURNAL_LOCAL_ONLY


class JournalUnavailable(Exception):
    """The journal's socket is not there, or journald does not take what is sent to it."""


@dataclass(slots=True)
class Entry:
    """One journal entry: its place, when journald received it (unix microseconds), and the fields asked for.

    `place` is its cursor, or 64 bytes that make one: few are ever looked at.
    """

    place: str | bytes
    realtime_us: int
    message: bytes
    fields: Mapping[str, str]

    @property
    def cursor(self) -> str:
        """The entry's cursor, with which it is found again."""
        return cursor_of(self.place)


def socket_path(namespace: str | None) -> str:
    """Where the journald of a namespace takes entries."""
    return f"/run/systemd/journal{'.' + namespace if namespace else ''}/socket"


def encode_entry(fields: Mapping[str, Value]) -> bytes:
    """One entry in the native protocol; values with a newline in them go with their length in front.

    Raises ValueError for a field name that journald would drop: letters in capitals, digits, underscores.
    """
    return b"".join(_encode_field(name, _bytes(value)) for name, value in fields.items())


class Writer:
    """Writes entries to a namespace's journal. ``path`` is for tests.

    Sending blocks while journald is behind, at most `patience` seconds.
    """

    def __init__(
        self, namespace: str | None = None, *, path: str | None = None, patience: float = _SEND_TIMEOUT
    ) -> None:
        self._path = path or socket_path(namespace)
        self._patience = patience
        self._socket: socket.socket | None = None

    def send(self, message: str | bytes, **fields: Value) -> None:
        """Write one entry, of any size; raises JournalUnavailable when journald cannot be reached."""
        data = encode_entry({"MESSAGE": message, **fields})
        try:
            self._send(data)
        except OSError:
            # journald was restarted: its socket is a new one.
            self.close()
            try:
                self._send(data)
            except OSError as error:
                self.close()
                raise JournalUnavailable(f"cannot write to the journal at {self._path}: {error}") from error

    def close(self) -> None:
        """Close the socket; the next ``send`` opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, data: bytes) -> None:
        connection = self._connected()
        try:
            connection.send(data)
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            _send_as_file(connection, data)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            try:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
                connection.settimeout(self._patience)
                connection.connect(self._path)
            except OSError:
                connection.close()
                raise
            self._socket = connection
        return self._socket


class Reader:
    """Reads a namespace's journal, from a place that a ``seek`` sets, only the fields named.

    ``matches`` are field values that entries must have; several values of one field mean "or". Entries with
    all values of ``besides`` come too. ``believed`` tells by the fields that journald itself has set (``_UID``) whether
    the others and the message are read: whoever reaches journald's socket may send 768 MB in one. Not thread-safe;
    every read blocks for as long as the journal's files take, so ask for small batches.
    """

    def __init__(
        self,
        namespace: str | None = None,
        *,
        fields: Sequence[str] = (),
        matches: Mapping[str, str | Sequence[str]] = {},
        besides: Mapping[str, str] = {},
        believed: Callable[[Mapping[str, str]], bool] = lambda _: True,
    ) -> None:
        self._reader = _Reader(flags=_LOCAL_ONLY, namespace=namespace) if namespace else _Reader(flags=_LOCAL_ONLY)
        # Whole messages: by default fields are cut at 64 KiB.
        self._reader.data_threshold = 0
        self._believed = believed
        self._sender = tuple(name for name in fields if name.startswith("_"))
        self._fields = tuple(name for name in fields if not name.startswith("_"))
        self._descriptor: int | None = None
        self._matches: list[str] = []
        self._besides = [f"{name}={value}" for name, value in besides.items()]
        self.narrow(matches)

    def narrow(self, matches: Mapping[str, str | Sequence[str]]) -> None:
        """Read only entries with these values from now on, and with those asked for before; seek after it."""
        for name, values in matches.items():
            self._matches += [f"{name}={value}" for value in ((values,) if isinstance(values, str) else values)]
        self._reader.flush_matches()
        for match in self._matches:
            self._reader.add_match(match)
        if self._matches and self._besides:
            self._reader.add_disjunction()
            for match in self._besides:
                self._reader.add_match(match)

    def values(self, field: str) -> set[str]:
        """All values that a field has in the files, whatever the matches: from the journal's index, so soon known."""
        return {value.decode(errors="replace") for value in self._reader.query_unique(field)}

    def seek_head(self) -> None:
        """To before the oldest entry."""
        self._reader.seek_head()

    def seek_tail(self) -> None:
        """To after the newest entry."""
        self._reader.seek_tail()
        # The tail is a place without an entry; reading forward from it starts anew at the head.
        self._reader._previous()

    def seek_realtime(self, microseconds: int) -> None:
        """To before the first entry at or after a time (unix microseconds)."""
        self._reader.seek_realtime(microseconds)

    def seek_after(self, cursor: str) -> bool:
        """To after the entry with this cursor; False when it is gone, then to before the next one kept."""
        self._reader.seek_cursor(cursor)
        if self._reader._next() and self._reader.test_cursor(cursor):
            return True
        # A step back would be no step at all where the next one kept is the oldest.
        self._reader.seek_cursor(cursor)
        return False

    def at(self, cursor: str) -> Entry | None:
        """The entry with this cursor, and to after it; None when it is gone."""
        self._reader.seek_cursor(cursor)
        return self._entry() if self._reader._next() and self._reader.test_cursor(cursor) else None

    def read(self, limit: int = _BATCH) -> list[Entry]:
        """The next entries, oldest first; empty at the end."""
        entries: list[Entry] = []
        while len(entries) < limit and self._reader._next():
            entries.append(self._entry())
        return entries

    def read_back(self, limit: int) -> list[Entry]:
        """The ``limit`` entries before this place, oldest first; reading on from there repeats them."""
        entries: list[Entry] = []
        while len(entries) < limit and self._reader._previous():
            entries.append(self._entry())
        return entries[::-1]

    def last(self, limit: int) -> list[Entry]:
        """The newest ``limit`` entries, oldest first; ``read`` then goes on with those that come after."""
        self._reader.seek_tail()
        entries = self.read_back(limit)
        if entries:
            self.seek_after(entries[-1].cursor)
        return entries

    async def wait(self) -> None:
        """Return when there may be new entries. Takes one of the user's inotify instances, from the first wait on."""
        if self._descriptor is None:
            # What came between the last read and this moment was noted by nobody: so the caller looks once more.
            self._descriptor = self._reader.fileno()
            return
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        loop.add_reader(self._descriptor, changed.set)
        try:
            await changed.wait()
        finally:
            loop.remove_reader(self._descriptor)
        self._reader.process()

    async def follow(self, batch: int = _BATCH) -> AsyncIterator[list[Entry]]:
        """Entries from this place on, in batches as they come, without end."""
        while True:
            entries = self.read(batch)
            if entries:
                yield entries
            else:
                await self.wait()

    def close(self) -> None:
        """Close the journal's files."""
        self._reader.close()

    def _entry(self) -> Entry:
        fields, message = self._texts(self._sender), b""
        if self._believed(fields):
            fields |= self._texts(self._fields)
            message = self._field("MESSAGE") or b""
        return Entry(self._reader._get_cursor(), self._reader._get_realtime(), message, fields)

    def _texts(self, names: Sequence[str]) -> dict[str, str]:
        values = {name: self._field(name) for name in names}
        return {name: value.decode(errors="replace") for name, value in values.items() if value is not None}

    def _field(self, name: str) -> bytes | None:
        try:
            value: bytes = self._reader._get(name)
        except KeyError:
            return None
        return value


def _encode_field(name: str, value: bytes) -> bytes:
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a journal field")
    if b"\n" in value:
        return name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
    return name.encode() + b"=" + value + b"\n"


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogateescape")


def _send_as_file(connection: socket.socket, data: bytes) -> None:
    """Pass an entry too large for a datagram as a sealed file in memory."""
    descriptor = os.memfd_create("journal-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        socket.send_fds(connection, [b""], [descriptor])
    finally:
        os.close(descriptor)
