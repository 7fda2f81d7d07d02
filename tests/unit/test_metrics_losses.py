"""What journald dropped of dynos, found in apps' journals: each loss once, and no journal opened for nothing."""

import os

import pytest
from logplex_fakes import APP, OTHER, START, Store

from hostd.metrics.losses import Losses, Reader, open_losses

SECOND = 1_000_000
TOLD = "Suppressed 41 messages from hostd-hello-web.1-v3.service"


class Reading:
    """A journal with the manners of `units.journal.Reader`, read from a time."""

    def __init__(self, entries):
        self.entries, self.closed = entries, False

    def seek_realtime(self, microseconds):
        self.entries = [entry for entry in self.entries if entry.realtime_us >= microseconds]

    def read(self, limit=2):
        found, self.entries = self.entries[:limit], self.entries[limit:]
        return found

    def close(self):
        self.closed = True


class Bench:
    """Two apps, whose journals are written to when the test says."""

    def __init__(self, folder):
        self.folder, self.stores, self.opened, self.broken = folder, {APP: Store(), OTHER: Store()}, [], set()
        self.now = START / SECOND
        self.losses = self.anew()
        for app_id in self.stores:
            (folder / app_id).mkdir()

    def anew(self, until=START):
        losses = Losses(lambda: self.stores, lambda app_id: self.folder / app_id, self.open)
        losses.until = until
        return losses

    def open(self, app_id):
        if app_id in self.broken:
            raise OSError(5, "Input/output error")
        self.opened.append((app_id, Reading(list(self.stores[app_id].entries))))
        return self.opened[-1][1]

    def write(self, text=TOLD, app_id=APP):
        entry = self.stores[app_id].write(text, app=None)
        entry.realtime_us = round(self.now * SECOND)
        file = self.folder / app_id / "system.journal"
        file.touch()
        os.utime(file, (self.now, self.now))

    async def look(self, seconds=20.0):
        self.now += seconds
        return await self.losses.look(self.now)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


async def test_each_loss_is_found_once_with_its_dyno_and_its_time(bench):
    bench.write()
    bench.write("Journal started")
    bench.write(TOLD.replace("web.1", "run.4711"))
    at = START // SECOND
    assert await bench.look() == [(APP, "web.1", at), (APP, "run.4711", at)]
    assert [await bench.look() for _ in range(3)] == [[], [], []]
    bench.write()
    assert [len(await bench.look()) for _ in range(3)] == [1, 0, 0]


async def test_only_journals_that_were_written_to_are_opened_and_all_are_closed(bench):
    await bench.look(60)
    bench.write(app_id=OTHER)
    await bench.look()
    await bench.look()
    assert [app_id for app_id, _ in bench.opened] == [OTHER]
    assert all(journal.closed for _, journal in bench.opened)


async def test_what_may_not_be_all_there_yet_is_left_for_the_next_look(bench):
    await bench.look()
    bench.now += 12
    bench.write()
    assert [len(await bench.look(seconds)) for seconds in (0.5, 12, 12)] == [0, 1, 0]
    assert len(bench.opened) == 2


async def test_journals_are_not_opened_each_time_that_somebody_asks(bench):
    await bench.look()
    bench.write()
    assert [len(await bench.look(3)) for _ in range(8)] == [0, 0, 0, 1, 0, 0, 0, 0]
    assert len(bench.opened) == 1


async def test_a_hostd_that_begins_finds_what_came_while_none_was_there_and_the_first_of_all_nothing(bench):
    await bench.look()
    bench.write()
    before, bench.losses = bench.losses.until, bench.anew(0)
    bench.now += 3600
    assert await bench.look() == []
    bench.losses = bench.anew(before)
    assert len(await bench.look()) == 1


async def test_a_clock_that_is_set_back_begins_anew(bench):
    await bench.look(3600)
    assert await bench.look(-1800) == []
    bench.write()
    assert len(await bench.look()) == 1


async def test_a_journal_that_cannot_be_read_is_read_later_and_holds_up_no_other(bench, caplog):
    bench.write()
    bench.write(app_id=OTHER)
    bench.broken = {APP}
    assert [loss.app_id for loss in await bench.look()] == [OTHER]
    assert await bench.look() == []
    assert caplog.text.count("cannot be read") == 1
    bench.broken = set()
    assert [loss.app_id for loss in await bench.look()] == [APP]


def test_only_what_journald_says_itself_is_asked_for(monkeypatch):
    asked = {}
    monkeypatch.setattr(Reader, "__init__", lambda self, namespace, matches: asked.update({namespace: matches}))
    open_losses("app")
    assert asked == {"hostd-app": {"MESSAGE_ID": "a596d6fe7bfa4994828e72309e95d61e", "_TRANSPORT": "driver"}}
