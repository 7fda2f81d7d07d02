"""Reading for drains: once for all that keep up, apart for those that are behind, and every entry exactly once."""

import asyncio
import time
from contextlib import asynccontextmanager

from drains_kit import numbers
from logplex_fakes import APP, OTHER, START, FakeReader, Store, cursor, trusted

from hostd.logplex.drains.buffer import MOST_MESSAGES, Buffer
from hostd.logplex.drains.choices import Choice
from hostd.logplex.drains.feeds import Feed, Lane

PATIENCE = 60.0


class Journal(FakeReader):
    missed = 0

    def seek_realtime(self, microseconds):
        entries = self._store.entries
        self._place = next((n for n, entry in enumerate(entries) if entry.realtime_us >= microseconds), len(entries))

    def seek_after(self, cursor):
        number = int(cursor.split(";i=")[1].split(";")[0], 16)
        kept = [int(entry.cursor.split(";i=")[1].split(";")[0], 16) for entry in self._store.entries]
        self._place = sum(each <= number for each in kept)
        return number in kept


    def take_missed(self):
        missed, self.missed = self.missed, 0
        return missed


class Rig:
    def __init__(self):
        self.store, self.now = Store(), 0.0
        self.feed = Feed(APP, self.open, trusted, PATIENCE, lambda: self.now)
        self.readers = []

    def open(self):
        self.store.opened += 1
        self.readers.append(Journal(self.store, {}))
        return self.readers[-1]

    def write(self, count):
        for _ in range(count):
            self.store.write(f"line {len(self.store.entries) + 1}")

    def lane(self, choice=None, **place):
        lane = Lane("d.1", Buffer(**place), choice or Choice(), START)
        self.feed.add(lane)
        return lane


@asynccontextmanager
async def rig():
    made = Rig()
    lanes = []
    add = made.feed.add
    made.feed.add = lambda lane: (lanes.append(lane), add(lane))
    try:
        yield made
    finally:
        for lane in lanes:
            await made.feed.remove(lane)
        assert made.feed.idle and made.store.closed == made.store.opened


async def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        await asyncio.sleep(0)


async def drained(lane):
    """What a receiver gets that takes everything at once; the numbers, and how many are told to be missing."""
    frame = await lane.buffer.take(1 << 30, 0)
    lane.buffer.delivered()
    return numbers(frame), frame.lost


async def test_drains_that_keep_up_share_one_reader():
    async with rig() as made:
        made.write(5)
        lanes = [made.lane() for _ in range(4)]
        await until(lambda: len(made.feed._together) == 4)
        assert made.store.opened - made.store.closed == 1
        made.write(5)
        for lane in lanes:
            await until(lambda lane=lane: lane.buffer.waiting == 10)
            assert await drained(lane) == (list(range(1, 11)), 0)


async def test_a_drain_goes_on_behind_its_cursor():
    async with rig() as made:
        made.write(10)
        lane = made.lane(cursor=cursor(7))
        await until(lambda: lane.buffer.waiting == 3)
        assert (await drained(lane))[0] == [8, 9, 10]


async def test_a_drain_that_is_full_holds_up_nobody_and_loses_nothing():
    async with rig() as made:
        slow, quick = made.lane(), made.lane()
        await until(lambda: len(made.feed._together) == 2)
        got = []
        for _ in range(30):
            made.write(200)
            await until(lambda: quick.buffer.waiting >= 200 or quick.cursor == cursor(len(made.store.entries)))
            while quick.buffer.waiting:
                got += (await drained(quick))[0]
        await until(lambda: quick.cursor == cursor(6000) and not quick.buffer.waiting)
        assert got == list(range(1, 6001))
        assert slow.buffer.waiting <= MOST_MESSAGES and slow.buffer.lost == 0
        got = []
        while len(got) < 6000:
            got += (await drained(slow))[0]
        assert got == list(range(1, 6001))
        await until(lambda: len(made.feed._together) == 2)
        made.write(1)
        for lane in (slow, quick):
            assert (await drained(lane))[0] == [6001]


