"""Which reader an app's journal is followed with."""

from functools import partial

import pytest

from hostd.logplex.daemon import follow_journal, say_unknown
from tests.unit.journal_kit import MACHINE, NAMESPACE, FileWriter, folder
from units.followed_journal import FollowedJournal
from units.live_journal import LiveJournal
from units.ticking import Ticker


@pytest.fixture
def follow(tmp_path, monkeypatch):
    roots = partial(LiveJournal, roots=(tmp_path,), machine=MACHINE)
    monkeypatch.setattr("hostd.logplex.daemon.LiveJournal", roots)
    say_unknown.cache_clear()

    def opened():
        journal = follow_journal(lambda _: True, Ticker(), NAMESPACE.removeprefix("hostd-"))
        journal.close()
        return type(journal)

    return opened


def test_a_journal_is_followed_without_libsystemd_and_one_that_is_not_there_too(follow, tmp_path):
    assert follow() is LiveJournal
    FileWriter(folder(tmp_path) / "system.journal").say("a")
    assert follow() is LiveJournal


@pytest.mark.parametrize("name", ["system.journal", "system@b.journal"])
def test_a_format_that_is_not_known_is_left_to_libsystemd_and_said_once(follow, tmp_path, caplog, name):
    FileWriter(folder(tmp_path) / "system@a.journal").say("a")
    FileWriter(folder(tmp_path) / name).change_format()
    assert follow() is follow() is FollowedJournal
    (record,) = caplog.records
    assert "flags 0x40000000 is not understood: it is read by libsystemd" in record.getMessage()


def test_a_file_that_is_put_aside_as_it_is_none_is_no_reason_for_that(follow, tmp_path):
    FileWriter(folder(tmp_path) / "system.journal").say("a")
    (folder(tmp_path) / "system@broken.journal~").write_bytes(bytes(500))
    assert follow() is LiveJournal
