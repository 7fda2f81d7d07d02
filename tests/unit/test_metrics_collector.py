"""The collector: every request counted once, whoever is killed in between."""

import dataclasses

import pytest
from manager_fakes import dyno
from metrics_kit import NOON, FakeCounts, FakeLooker

from hostd.manager.dyno import DynoState
from hostd.manager.load import Load
from hostd.manager.planner import Phase
from hostd.manager.reading import Reading, Run
from hostd.manager.record import Record
from hostd.metrics.collector import Collector
from hostd.metrics.losses import Loss
from hostd.metrics.points import Points, Stretch
from hostd.metrics.store import Store
from hostd.metrics.tally import Tally
from units.cgroups import Usage

MIB = 1 << 20
ALWAYS = Stretch(0, 2**40, 60, "app")


class FakeLosses:
    """Losses that the test says; `until` is when they were last looked for."""

    def __init__(self):
        self.until, self.told = 0, []

    async def look(self, now):
        since, self.until = self.until, int(now)
        return [loss for loss in self.told if since <= loss.at < self.until]


class Bench:
    """A collector that can be killed; the store, the router and the journals live on."""

    def __init__(self, file):
        self.file, self.router, self.now = file, FakeCounts(), NOON + 5.0
        self.losses = FakeLosses()
        self.collector = self.start_anew()

    def start_anew(self):
        self.collector = Collector(
            store=Store(self.file, 1 << 30),
            router=self.router,
            usage=FakeLooker(),
            tally=Tally(),
            losses=self.losses,
            clock=lambda: self.now,
        )
        return self.collector

    async def minute(self):
        """The minute is over."""
        self.now = self.now // 60 * 60 + 60.1
        await self.collector.write()
        self.now += 5

    async def requests(self):
        self.now += 1.1
        points = await self.collector.history(ALWAYS)
        return {point.at - NOON: point.requests for point in points.traffic}


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path / "metrics.db")
    yield bench
    bench.collector.store.close()


def reading(bench, megabytes=100, cpu=2.0, span=20.0, name=1):
    record = Record(dyno(number=name), "app", "command", "standard-1x", DynoState.UP, 1000.0, Phase.UP)
    usage = Usage(rss=megabytes * MIB, swap=0, cpu_seconds=9.0)
    return Reading(record.view(), Run("/group", "id"), usage, bench.now, span, cpu, Load(0.5, 0.2, 0.1))


async def test_each_request_is_counted_in_its_minute(bench):
    bench.router.count(3)
    assert await bench.requests() == {0: 3}
    bench.router.count(5)
    await bench.minute()
    bench.router.count(5, bad=2, H12=2)
    assert await bench.requests() == {0: 5, 60: 2}
    assert [(each.at - NOON, each.what, each.times) for each in (await bench.collector.history(ALWAYS)).counts] == [
        (60, "H12", 2)
    ]
    await bench.minute()
    assert bench.collector.store.minutes("app", "requests", NOON, NOON + 120) == {NOON: 5, NOON + 60: 2}
    assert bench.collector.store.minutes("app", "errors", NOON, NOON + 120) == {NOON: 0, NOON + 60: 2}


async def test_two_who_ask_at_once_count_once(bench):
    bench.router.count(3)
    await bench.collector.count()
    bench.router.count(4)
    await bench.collector.count()
    assert await bench.requests() == {0: 4}


async def test_a_hostd_that_was_killed_counts_on(bench):
    await bench.collector.start()
    bench.router.count(100)
    await bench.minute()
    bench.router.count(107)
    await bench.collector.count()
    await bench.collector.close()
    bench.collector._task = None
    for good in (110, 115):
        # Killed: nothing was written since.
        bench.start_anew()
        await bench.collector.start()
        bench.router.count(good)
        await bench.collector.count()
        bench.collector._task.cancel()
        bench.collector.store.close()
    bench.start_anew()
    await bench.collector.start()
    await bench.minute()
    assert sum(bench.collector.store.minutes("app", "requests", 0, 2**40).values()) == 115
    await bench.collector.close()


async def test_a_worker_that_was_restarted_loses_what_it_counted_last_and_nothing_else(bench):
    bench.router.count(100)
    await bench.minute()
    bench.router.count(4, run="second")
    await bench.minute()
    assert list((await bench.requests()).values()) == [100, 4]


async def test_a_worker_that_ran_before_metrics_were_kept_is_counted_from_now_on(bench):
    bench.router.count(10_000, uptime=86_400.0)
    await bench.minute()
    bench.router.count(10_007, uptime=86_460.0)
    await bench.minute()
    assert await bench.requests() == {60: 7}


async def test_a_worker_that_does_not_answer_is_counted_when_it_does(bench):
    bench.router.count(3)
    await bench.minute()
    kept, bench.router.workers = bench.router.workers, {}
    await bench.minute()
    bench.router.workers = kept
    bench.router.count(5)
    await bench.minute()
    assert await bench.requests() == {0: 3, 120: 2}


async def test_a_worker_of_the_version_before_is_counted_once_it_is_replaced(bench, caplog):
    bench.router.count(3)
    old = bench.router.workers["1"]
    # What a worker said before `run` and `uptime` were added.
    bench.router.workers = {"1": {key: old[key] for key in ("apps",)} | {"statuses": {}, "faults": {}, "dynos": []}}
    for _ in range(3):
        await bench.minute()
    [said] = caplog.messages
    assert said == "router worker 1 is not of this version, and counted when it is: its answer has no 'run'"
    assert (await bench.requests(), bench.collector.held, bench.collector.in_flight) == ({}, {}, {})
    bench.router.count(3, run="second")
    assert list((await bench.requests()).values()) == [3]
    bench.router.workers["1"].pop("run")
    await bench.minute()
    assert len(caplog.messages) == 2


