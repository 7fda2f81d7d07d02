"""R14: who uses too much memory, at moments that the test chooses."""

import dataclasses

import pytest
from manager_fakes import FakeEvents, dyno

from hostd.manager import words
from hostd.manager.dyno import DynoState
from hostd.manager.memory import MemoryWatch, used
from hostd.manager.planner import Phase
from hostd.manager.record import Record
from units.cgroups import Usage

MIB = 1 << 20
NOTHING = Usage(None, None, None, None, None, None, None)


class FakeMeter:
    """What each control group uses, in MiB."""

    def __init__(self, **groups):
        self.groups = groups

    def usage(self, control_group):
        mebibytes = self.groups.get(control_group)
        return None if mebibytes is None else dataclasses.replace(NOTHING, rss=mebibytes * MIB)


def up(number, state=DynoState.UP, size="standard-1x"):
    record = Record(dyno(number=number), "app-id", "command", size, state, 1000.0, Phase.UP)
    return record.view(moment=lambda mark: mark)


@pytest.fixture
def bench():
    """A watch over groups that are called as the numbers of their dynos."""
    asked = []

    def control_group(unit):
        asked.append(unit)
        return f"group{unit.partition('.')[2][0]}"

    meter, events = FakeMeter(), FakeEvents()
    watch = MemoryWatch(meter, control_group, events)
    return watch, meter, events, asked


async def test_r14_is_said_again_as_long_as_it_lasts(bench):
    watch, meter, events, asked = bench
    meter.groups = {"group1": 538, "group2": 512}
    for _ in range(2):
        await watch.sample([up(1), up(2)])
    assert events.lines == [
        "worker.1: Process running mem=538M(105.1%)",
        "worker.1: Error R14 (Memory quota exceeded)",
    ] * 2
    assert len(asked) == 2
    meter.groups["group1"] = 100
    events.lines.clear()
    await watch.sample([up(1), up(2)])
    assert events.lines == []


async def test_the_quota_is_that_of_the_size(bench):
    watch, meter, events, _ = bench
    meter.groups = {"group1": 538}
    await watch.sample([up(1, size="standard-2x")])
    assert events.lines == []
    await watch.sample([up(1, size="256m")])
    assert "mem=538M(210.2%)" in events.lines[0]


async def test_only_dynos_that_are_up_are_looked_at(bench):
    watch, meter, events, asked = bench
    meter.groups = {"group1": 9999}
    await watch.sample([up(1, state) for state in DynoState if state is not DynoState.UP])
    assert (events.lines, asked) == ([], [])


async def test_a_dyno_that_is_gone_meanwhile_is_left_out(bench):
    watch, _, events, asked = bench
    await watch.sample([up(1)])
    assert (events.lines, len(asked)) == ([], 1)


def test_what_the_kernel_can_take_back_does_not_count():
    usage = dataclasses.replace(NOTHING, memory=900, rss=60, cache=700, shared=30, swap=5)
    assert used(usage) == 95
    assert used(NOTHING) == 0
    assert words.memory(512 * MIB, 512 * MIB) == []
