import asyncio

import pytest
from kept_fakes import APP, OTHER, Store, cursor, trusted

from hostd.errors import Unavailable
from hostd.logplex import tails
from hostd.logplex.filters import Filter
from hostd.logplex.lines import Line
from hostd.logplex.patterns import TooCostly, compile_pattern
from hostd.logplex.rendering import Form, Shown, renderer
from hostd.logplex.tails import Tail, Tails
from units.journal import Entry

TEXT = renderer(Form.TEXT, False)


def line(number, size=10, app=APP):
    return Shown(Line(cursor(number, time=number), number, app, "app", "web.1", b"x" * size))


def numbers(shown):
    return [one.line.microseconds for one in shown]


async def said(tail, count):
    found = []
    while len(found) < count:
        missing, shown = await asyncio.wait_for(tail.take(), 5)
        found += [missing] * (missing is not None) + [one.line.message.decode() for one in shown]
    return found


async def test_a_slow_reader_loses_the_oldest_and_is_told_how_many():
    tail = Tail(Filter(APP))
    for number in range(1, 6):
        tail.offer(line(number, size=300_000))
    missing, shown = await tail.take()
    assert missing == (
        "Error L11 (Tail buffer overflow) -> This tail session dropped 2 messages "
        "since 1970-01-01T00:00:00.000001+00:00."
    )
    assert numbers(shown) == [3]  # not more at once than a socket takes
    for expected in (4, 5):
        missing, shown = await tail.take()
        assert (missing, numbers(shown)) == (None, [expected])
    tail.offer(line(6))
    missing, shown = await tail.take()
    assert (missing, numbers(shown)) == (None, [6])


async def test_every_line_is_either_delivered_or_counted():
    tail = Tail(Filter(APP))
    tail.limit = 10_000
    delivered, lost = [], 0
    for number in range(1, 5001):
        tail.offer(line(number, size=number % 97))
        if number % 700 == 0:
            missing, shown = await tail.take()
            delivered += numbers(shown)
            lost += int(missing.split("dropped ")[1].split()[0]) if missing else 0
    while not numbers([]) and tail._queue:
        missing, shown = await tail.take()
        delivered += numbers(shown)
        lost += int(missing.split("dropped ")[1].split()[0]) if missing else 0
    assert lost + len(delivered) == 5000 and lost > 4000
    assert delivered == sorted(delivered) and delivered[-1] == 5000


async def test_only_what_the_reader_would_have_seen_is_counted():
    tail = Tail(Filter(APP, pattern=compile_pattern("xxx")))
    tail.limit = 1000
    for number in range(1, 11):
        tail.offer(line(number, size=300))
        tail.offer(line(number, size=2))
        tail.offer(line(number, app=OTHER))
    missing, shown = await tail.take()
    assert "dropped 9 messages" in missing and numbers(shown) == [10]


async def test_a_line_larger_than_the_queue_still_passes():
    tail = Tail(Filter(APP))
    tail.offer(line(1, size=5_000_000))
    missing, shown = await tail.take()
    assert missing is None and len(shown) == 1


async def test_what_was_seen_otherwise_does_not_come_again():
    tail = Tail(Filter(APP))
    tail.seen = cursor(3, time=3)
    for number in range(1, 6):
        tail.offer(line(number))
    assert numbers((await tail.take())[1]) == [4, 5]


async def test_a_pattern_that_runs_away_ends_its_tail_only():
    greedy, other = Tail(Filter(APP, pattern=compile_pattern("(x+)+[yz]"))), Tail(Filter(APP))
    for tail in (greedy, other):
        tail.offer(line(1, size=100))
    with pytest.raises(TooCostly):
        await greedy.take()
    assert numbers((await other.take())[1]) == [1]


async def test_a_pattern_that_takes_too_much_of_the_processor_ends_its_tail():
    now = 0.0
    pattern = compile_pattern("x")
    tail = Tail(Filter(APP, pattern=pattern), timer=lambda: now)
    now, pattern.spent = 10.0, 0.6
    tail.check_pattern()
    now, pattern.spent = 11.0, 1.0
    tail.check_pattern()
    tail.offer(line(1))
    assert numbers((await tail.take())[1]) == [1]
    now, pattern.spent = 11.5, 1.2
    tail.check_pattern()
    with pytest.raises(TooCostly, match="takes too long"):
        await tail.take()


