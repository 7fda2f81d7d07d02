"""A journal of several files, read back."""

import pytest

from tests.unit.journal_kit import MACHINE, NAMESPACE, FileWriter, folder
from units.kept_journal import KeptJournal
from units.ticking import Ticker


@pytest.fixture
def journal(tmp_path):
    """With the lines 0 to 29 in three files, one of which nothing was written to after it was made."""
    made, number = None, 0
    for _ in range(3):
        if made is not None:
            made.archive(f"system@a-{made.number:016x}.journal")
        made = FileWriter(folder(tmp_path) / "system.journal", head=number + 1, numbering="a")
        for _ in range(10):
            made.say(str(number))
            number += 1
    opened = KeptJournal(
        NAMESPACE, fields=(), believed=lambda _: True, ticker=Ticker(), roots=(tmp_path,), machine=MACHINE
    )
    yield opened
    opened.close()


def texts(entries):
    return [int(entry.message) for entry in entries]


@pytest.mark.parametrize("limit", [1, 4, 10, 25, 100])
def test_all_is_read_back_in_batches_over_all_files(journal, limit):
    journal.seek_realtime(2**62)
    found = []
    while entries := journal.read_back(limit):
        assert len(entries) == min(limit, 30 - len(found))
        found = texts(entries) + found
    assert found == list(range(30))
    assert journal.read_back(limit) == []


def test_it_is_read_back_from_a_time_and_on_from_it(journal):
    time = journal.last(8)[0].realtime_us
    journal.seek_realtime(time)
    assert texts(journal.read_back(4)) == [19, 20, 21, 22]
    assert texts(journal.read(100))[:3] == [22, 23, 24]
    assert texts(journal.read_back(2)) == [17, 18]
    journal.seek_realtime(0)
    assert journal.read_back(5) == []


def test_an_empty_journal_has_nothing(tmp_path):
    opened = KeptJournal(
        NAMESPACE, fields=(), believed=lambda _: True, ticker=Ticker(), roots=(tmp_path,), machine=MACHINE
    )
    opened.seek_realtime(2**62)
    assert opened.read_back(5) == opened.last(1) == []
    opened.close()