async def test_an_answer_that_makes_no_sense_is_left_out(bench, caplog):
    bench.router.workers = {"1": {"apps": []}, "2": {"run": "x", "uptime": 1, "apps": [{"id": "app"}]}}
    await bench.minute()
    assert await bench.requests() == {}
    assert "worker 1" in caplog.text
    assert "worker 2" in caplog.text


@pytest.mark.parametrize("strange", [[], {"run": "x", "uptime": 1, "apps": 3}, {"run": "x", "uptime": "1", "apps": []}])
async def test_a_strange_answer_spoils_no_other_workers(bench, strange):
    bench.router.count(3)
    bench.router.workers["0"] = strange
    assert list((await bench.requests()).values()) == [3]
    assert bench.collector.in_flight == {("app", "web.1"): 2}


async def test_what_journald_dropped_is_counted_in_its_minute_by_who_comes_after_a_kill_too(bench):
    bench.losses.until = NOON
    bench.losses.told = [Loss("app", "web.1", NOON + 3), Loss("app", "run.4711", NOON + 30)]
    await bench.minute()
    bench.losses.told.append(Loss("app", "web.1", NOON + 70))
    bench.now += 60
    await bench.collector.count()
    assert bench.collector.tally.total == {("app", "web.1", "L12"): 2, ("app", "run", "L12"): 1}
    # Killed, and only the first two were written.
    bench.collector.store.close()
    bench.losses.until = 0
    bench.start_anew()
    await bench.collector.start()
    bench.now += 600
    await bench.minute()
    await bench.collector.close()
    counted = bench.collector.store.minutes("app", "L12", NOON, NOON + 3600)
    assert {at - NOON: count for at, count in counted.items() if count} == {0: 2, 60: 1}
    assert bench.collector._counted.keys() <= {"1"}


async def test_what_dynos_use_is_kept_by_the_minute(bench):
    for megabytes in (100, 300, 200):
        bench.collector.add(reading(bench, megabytes))
        bench.now += 18
    await bench.minute()
    [used] = (await bench.collector.history(ALWAYS)).used
    assert (used.at, used.dyno, used.memory >> 10, used.most >> 10, used.quota) == (NOON, "worker.1", 200, 300, 512)
    assert (used.cpu, used.span, used.load) == (6000, 60_000, 50)


async def test_what_cannot_be_written_is_written_later(bench, caplog):
    bench.file.mkdir()
    bench.router.count(3, H12=1)
    bench.collector.add(reading(bench))
    await bench.minute()
    bench.router.count(5, H12=1)
    bench.collector.tally.hear("app", "worker.1", "State changed from up to crashed")
    await bench.minute()
    assert caplog.text.count("cannot be kept") == 1
    bench.file.rmdir()
    await bench.minute()
    minutes = bench.collector.store.minutes
    assert minutes("app", "requests", 0, 2**40) == {NOON: 3, NOON + 60: 2, NOON + 120: 0}
    assert minutes("app", "restarts", 0, 2**40) == {NOON: 0, NOON + 60: 1, NOON + 120: 0}
    assert minutes("app", "memory", 0, 2**40) == {NOON: 100}
    assert bench.collector.store.baselines()["1"].keys() == {"", "app"}


async def test_what_cannot_be_written_for_long_is_forgotten(bench):
    bench.file.mkdir()
    bench.router.count(3)
    await bench.minute()
    for _ in range(70):
        await bench.minute()
    bench.file.rmdir()
    await bench.minute()
    assert len(bench.collector.store.minutes("app", "requests", 0, 2**40)) <= 62
    assert bench.collector._new == Points()


async def test_a_store_that_was_lost_gets_what_workers_counted_anew(bench):
    bench.router.count(3)
    await bench.minute()
    bench.collector.store.close()
    bench.file.write_bytes(b"no database" * 100)
    assert bench.collector.store.minutes("app", "requests", 0, 2**40) == {}
    await bench.minute()
    assert bench.collector.store.baselines()["1"].keys() == {"", "app"}


async def test_since_when_an_app_is_known(bench):
    assert await bench.collector.born("app") is None
    bench.collector.add(reading(bench))
    assert await bench.collector.born("app") == NOON
    await bench.minute()
    assert await bench.collector.born("app") == NOON


async def test_totals_go_on_over_a_worker_s_restart(bench):
    bench.router.count(5, H12=2)
    await bench.collector.count()
    bench.now += 2
    bench.router.count(1, run="second", H12=1)
    await bench.collector.count()
    [numbers] = bench.collector.totals.numbers.values()
    assert (numbers[1], bench.collector.totals.codes["app", "H12"]) == (6, 3)
    assert (bench.collector.in_flight["app", "web.1"], bench.collector.held["app"]) == (2, 3)


def test_a_reading_of_a_one_off_dyno_goes_by_its_type(bench):
    one_off = dataclasses.replace(reading(bench).dyno, name="run.4821", type="run", number=4821)
    bench.collector.add(dataclasses.replace(reading(bench), dyno=one_off))
    assert [point.dyno for point in bench.collector._new.used] == ["run"]