async def test_a_dead_drain_keeps_the_newest_1024_and_counts_the_rest():
    async with rig() as made:
        dead = made.lane()
        made.write(5000)
        await until(lambda: dead.behind_since is not None)
        made.feed.hurry()
        assert dead.buffer.lost == 0
        made.now = PATIENCE
        made.feed.hurry()
        await until(lambda: made.feed._together == {dead})
        assert (dead.buffer.lost, dead.buffer.waiting) == (5000 - MOST_MESSAGES, MOST_MESSAGES)
        made.write(100)
        got, lost = await drained(dead)
        assert (got[0], lost) == (5000 - MOST_MESSAGES + 1, 5000 - MOST_MESSAGES)
        while got[-1] < 5100:
            more, lost = await drained(dead)
            assert lost == 0
            got += more
        assert got == list(range(5000 - MOST_MESSAGES + 1, 5101))


async def test_what_is_vacuumed_while_a_drain_is_behind_is_counted_by_its_numbers():
    async with rig() as made:
        made.write(100)
        del made.store.entries[:60]
        lane = made.lane(cursor=cursor(20))
        await until(lambda: lane.buffer.waiting == 40)
        assert (lane.buffer.lost, lane.buffer.since) == (40, START + 20)
        assert await drained(lane) == (list(range(61, 101)), 40)
        # And when everything is gone, with what is written next.
        numbers = made.store.entries[-1]
        late = made.lane(cursor=cursor(20))
        made.store.entries[:] = [numbers]
        await until(lambda: late.buffer.waiting == 1)
        assert await drained(late) == ([100], 79)


async def test_filters_and_what_the_log_says_of_the_drain_itself():
    async with rig() as made:
        lane = made.lane(Choice(excluded=("router",)))
        made.store.write("line 1")
        made.store.write("line 2", "router", HOSTD_SOURCE="heroku")
        made.store.write("Error L10 -> Drain d.1 dropped 4", "logplex", HOSTD_SOURCE="heroku")
        made.store.write("line 4", "logplex", HOSTD_SOURCE="heroku")
        made.store.write("line 5", app=None)
        made.store.write("line 6", app=OTHER)
        await until(lambda: lane.cursor == cursor(6))
        assert (await drained(lane))[0] == [1, 4]
        made.store.write("line 7", "router", HOSTD_SOURCE="heroku")
        await until(lambda: lane.cursor == cursor(7))
        assert lane.buffer.cursor == cursor(7)


async def test_what_journald_dropped_of_the_app_is_told():
    async with rig() as made:
        lane = made.lane()
        made.store.write("Suppressed 41 messages from hostd-hello-web.1-v3.service", app=None, _TRANSPORT="driver")
        await until(lambda: lane.buffer.waiting == 1)
        frame = await lane.buffer.take(1 << 30, 0)
        assert "Error L12 (Local buffer overflow) -> 41 messages of web.1 dropped" in frame.items[0].texts[0]


async def test_a_journal_that_cannot_be_read_is_opened_again(monkeypatch):
    monkeypatch.setattr("hostd.logplex.drains.feeds.BROKEN_SECONDS", 0.0)
    async with rig() as made:
        lane = made.lane()
        made.write(3)
        await until(lambda: lane.buffer.waiting == 3)
        made.store.broken = True
        made.write(1)
        await until(lambda: made.store.opened > 3)
        made.store.broken = False
        made.write(1)
        await until(lambda: lane.buffer.waiting == 5)
        assert (await drained(lane))[0] == [1, 2, 3, 4, 5]


async def test_a_drain_joins_others_that_have_read_less_than_it():
    async with rig() as made:
        first = made.lane()
        made.write(3)
        await until(lambda: made.feed._together == {first} and first.buffer.waiting == 3)
        late = made.lane(cursor=cursor(2))
        made.write(2)
        await until(lambda: late.buffer.waiting == 3 and first.buffer.waiting == 5)
        assert (await drained(late))[0] == [3, 4, 5]
        assert (await drained(first))[0] == [1, 2, 3, 4, 5]


async def test_what_journald_removed_before_it_was_read_is_lost_and_counted():
    async with rig() as made:
        made.write(3)
        lane = made.lane()
        await until(lambda: lane.buffer.waiting == 3)
        made.readers[-1].missed = 7
        made.write(1)
        await until(lambda: lane.buffer.waiting == 4)
        assert await drained(lane) == ([1, 2, 3, 4], 7)