async def test_each_app_has_one_follower_and_only_while_it_is_tailed():
    store = Store()
    all_tails = Tails(store.follow, trusted)
    readers = [Tail(Filter(app)) for app in (APP, APP, OTHER)]
    for reader in readers:
        all_tails.add(reader)
    assert store.opened == 2
    store.write("one")
    store.write("two", app=OTHER)
    assert [await said(reader, 1) for reader in readers] == [["one"], ["one"], ["two"]]
    for reader in readers:
        all_tails.remove(reader)
        all_tails.remove(reader)
    assert store.closed == 2
    all_tails.close()


async def test_a_line_is_made_once_for_all_readers():
    shown = line(1)
    assert shown.by(TEXT) is shown.by(renderer(Form.TEXT, False))
    assert shown.by(renderer(Form.JSON, True)).startswith(b"id: ")


class Endless:
    """A journal that has more whenever it is asked: so many entries at once, or what is asked for."""

    def __init__(self, app, most):
        self.turns = []
        self._entry = Entry(cursor(1), 1, b"noise", {"HOSTD_APP": app, "_TRANSPORT": "stdout"})
        self._most = most

    def last(self, limit):
        return []

    def seek_head(self):
        pass

    def take_missed(self):
        return 0

    def read(self, limit):
        self.turns.append(limit)
        return [self._entry] * min(limit, self._most)

    def close(self):
        pass


async def test_an_app_that_writes_without_end_has_no_more_turns_than_others():
    loud, quiet = Endless(OTHER, 1_000_000), Endless(APP, 1)
    all_tails = Tails({OTHER: loud, APP: quiet}.__getitem__, trusted)
    listener = Tail(Filter(APP))
    all_tails.add(Tail(Filter(OTHER)))
    all_tails.add(listener)
    came = len(await said(listener, 50))
    assert came <= len(loud.turns) <= came + 2
    assert set(loud.turns) == {tails.AT_ONCE} and tails.AT_ONCE <= 512
    all_tails.close()


async def test_what_was_vacuumed_before_it_was_read_is_told():
    store = Store()
    store.write("old")
    all_tails = Tails(store.follow, trusted)
    reader, choosy = Tail(Filter(APP)), Tail(Filter(APP, only=("web",)))
    assert all_tails.add(reader) == all_tails.add(choosy) == cursor(1)
    for text in ("never seen", "nor this", "kept"):
        store.write(text)
    store.vacuum(3)
    for tail, count in ((reader, "2 messages"), (choosy, "some messages")):
        missing, kept = await said(tail, 2)
        assert f"dropped {count} since 2026-" in missing and kept == "kept"
    all_tails.close()


async def test_tails_of_an_app_that_is_gone_end_and_no_others():
    store = Store()
    all_tails = Tails(store.follow, trusted)
    young, gone, other = Tail(Filter("young")), Tail(Filter(APP)), Tail(Filter(OTHER))
    all_tails.add(young)
    store.write("one")
    store.write("two", app=OTHER)
    all_tails.add(gone)
    all_tails.add(other)
    all_tails.end_gone(lambda app: app == OTHER)
    with pytest.raises(Unavailable):
        await gone.take()
    store.write("three", app=OTHER)
    assert await said(other, 1) == ["three"]
    store.write("its first", app="young")
    assert await said(young, 1) == ["its first"]
    all_tails.close()


async def test_there_is_a_limit_of_tails_and_of_their_memory(monkeypatch):
    monkeypatch.setattr(tails, "MOST_TAILS", 100)
    all_tails = Tails(Store().follow, trusted)
    readers = [Tail(Filter(APP)) for _ in range(100)]
    for reader in readers:
        all_tails.add(reader)
    assert sum(reader.limit for reader in readers) <= tails.ALL_QUEUED
    with pytest.raises(Unavailable, match=r"Error L15 \(Tail buffer temporarily unavailable\) -> 100 tails are open"):
        all_tails.add(Tail(Filter(APP)))
    all_tails.close()
    with pytest.raises(Unavailable):
        await readers[0].take()


async def test_a_journal_that_cannot_be_opened_is_l15():
    store = Store()
    store.unreadable = True
    with pytest.raises(Unavailable, match=r"L15.*Permission denied"):
        Tails(store.follow, trusted).add(Tail(Filter(APP)))
