"""What is kept of a namespace's journal, read back as well as on, without libsystemd: for searches through it all."""

from units.journal import Entry
from units.journal_file import JournalFile
from units.journal_spans import spans
from units.live_journal import LiveJournal


class KeptJournal(LiveJournal):
    """Reads back from a time, over all files that there are then. Nothing narrows it: each entry is looked at."""

    _before: int | None = None
    _older: list[tuple[int, JournalFile]] | None = None
    """What is to be read back: from its place in a file to before this entry."""

    def seek_realtime(self, microseconds: int) -> None:
        """To before the first entry at or after a time; `read_back` begins with those at that time and before."""
        super().seek_realtime(microseconds)
        self._close_older()
        self._before = microseconds + 1

    def read_back(self, limit: int) -> list[Entry]:
        """The `limit` entries before those read back last, oldest first; empty when there are none left."""
        if self._older is None:
            self._older = self._all_older()
        entries: list[Entry] = []
        while self._older and len(entries) < limit:
            start, file = self._older[-1]
            entries = file.step_back(min(limit - len(entries), file.position - start)) + entries
            if file.position <= start:
                self._older.pop()[1].close()
        return entries

    def close(self) -> None:
        """Close the files."""
        super().close()
        self._close_older()

    def _all_older(self) -> list[tuple[int, JournalFile]]:
        older: list[tuple[int, JournalFile]] = []
        for span in spans(self._files(), {}, self._opened):
            file = self._opened(span.found)
            if file is None:
                continue
            if self._before is None:
                file.seek_end()
            else:
                file.seek_realtime(self._before)
            if span.end < span.found.header.entries:
                file.seek(min(span.end, file.position))
            older.append((span.start, file))
        return older

    def _close_older(self) -> None:
        for _, file in self._older or ():
            file.close()
        self._older = None
