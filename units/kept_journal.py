"""What is kept of a namespace's journal, read back as well as on, without libsystemd: for searches through it all."""

from units.journal import Entry
from units.journal_file import JournalFile
from units.live_journal import LiveJournal


class KeptJournal(LiveJournal):
    """Reads back from a time, over all files that there are then. Nothing narrows it: each entry is looked at."""

    _until: int | None = None
    _older: list[JournalFile] | None = None

    def seek_realtime(self, microseconds: int) -> None:
        """To before the first entry at or after a time; `read_back` begins with those at that time and before."""
        super().seek_realtime(microseconds)
        self._close_older()
        self._until = microseconds

    def read_back(self, limit: int) -> list[Entry]:
        """The `limit` entries before those read back last, oldest first; empty when there are none left."""
        if self._older is None:
            opened = [self._opened(found) for found in self._files()]
            self._older = [file for file in opened if file is not None]
            for file in self._older:
                if self._until is None:
                    file.seek_end()
                else:
                    file.seek_realtime(self._until + 1)
        entries: list[Entry] = []
        while self._older and len(entries) < limit:
            file = self._older[-1]
            entries = file.step_back(limit - len(entries)) + entries
            if file.at_head:
                self._older.pop().close()
        return entries

    def close(self) -> None:
        """Close the files."""
        super().close()
        self._close_older()

    def _close_older(self) -> None:
        for file in self._older or ():
            file.close()
        self._older = None
