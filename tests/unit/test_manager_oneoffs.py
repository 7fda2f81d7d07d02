"""One-off dynos: how they end, whoever ends them, and the release phase."""

import asyncio
import os
from dataclasses import replace

import pytest
from manager_fakes import APP_ID, Bench, desired

from hostd.errors import Conflict
from hostd.events import Subject
from hostd.manager.dyno import DynoId, DynoState, Place
from hostd.manager.oneoffs import OneOffs
from hostd.manager.session_files import SessionFiles


class FakeHearer:
    """Keeps what is heard; the end is said in the log."""

    def __init__(self, bench):
        self.bench, self.heard = bench, b""

    def begins(self, process):
        self.process = process

    async def hear(self, piece):
        self.heard += piece

    async def ends(self):
        self.bench.events.platform(Subject(APP_ID), self.process, "heard out")


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def make(bench, **seconds):
    """The one-off dynos of a hostd; a second one is a hostd that was restarted."""
    return OneOffs(bench.tools, lambda _app_id: bench.wanted, SessionFiles(bench.directory / "sessions"), **seconds)


@pytest.fixture
async def one_offs(bench):
    return make(bench)


async def detached(one_offs):
    return (await one_offs.run_detached(APP_ID, "sleep 1", env={}, size=None)).dyno


async def test_a_dyno_that_is_stopped_ends_with_the_status_of_its_stop(bench, one_offs):
    dyno = await detached(one_offs)
    stopping = asyncio.create_task(one_offs.stop(APP_ID, dyno.name))
    await asyncio.sleep(0)
    one_offs.nudge(dyno.unit)
    assert await stopping == 1
    assert one_offs.status(dyno.unit) == 143


async def test_a_launch_that_is_cancelled_leaves_no_dyno(bench, one_offs):
    bench.launcher.may_start.clear()
    launching = asyncio.create_task(detached(one_offs))
    await bench.launched()
    launching.cancel()
    await asyncio.gather(launching, return_exceptions=True)
    assert bench.launcher.units == {}
    assert [dyno for dyno in one_offs.dynos(APP_ID) if dyno.state is DynoState.STARTING] == []


async def test_a_dyno_whose_app_has_ended_cannot_be_attached_to(bench, one_offs):
    made = one_offs.run_attached(APP_ID, "bash", env={}, size=None)
    assert made.attach_token
    await one_offs.stop(APP_ID, None)
    assert await one_offs.attach(made.attach_token, (0, 1, 2)) is None
    assert bench.launcher.launches == []


async def test_a_dyno_of_an_earlier_hostd_is_asked_for_its_end(bench, one_offs):
    dyno = DynoId("hello", "run", 4711, 2, Place("127.0.0.1", 20050))
    bench.launcher.units[dyno.unit] = "active"
    one_offs.adopt(APP_ID, dyno)
    bench.launcher.units[dyno.unit] = "failed"
    one_offs.nudge(dyno.unit)
    assert one_offs.status(dyno.unit) == 1


async def test_an_app_without_code_runs_nothing_but_its_first_release_phase(bench, one_offs):
    bench.wanted = replace(desired(), slug_id=None)
    with pytest.raises(Conflict, match="push to it first"):
        await detached(one_offs)
    hearer = FakeHearer(bench)
    running = asyncio.create_task(
        one_offs.run_captured(
            APP_ID, "migrate", slug_id="new", config={}, type_="release", version=3, hearer=hearer, stack="host"
        )
    )
    await bench.launched()
    (unit,) = bench.launcher.launches
    assert unit.startswith("hostd-hello-release.") and unit.endswith("-v3.service")
    while one_offs.dynos(APP_ID)[0].state is not DynoState.UP:
        await asyncio.sleep(0)
    os.write(bench.launcher.outputs[unit], b"no line end")
    bench.launcher.units[unit] = "failed"
    one_offs.nudge(unit)
    assert await running == 1
    assert hearer.heard == b"no line end"
    told = [line.partition(": ")[2] for line in bench.events.lines[-3:]]
    assert told == ["heard out", "Process exited with status 1", "State changed from up to complete"]
