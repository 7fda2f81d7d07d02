"""What dynos use, at moments that the test chooses: R14, the lines of log-runtime-metrics, and what others are told."""

import dataclasses

import pytest
from manager_fakes import FakeEvents, dyno

from hostd.manager import words
from hostd.manager.dyno import DynoState
from hostd.manager.load import Load, runnable
from hostd.manager.planner import Phase
from hostd.manager.reading import Run, used
from hostd.manager.record import Record
from hostd.manager.runtime_lines import runtime_lines
from hostd.manager.usage import UsageWatch
from units.cgroups import Usage

MIB = 1 << 20


class FakeMeter:
    """What each control group uses, in MiB, and how its threads have waited."""

    def __init__(self):
        self.groups = {}
        self.cpu = 0.0
        self.waits = {}
        self.walks = 0

    def usage(self, control_group):
        mebibytes = self.groups.get(control_group)
        return None if mebibytes is None else Usage(rss=mebibytes * MIB, cpu_seconds=self.cpu)

    def threads(self, control_group):
        self.walks += 1
        return list(self.waits)

    def waited(self, threads):
        return {thread: self.waits[thread] for thread in threads}


def up(number, state=DynoState.UP, size="standard-1x"):
    record = Record(dyno(number=number), "app-id", "command", size, state, 1000.0, Phase.UP)
    return record.view(moment=lambda mark: mark)


class Bench:
    """A watch over groups that are called as the numbers of their dynos."""

    def __init__(self):
        self.asked, self.now, self.talks = [], 5000.0, False
        self.meter, self.events = FakeMeter(), FakeEvents()
        self.watch = UsageWatch(
            meter=self.meter,
            run_of=self.run_of,
            events=self.events,
            talks=lambda app_id: self.talks and app_id == "app-id",
            clock=lambda: self.now,
            wall=lambda: self.now + 1e9,
            pause=self.pause,
        )
        self.pauses = []
        self.heard = []
        self.watch.listeners.append(self.heard.append)

    async def pause(self, seconds):
        self.pauses.append(seconds)

    def run_of(self, unit):
        self.asked.append(unit)
        return Run(f"group{unit.partition('.')[2][0]}", "run-id")


@pytest.fixture
def bench():
    return Bench()


async def test_r14_is_said_again_as_long_as_it_lasts(bench):
    bench.meter.groups = {"group1": 538, "group2": 512}
    for _ in range(2):
        await bench.watch.sample([up(1), up(2)])
    assert bench.events.lines == [
        "worker.1: Process running mem=538M(105.1%)",
        "worker.1: Error R14 (Memory quota exceeded)",
    ] * 2
    assert len(bench.asked) == 2
    bench.meter.groups["group1"] = 100
    bench.events.lines.clear()
    await bench.watch.sample([up(1), up(2)])
    assert bench.events.lines == []


async def test_the_quota_is_that_of_the_size(bench):
    bench.meter.groups = {"group1": 538}
    await bench.watch.sample([up(1, size="standard-2x")])
    assert bench.events.lines == []
    await bench.watch.sample([up(1, size="256m")])
    assert "mem=538M(210.2%)" in bench.events.lines[0]


async def test_only_dynos_that_are_up_are_looked_at(bench):
    bench.meter.groups = {"group1": 9999}
    await bench.watch.sample([up(1, state) for state in DynoState if state is not DynoState.UP])
    assert (bench.events.lines, bench.asked, bench.heard) == ([], [], [])
    assert bench.watch.look([up(1, DynoState.CRASHED)]) == []


async def test_a_dyno_that_is_gone_meanwhile_is_left_out(bench):
    await bench.watch.sample([up(1)])
    assert (bench.events.lines, bench.heard, len(bench.asked)) == ([], [], 1)


async def test_the_same_samples_are_for_r14_the_log_and_metrics(bench):
    bench.talks = True
    bench.meter.groups = {"group1": 538}
    await bench.watch.sample([up(1)])
    whose = "worker.1: source=worker.1 dyno=heroku.app-id.run-id"
    assert bench.events.lines == [
        f"{whose} sample#load_avg_1m=0.00 sample#load_avg_5m=0.00 sample#load_avg_15m=0.00",
        f"{whose} sample#memory_total=538.00MB sample#memory_rss=538.00MB sample#memory_cache=0.00MB "
        "sample#memory_swap=0.00MB sample#memory_quota=512.00MB",
        "worker.1: Process running mem=538M(105.1%)",
        "worker.1: Error R14 (Memory quota exceeded)",
    ]
    [reading] = bench.heard
    assert (reading.memory >> 20, reading.quota >> 20, reading.span, reading.at) == (538, 512, 0, 1e9 + 5000)


async def test_many_dynos_that_talk_do_so_a_few_at_a_time(bench):
    await bench.watch.sample([up(number) for number in range(25)])
    assert not any(bench.pauses)
    bench.talks = True
    bench.pauses.clear()
    await bench.watch.sample([up(number) for number in range(25)])
    assert [place for place, seconds in enumerate(bench.pauses) if seconds] == [9, 19]


