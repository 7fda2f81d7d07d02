"""A namespace's journal, read forward by libsystemd: for files of a format that `units.journal_file` does not know.

It costs six times as much an entry, and an inotify instance for each journal.
"""

from units.cursors import place_at
from units.journal import Entry, Reader
from units.journal_spans import lost


class FollowedJournal(Reader):
    """Reads as `units.live_journal.LiveJournal` does."""

    _numbers: dict[bytes, int]
    _number: int | None = None
    _missed = 0

    def seek_head(self) -> None:
        """To before the oldest entry."""
        self._forget()
        super().seek_head()

    def seek_realtime(self, microseconds: int) -> None:
        """To before the first entry at or after a time (unix microseconds)."""
        self._forget()
        super().seek_realtime(microseconds)

    def seek_after(self, cursor: str) -> bool:
        """To after the entry with this cursor; False when it is gone, then to before the next one kept."""
        self._forget()
        is_there = super().seek_after(cursor)
        if is_there:
            self._count(cursor)
        return is_there

    def read(self, limit: int = 256) -> list[Entry]:
        """The next entries, oldest first; empty at the end for now."""
        entries = super().read(limit)
        for entry in entries:
            self._missed += self._count(entry.cursor)
        return entries

    def take_missed(self) -> int:
        """How many entries in front of those read last journald had removed before they were read, each once."""
        missed, self._missed = self._missed, 0
        return missed

    def _forget(self) -> None:
        self._numbers, self._number, self._missed = {}, None, 0

    def _count(self, cursor: str) -> int:
        """Note the number of an entry; how many are missing in front of it."""
        place = place_at(cursor)
        missing = 0
        if self._number is not None:
            missing = lost(place.number, self._number, self._numbers.get(place.numbering, 0))
        self._numbers[place.numbering] = self._number = place.number
        return missing
