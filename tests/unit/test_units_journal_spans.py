"""A journal that journald writes to memory for a while, as the disk is full, and then to the disk again."""

import itertools

import pytest

from tests.unit.journal_kit import MACHINE, NAMESPACE, START, FileWriter, folder
from units.journal_spans import lost
from units.kept_journal import KeptJournal
from units.ticking import Ticker

_ids = itertools.count(0x10)


class Journald:
    """Writes as systemd 252 does: it counts on over its files, but each that no other is the model of is a series.

    `one_series` is how later ones do it, which keep their count over restarts and give all files its id.
    """

    def __init__(self, root, one_series=False):
        self.disk, self.memory = folder(root / "disk"), folder(root / "memory")
        self._one_series = one_series
        self._where, self._count, self._said = self.disk, 0, 0
        self._files = {}

    def say(self, count=1):
        """Write some lines: each is a number."""
        file = self._files.get(self._where) or self._begin(self._series())
        file.number = self._count = max(self._count, file.number)
        for _ in range(count):
            file.say(str(self._said))
            self._said += 1
        self._count = file.number

    def rotate(self):
        for where, file in list(self._files.items()):
            file.archive(f"system@{file.numbering}-{file.number:016x}.journal")
            del self._files[where]
            if where == self._where:
                self._begin(file.numbering)

    def fill(self):
        """The disk is full: what is there is put aside, and no other can be begun."""
        file = self._files.pop(self.disk)
        file.archive(f"system@{file.numbering}-{file.number:016x}.journal")
        self._where = self.memory

    def fail(self):
        """What is left of an attempt to begin a file on the full disk."""
        FileWriter(self.disk / "system.journal", numbering=self._series())

    def restart(self):
        """With room on the disk: it counts from what the file there says."""
        if self.disk not in self._files:
            (self.disk / "system.journal").unlink(missing_ok=True)
        self._where = self.disk
        if not self._one_series:
            self._count = 0

    def vacuum(self, folder_):
        for path in folder_.glob("system@*"):
            path.unlink()

    def _begin(self, numbering):
        file = self._files[self._where] = FileWriter(
            self._where / "system.journal", head=self._count + 1, numbering=numbering
        )
        file.numbering = numbering
        return file

    def _series(self):
        return "a" if self._one_series else f"{next(_ids):02x}"


@pytest.fixture(params=[False, True], ids=["a series each", "one series"])
def journald(tmp_path, request):
    return Journald(tmp_path, request.param)


@pytest.fixture
def journal(tmp_path):
    opened = KeptJournal(
        NAMESPACE,
        fields=(),
        believed=lambda _: True,
        ticker=Ticker(),
        roots=(tmp_path / "disk", tmp_path / "memory"),
        machine=MACHINE,
    )
    yield opened
    opened.close()


def numbers(entries):
    return [int(entry.message) for entry in entries]


def rest(journal):
    found = []
    while entries := journal.read(7):
        found += numbers(entries)
    return found


def there_and_back(journald):
    """60 lines: disk, memory in two files, and, as journald was started anew, the disk again and its next file."""
    journald.say(10)
    journald.fill()
    journald.say(10)
    journald.rotate()
    journald.say(10)
    journald.restart()
    journald.say(10)
    journald.rotate()
    journald.say(20)


def test_a_tail_goes_into_memory_and_back_to_the_disk(journald, journal):
    journald.say(3)
    journal.last()
    journald.say(10)
    assert rest(journal) == list(range(3, 13))
    journald.fill()
    journald.fail()
    assert journal.read() == []
    journald.say(10)
    assert rest(journal) == list(range(13, 23))
    journald.say(4)
    journald.rotate()
    journald.fail()
    assert rest(journal) == list(range(23, 27))
    # The file that stands on the disk now has nothing in it: the one in memory is written to.
    journald.say(3)
    assert rest(journal) == list(range(27, 30))
    journald.restart()
    journald.say(3)
    assert rest(journal) == list(range(30, 33))
    journald.say(3)
    assert rest(journal) == list(range(33, 36))
    assert journal.take_missed() == 0


def test_a_file_that_goes_on_where_memory_took_turns_with_it_is_read_on(journald, journal):
    journald.say(5)
    journal.last()
    journald._where = journald.memory
    journald.say(5)
    assert rest(journal) == list(range(5, 10))
    journald.restart()
    journald.say(5)
    journald.rotate()
    journald.say(5)
    assert rest(journal) == list(range(10, 20))
    journal.seek_head()
    assert rest(journal) == list(range(20))
    assert numbers(journal.last(17)) == list(range(3, 20))
    assert journal.take_missed() == 0


def test_all_of_it_is_read_in_the_order_in_which_it_was_written(journald, journal):
    there_and_back(journald)
    journal.seek_head()
    assert rest(journal) == list(range(60))
    journal.seek_realtime(2**62)
    found = []
    while entries := journal.read_back(9):
        found = numbers(entries) + found
    assert found == list(range(60))


@pytest.mark.parametrize("count", [1, 15, 33, 60])
def test_the_last_lines_are_found_and_read_on_from(journald, journal, count):
    there_and_back(journald)
    assert numbers(journal.last(count)) == list(range(60 - count, 60))
    journald.say(2)
    assert rest(journal) == [60, 61]


def test_each_cursor_leads_to_what_was_written_behind_it(journald, journal):
    there_and_back(journald)
    journal.seek_head()
    cursors = [entry.cursor for _ in range(60) for entry in journal.read(1)]
    for number, cursor in enumerate(cursors):
        assert journal.seek_after(cursor)
        assert rest(journal) == list(range(number + 1, 60))
        assert journal.take_missed() == 0


def test_what_was_removed_in_between_is_counted(journald, journal):
    journald.say(10)
    journal.last()
    journald.say(4)
    journald.fill()
    journald.vacuum(journald.disk)
    journald.say(5)
    journald.rotate()
    journald.vacuum(journald.memory)
    journald.say(5)
    # The file that was open is still there, and the rest of it comes.
    assert rest(journal) == [10, 11, 12, 13, 19, 20, 21, 22, 23]
    assert journal.take_missed() == 5


def test_a_file_that_cannot_be_read_is_no_reason_to_leave_others_out(journald, journal):
    there_and_back(journald)
    min(journald.memory.glob("system@*")).write_bytes(b"nothing")
    journal.seek_head()
    assert rest(journal) == [*range(10), *range(20, 60)]
    damaged = min(journald.disk.glob("system@*"))
    damaged.write_bytes(damaged.read_bytes()[:900])
    journal.seek_head()
    found = rest(journal)
    assert found == sorted(found) and found[-20:] == list(range(40, 60))


def test_a_time_is_found_in_both(journald, journal):
    there_and_back(journald)
    journal.seek_realtime(START + 100)
    assert rest(journal) == []
    journal.seek_realtime(START)
    assert rest(journal) == list(range(60))


@pytest.mark.parametrize(
    ("head", "known", "count"),
    [
        (11, (10, 10), 0),
        (16, (10, 3), 5),
        (16, (3, 10), 5),
        (1, (10, 0), 0),
        (4, (10, 0), 3),
        (21, (30, 18), 2),
    ],
    ids=["next", "counted on", "the series is behind", "anew", "anew and its first are gone", "two counts"],
)
def test_what_is_between_two_files(head, known, count):
    assert lost(head, *known) == count