async def test_the_load_is_what_was_run_and_what_was_waited(bench):
    bench.meter.groups, bench.meter.waits = {"group1": 1}, {7: 10**9, 8: 0}
    bench.meter.cpu = 100.0
    await bench.watch.sample([up(1)])
    bench.now += 20
    bench.meter.cpu, bench.meter.waits = 105.0, {7: 10**9, 8: 0}
    await bench.watch.sample([up(1)])
    # Nobody had looked at its threads before: what they had waited by then may be long ago.
    assert bench.heard[-1].load == Load().after(0.25, 20.0)
    bench.now += 20
    bench.meter.cpu, bench.meter.waits = 125.0, {7: 6 * 10**9, 8: 0, 9: 15 * 10**9}
    await bench.watch.sample([up(1)])
    assert bench.heard[-1].load == Load().after(0.25, 20.0).after(2.0, 20.0)
    assert (bench.heard[-1].cpu, bench.heard[-1].span) == (20.0, 20.0)


async def test_threads_of_a_dyno_that_rests_are_not_looked_at(bench):
    bench.meter.groups, bench.meter.waits = {"group1": 1}, {7: 5}
    for _ in range(5):
        await bench.watch.sample([up(1)])
        bench.now += 20
    assert bench.meter.walks == 1


async def test_who_looks_on_gets_the_time_since_the_last_look(bench):
    bench.meter.groups, bench.meter.cpu = {"group1": 64}, 10.0
    await bench.watch.sample([up(1)])
    bench.now, bench.meter.cpu = bench.now + 5, 11.0
    [view] = bench.watch.look([up(1)])
    assert (view.span, view.cpu, view.memory >> 20) == (5.0, 1.0, 64)
    bench.now, bench.meter.cpu = bench.now + 0.5, 99.0
    assert bench.watch.look([up(1)]) == [view]
    bench.now, bench.meter.cpu = bench.now + 1.5, 13.0
    [view] = bench.watch.look([up(1)])
    assert (view.span, view.cpu) == (2.0, 2.0)
    assert len(bench.heard) == 1
    assert bench.watch.latest([up(1), up(2)]) == bench.heard
    # A look on does not take away what the samples are of.
    bench.now, bench.meter.cpu = bench.now + 13, 20.0
    await bench.watch.sample([up(1)])
    assert (bench.heard[-1].span, bench.heard[-1].cpu) == (20.0, 10.0)


async def test_a_dyno_that_nobody_has_looked_at_says_nothing_of_the_time_before(bench):
    bench.meter.groups, bench.meter.cpu = {"group1": 64}, 1000.0
    [view] = bench.watch.look([up(1)])
    assert (view.span, view.cpu) == (0.0, 0.0)


def test_load_averages_fade_as_the_kernels():
    """kernel/sched/loadavg.c: EXP_1 is 1884, EXP_5 2014 and EXP_15 2037 of 2048, for counts of five seconds."""
    load = Load().after(1.0, 5.0)
    wanted = [1 - kept / 2048 for kept in (1884, 2014, 2037)]
    assert [load.one, load.five, load.fifteen] == pytest.approx(wanted, abs=3e-4)
    for _ in range(11):
        load = load.after(1.0, 5.0)
    # One task for a minute: 0.63, as everybody who has watched uptime(1) knows.
    assert (load.one, load.five, load.fifteen) == pytest.approx((0.632, 0.181, 0.064), abs=1e-3)
    assert load.after(0.0, 60.0).one == pytest.approx(0.632 / 2.718, abs=1e-3)


@pytest.mark.parametrize(("step", "times"), [(5.0, 12), (20.0, 3), (60.0, 1)])
def test_it_does_not_matter_how_often_the_load_is_looked_at(step, times):
    load = Load()
    for _ in range(times):
        load = load.after(3.0, step)
    assert load.one == pytest.approx(3 * 0.63212, abs=1e-4)


@pytest.mark.parametrize(
    ("ran", "before", "now", "count"),
    [
        (0.0, {}, {}, 0.0),
        (10.0, {1: 0}, {1: 0}, 1.0),
        (10.0, {1: 5 * 10**9}, {1: 15 * 10**9}, 2.0),
        (0.0, {1: 5 * 10**9, 2: 10**9}, {2: 10**9}, 0.0),  # a thread has ended
        (0.0, {1: 50 * 10**9}, {1: 5 * 10**9}, 0.5),  # its number is another thread's now
    ],
)
def test_runnable_tasks(ran, before, now, count):
    assert runnable(ran, before, now, 10.0) == pytest.approx(count)


async def test_the_lines_are_heroku_s(bench):
    bench.meter.groups = {"group1": 21}
    await bench.watch.sample([up(1)])
    usage = Usage(
        rss=22_250_783, cache=1 << 20, swap=512 << 10, shared=0, pages_in=348836, pages_out=343403, cpu_seconds=1.0
    )
    reading = dataclasses.replace(bench.heard[0], usage=usage, load=Load(0.0149, 2.5, 11.0))
    assert runtime_lines(reading) == [
        "source=worker.1 dyno=heroku.app-id.run-id"
        " sample#load_avg_1m=0.01 sample#load_avg_5m=2.50 sample#load_avg_15m=11.00",
        "source=worker.1 dyno=heroku.app-id.run-id"
        " sample#memory_total=22.72MB sample#memory_rss=21.22MB sample#memory_cache=1.00MB sample#memory_swap=0.50MB"
        " sample#memory_pgpgin=348836pages sample#memory_pgpgout=343403pages sample#memory_quota=512.00MB",
    ]


def test_what_the_kernel_can_take_back_does_not_count():
    assert used(Usage(rss=60, cache=700, shared=30, swap=5)) == 95
    assert used(Usage()) == 0
    assert words.memory(512 * MIB, 512 * MIB) == []
