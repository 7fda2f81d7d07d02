"""A namespace's journal, read forward over all its files as it grows (`units.journal_file`).

journald tells readers of new entries at most four times a second, and each reader that waits for that costs one of few
inotify instances. So nobody waits: the files' heads are looked at, all in one turn, which takes a microsecond each.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from units.cursors import place_at
from units.journal import Entry, Reader
from units.journal_file import Fields, JournalFile
from units.journal_header import NothingYet, UnknownFormat, header_of
from units.journal_spans import Found, Span, chains, lost, spans
from units.ticking import Ticker

ROOTS = (Path("/var/log/journal"), Path("/run/log/journal"))
"""Where journald keeps files: over reboots, and without a disk that can be written."""
MACHINE_ID = Path("/etc/machine-id")
ACTIVE = "system.journal"
FILES = "system*.journal*"
_LOOKS_BETWEEN = 10
"""Looks at the file that is read for each one at which file is written."""
_LISTINGS = 20
"""Attempts to list the files while journald begins new ones: it does so a few times a second at most."""


def has_files(namespace: str, roots: Iterable[Path] = ROOTS, machine: str | None = None) -> bool:
    """Whether journald has a place for the files of a namespace."""
    machine = machine or MACHINE_ID.read_text("ascii").strip()
    return any((root / f"{machine}.{namespace}").is_dir() for root in roots)


class LiveJournal:
    """Reads what comes, from a place that a ``seek`` sets, with the meaning of `units.journal.Reader`.

    Of the journal's files only those that journald does not split by uid are read (``SplitMode=none``). Not
    thread-safe; a batch is read in a millisecond. Raises OSError if a file cannot be read, and its kind UnknownFormat
    if libsystemd has to.
    """

    def __init__(
        self,
        namespace: str,
        *,
        fields: Sequence[str],
        believed: Callable[[Fields], bool],
        ticker: Ticker,
        roots: Iterable[Path] = ROOTS,
        machine: str | None = None,
    ) -> None:
        machine = machine or MACHINE_ID.read_text("ascii").strip()
        self._folders = [root / f"{machine}.{namespace}" for root in roots]
        self._namespace, self._fields, self._believed = namespace, fields, believed
        self._ticker = ticker
        self._file: JournalFile | None = None
        self._until: int | None = None  # from there on entries of another file come first
        self._read: dict[bytes, int] = {}  # entries that were read of files, by their ids
        self._numbers: dict[bytes, int] = {}  # the last ones of each numbering, and over all
        self._number: int | None = None
        self._looks = 0
        self._missed = 0

    def check(self) -> None:
        """Raises UnknownFormat if one of the files is of a format that is not known here, OSError if one is damaged."""
        self._files()

    def seek_head(self) -> None:
        """To before the oldest entry."""
        self.close()
        self._read, self._numbers, self._number = {}, {}, None

    def seek_after(self, cursor: str) -> bool:
        """To after the entry with this cursor; False when it is gone, then to before the next one kept."""
        self.seek_head()
        place, is_there = place_at(cursor), False
        for found in self._files():
            header = found.header
            if header.numbering == place.numbering and header.tail <= place.number:
                self._read[header.file_id] = header.entries
                is_there |= header.tail == place.number
            elif header.numbering != place.numbering or header.head <= place.number:
                is_there |= self._sought(found, lambda file: file.seek_behind(place))
        if is_there:
            self._numbers[place.numbering] = self._number = place.number
        return is_there

    def seek_realtime(self, microseconds: int) -> None:
        """To before the first entry at or after a time (unix microseconds)."""
        self.seek_head()
        for chain in chains(self._files()):
            before = [found for found in chain if found.header.head_realtime < microseconds]
            self._read |= {found.header.file_id: found.header.entries for found in before[:-1]}
            for found in before[-1:]:
                self._sought(found, lambda file: file.seek_realtime(microseconds))

    def last(self, limit: int = 1) -> list[Entry]:
        """The newest `limit` entries, oldest first; `read` goes on behind them."""
        self.seek_head()
        files = self._files()
        self._read = {found.header.file_id: found.header.entries for found in files}
        entries: list[Entry] = []
        for span in reversed(spans(files, {}, self._opened)):
            file = self._opened(span.found)
            if file is None:
                continue
            if self._file is None and span.end == file.header.entries:
                file.seek_end()
            else:
                file.seek(span.end)
            entries = file.back(min(limit - len(entries), file.position - span.start)) + entries
            if self._file is None:
                self._file = file
            else:
                file.close()
            if len(entries) == limit:
                break
        return entries

    def read(self, limit: int = 256) -> list[Entry]:
        """The next entries, oldest first; empty at the end for now."""
        while True:
            file = self._file
            try:
                if file is not None and (room := self._room(file)):
                    if entries := file.read(min(limit, room)):
                        return entries
                    continue
            except OSError as error:
                self._give_up(file, error)
            if not self._advance():
                return []

    def take_missed(self) -> int:
        """How many entries in front of those read last journald had removed, for want of room, before they were read.

        Each is counted once.
        """
        missed, self._missed = self._missed, 0
        return missed

    async def wait(self) -> None:
        """Return when there is something to read."""
        await self._ticker.until(self._has_more)

    def close(self) -> None:
        """Close the files."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._until = None

    def _room(self, file: JournalFile) -> int:
        """How many entries of a file are to be read before those of another one."""
        if self._until is not None:
            return max(0, min(self._until, file.position + file.left) - file.position)
        return file.left if file.left or file.look() else 0

    def _has_more(self) -> bool:
        file = self._file
        try:
            if file is not None and self._room(file):
                return True
        except OSError as error:
            self._give_up(file, error)
            return True
        self._looks = (self._looks + 1) % _LOOKS_BETWEEN
        archived = file is not None and file.archived
        return (self._looks == 0 or (archived and self._is_unread(file))) and self._advance()

    def _advance(self) -> bool:
        """Go on to the next file if journald writes to another one; True if there may be something to read."""
        file = self._file
        if file is not None:
            self._read[file.header.file_id] = file.position
            if self._until is None and self._is_written(file) and not self._is_unread(file):
                return False
        for span in spans(self._files(), self._read, self._opened):
            # Whatever came since the last look was written before there was anything in the next file.
            if file is not None and self._until is None and self._has_grown(file):
                return True
            if self._enter(span):
                return True
        return False

    def _has_grown(self, file: JournalFile) -> bool:
        try:
            return file.look()
        except OSError as error:
            self._give_up(file, error)
            return False

    def _give_up(self, file: JournalFile | None, error: OSError) -> None:
        """Leave a file out that cannot be read: what is behind it can be. Raises the error if that is to come still."""
        if file is None or self._is_written(file):
            raise error
        self._missed += file.give_up()

    def _is_written(self, file: JournalFile) -> bool:
        return any(file.is_at(folder / ACTIVE) for folder in self._folders)

    def _is_unread(self, file: JournalFile | None) -> bool:
        """Whether anything was written to another file: one that is not on the same file system."""
        for folder in self._folders:
            with suppress(FileNotFoundError, NothingYet):
                header = header_of(folder / ACTIVE)
                own = file is not None and file.header.file_id == header.file_id
                if not own and header.entries > self._read.get(header.file_id, 0):
                    return True
        return False

    def _enter(self, span: Span) -> bool:
        """Go on with a part of a file; False if the file is gone."""
        before, header = self._file, span.found.header
        file = self._opened(span.found)
        if file is None:
            return False
        file.seek(span.start)
        if before is not None:
            self._numbers[before.header.numbering] = self._number = before.last_number
            before.close()
        if span.start == 0 and self._number is not None:
            self._missed += lost(header.head, self._number, self._numbers.get(header.numbering, 0))
        self._file, self._until = file, span.end if span.end < header.entries else None
        return True

    def _sought(self, found: Found, seek: Callable[[JournalFile], bool]) -> bool:
        """Seek in a file, which is read from there on once its turn comes."""
        file = self._opened(found)
        if file is None:
            return False
        try:
            return seek(file)
        except OSError as error:
            self._give_up(file, error)
            return False
        finally:
            self._read[found.header.file_id] = file.position
            file.close()

    def _opened(self, found: Found) -> JournalFile | None:
        """A file that was found, which may have got another name meanwhile; None if it is gone."""
        return self._opened_at(found) or next(
            (
                file
                for again in self._files()
                if again.header.file_id == found.header.file_id and (file := self._opened_at(again)) is not None
            ),
            None,
        )

    def _opened_at(self, found: Found) -> JournalFile | None:
        with suppress(FileNotFoundError):
            file = JournalFile(found.path, fields=self._fields, believed=self._believed, decompress=self._by_libsystemd)
            if file.header.file_id == found.header.file_id:
                return file
            file.close()
        return None

    def _files(self) -> list[Found]:
        """All files, as they were at one moment: one that gets another name meanwhile would be in the list not at all.

        Entries would then come out of their order, or twice.
        """
        paths = self._paths()
        for _ in range(_LISTINGS):
            found = _read(paths)
            now = self._paths()
            if now == paths:
                break
            paths = now
        return found

    def _paths(self) -> set[Path]:
        return {path for folder in self._folders for path in folder.glob(FILES)}

    def _by_libsystemd(self, cursor: str) -> Entry | None:
        """An entry whose text is compressed."""
        reader = Reader(self._namespace, fields=self._fields, believed=self._believed)
        try:
            return reader.at(cursor)
        finally:
            reader.close()


def _read(paths: Iterable[Path]) -> list[Found]:
    found: list[Found] = []
    for path in paths:
        try:
            found.append(Found(path, header_of(path)))
        except (FileNotFoundError, NothingYet):
            continue  # removed, or just made
        except UnknownFormat:
            raise
        except OSError:
            if path.name == ACTIVE:
                raise
            # journald has put it aside, as after a power cut: libsystemd passes it over too.
    return found
