"""A namespace's journal, read forward over all its files as it grows (`units.journal_file`).

journald tells readers of new entries at most four times a second, and each reader that waits for that costs one of few
inotify instances. So nobody waits: the files' heads are looked at, all in one turn, which takes a microsecond each.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from units.journal import Entry, Reader
from units.journal_file import Fields, Header, JournalFile, NothingYet, header_of
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
_CURSOR = re.compile(r"s=([0-9a-f]{32});i=([0-9a-f]{1,16});.*;t=([0-9a-f]{1,16});")


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    header: Header


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
        self._seen: set[bytes] = set()
        self._looks = 0
        self._missed = 0

    def seek_head(self) -> None:
        """To before the oldest entry."""
        self.close()
        self._seen = set()

    def seek_after(self, cursor: str) -> bool:
        """To after the entry with this cursor; False when it is gone, then to before the next one kept."""
        self.seek_head()
        match = _CURSOR.match(cursor)
        if match is None:
            raise ValueError(f"not a journal cursor: {cursor}")
        numbering, number, time = bytes.fromhex(match[1]), int(match[2], 16), int(match[3], 16)
        files = [found for found in self._files() if found.header.entries]
        own = [found for found in files if found.header.numbering == numbering]
        before = [found for found in own if found.header.head <= number]
        if not own:
            # The journal was begun anew: by time, which is all there is.
            self.seek_realtime(time + 1)
            return False
        if not before:
            self._pass(files[: files.index(own[0])])
            return False
        self._pass(files[: files.index(before[-1])])
        self._enter(before[-1])
        return self._seek(lambda file: file.seek_after(number))

    def seek_realtime(self, microseconds: int) -> None:
        """To before the first entry at or after a time (unix microseconds)."""
        self.seek_head()
        files = [found for found in self._files() if found.header.entries]
        before = [found for found in files if found.header.head_realtime < microseconds]
        if before:
            self._pass(files[: files.index(before[-1])])
            self._enter(before[-1])
            self._seek(lambda file: file.seek_realtime(microseconds))

    def _seek(self, seek: Callable[[JournalFile], bool]) -> bool:
        file = self._file
        try:
            return file is not None and seek(file)
        except OSError as error:
            self._give_up(file, error)
            return False

    def last(self, limit: int = 1) -> list[Entry]:
        """The newest `limit` entries, oldest first; `read` goes on behind them."""
        self.seek_head()
        files = self._files()
        self._pass(files)
        entries: list[Entry] = []
        for found in reversed(files):
            file = self._opened(found)
            if file is None:
                continue
            file.seek_end()
            entries = file.back(limit - len(entries)) + entries
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
                if file is not None and (file.left or file.look()):
                    if entries := file.read(limit):
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

    def _has_more(self) -> bool:
        try:
            if self._file is not None and self._file.look():
                return True
        except OSError as error:
            self._give_up(self._file, error)
            return True
        self._looks = (self._looks + 1) % _LOOKS_BETWEEN
        archived = self._file is not None and self._file.archived
        return (archived or self._looks == 0) and self._advance()

    def _advance(self) -> bool:
        """Go on to the next file if journald writes to another one; True if there may be something to read."""
        file = self._file
        if file is not None and self._is_written(file):
            return False
        following = next((found for found in self._files() if found.header.file_id not in self._seen), None)
        if following is None:
            return False
        # Whatever came since the last look was written before the next file was there.
        if file is not None and file.look():
            return True
        self._enter(following)
        if file is not None and self._file is not file:
            self._missed += _between(file.header_at_end(), following.header)
            file.close()
        return self._file is not file

    def _give_up(self, file: JournalFile | None, error: OSError) -> None:
        """Leave a file out that cannot be read: what is behind it can be. Raises the error if that is to come still."""
        if file is None or self._is_written(file):
            raise error
        self._missed += file.give_up()

    def _is_written(self, file: JournalFile) -> bool:
        return any(file.is_at(folder / ACTIVE) for folder in self._folders)

    def _enter(self, found: _Found) -> None:
        """Go on with a file, from its beginning."""
        self._seen.add(found.header.file_id)
        self._file = self._opened(found) or self._file

    def _pass(self, files: Iterable[_Found]) -> None:
        self._seen.update(found.header.file_id for found in files)

    def _opened(self, found: _Found) -> JournalFile | None:
        """A file that was found, which may have got another name meanwhile; None if it is gone."""
        for again in (found, *(other for other in self._files() if other.header.file_id == found.header.file_id)):
            with suppress(FileNotFoundError):
                file = JournalFile(
                    again.path, fields=self._fields, believed=self._believed, decompress=self._by_libsystemd
                )
                if file.header.file_id == found.header.file_id:
                    return file
                file.close()
        return None

    def _files(self) -> list[_Found]:
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
        return _in_order(found)

    def _paths(self) -> set[Path]:
        return {path for folder in self._folders for path in folder.glob(FILES)}

    def _by_libsystemd(self, cursor: str) -> Entry | None:
        """An entry whose text is compressed."""
        reader = Reader(self._namespace, fields=self._fields, believed=self._believed)
        try:
            return reader.at(cursor)
        finally:
            reader.close()


def _read(paths: Iterable[Path]) -> list[_Found]:
    found: list[_Found] = []
    for path in paths:
        try:
            found.append(_Found(path, header_of(path)))
        except (FileNotFoundError, NothingYet):
            continue  # removed, or just made
        except OSError:
            if path.name == ACTIVE:
                raise
            # journald has put it aside, as after a power cut: libsystemd passes it over too.
    return found


def _in_order(files: Sequence[_Found]) -> list[_Found]:
    """Oldest first: by journald's numbers, where several series of them by the time; the one being written last."""
    began: dict[bytes, int] = {}
    for file in files:
        if file.header.entries:
            known = began.get(file.header.numbering, file.header.head_realtime)
            began[file.header.numbering] = min(known, file.header.head_realtime)
    active = {file.header.numbering for file in files if file.path.name == ACTIVE}

    def key(file: _Found) -> tuple[bool, int, bool, int]:
        header = file.header
        return header.numbering in active, began.get(header.numbering, 0), not header.entries, header.head

    return sorted((file for file in files if file.header.entries or file.path.name == ACTIVE), key=key)


def _between(before: Header, after: Header) -> int:
    """How many entries there were between two files."""
    return max(0, after.head - before.tail - 1) if before.numbering == after.numbering and after.entries else 0
