"""The keeper of one app: what it makes of dynos that an earlier hostd left, and of steps that meet."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from manager_fakes import APP_ID, Bench, desired, dyno

from hostd.manager.boot import Trouble
from hostd.manager.desired import DesiredProcess
from router.table import State


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@contextlib.asynccontextmanager
async def kept(bench, *dynos):
    """A keeper at work that has adopted these dynos."""
    keeper = bench.keeper()
    await keeper.adopt(list(dynos))
    keeper.start()
    try:
        yield keeper
    finally:
        await keeper.close()


async def test_a_running_dyno_is_adopted_in_silence(bench):
    bench.launcher.units[dyno().unit] = "active"
    async with kept(bench, dyno()) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
        assert bench.events.lines == []
        assert bench.launcher.launches == []


async def test_a_dyno_that_was_just_being_started_is_adopted_too(bench):
    bench.launcher.units[dyno().unit] = "activating"
    async with kept(bench, dyno()) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
        assert bench.launcher.launches == []


async def test_a_dyno_that_logs_where_older_versions_kept_their_logs_is_replaced_once(bench):
    bench.launcher.units[dyno().unit] = "active"
    bench.launcher.logging_elsewhere.add(dyno().unit)
    async with kept(bench, dyno()) as keeper:
        await bench.launched()
        await bench.until(keeper, {"worker.1 v2": "up"})
    assert bench.events.lines[0] == "worker.1: Restarting to log where this version of hostd keeps its log"
    assert bench.launcher.launches == [dyno().unit]


async def test_a_stop_that_an_earlier_hostd_began_is_finished(bench):
    bench.launcher.units[dyno().unit] = "deactivating"
    async with kept(bench, dyno()):
        await bench.launched()
    assert bench.events.lines[:3] == [
        "worker.1: Stopping all processes with SIGTERM",
        "worker.1: Process exited with status 143",
        "worker.1: State changed from up to down",
    ]


async def test_a_dyno_that_is_told_to_end_is_shown_so(bench):
    async with kept(bench) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
        assert [shown.stopping for shown in keeper.dynos()] == [False]
        stop = asyncio.create_task(keeper.stop_dynos(lambda _record: True))
        await asyncio.sleep(0)
        assert [shown.stopping for shown in keeper.dynos()] == [True]
        await stop


async def test_a_dyno_that_ended_while_nobody_looked_has_crashed_and_is_started_anew(bench):
    bench.launcher.units[dyno().unit] = "failed"
    async with kept(bench, dyno()) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
    assert "worker.1: State changed from starting to crashed" in bench.events.lines
    assert bench.launcher.launches == [dyno().unit]


async def test_a_dyno_that_cannot_be_started_has_crashed_each_time(bench):
    bench.launcher.failures = 2
    async with kept(bench) as keeper:
        while len(bench.launcher.launches) < 2:
            await asyncio.sleep(0)
        await bench.until(keeper, {"worker.1 v2": "crashed"})
    for before in ("created", "crashed"):
        assert f"worker.1: State changed from {before} to starting" in bench.events.lines
    assert bench.events.lines[-3:] == [
        "worker.1: Error: the dyno could not be started: the slug is gone",
        "worker.1: Process exited with status 1",
        "worker.1: State changed from starting to crashed",
    ]


async def test_a_dyno_is_not_stopped_before_its_cancelled_launch_has_cleared_up(bench):
    bench.launcher.may_start.clear()
    bench.launcher.may_clear.clear()
    async with kept(bench) as keeper:
        await bench.launched()
        bench.wanted = desired(worker=0)
        keeper.nudge()
        for _ in range(20):
            await asyncio.sleep(0)
        bench.launcher.may_clear.set()
        await bench.until(keeper, {})
        bench.launcher.may_start.set()
        bench.wanted = desired(worker=1)
        keeper.nudge()
        await bench.until(keeper, {"worker.1 v2": "up"})
    assert bench.launcher.clashes == []


async def test_a_step_that_failed_is_tried_again(bench, monkeypatch):
    monkeypatch.setattr("hostd.manager.keeper._AGAIN_SECONDS", 0.01)
    bench.launcher.units[dyno(version=1).unit] = "active"
    bench.launcher.refusals = 1
    bench.wanted = desired(worker=0)
    async with kept(bench, dyno(version=1)) as keeper:
        await bench.until(keeper, {})
    assert bench.launcher.units == {}


async def test_a_restart_is_done_when_the_old_dynos_have_ended(bench):
    bench.launcher.units[dyno().unit] = "active"
    async with kept(bench, dyno()) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
        assert await keeper.stop_dynos(lambda _record: True) == 1
        assert "worker.1: Process exited with status 143" in bench.events.lines
        await bench.until(keeper, {"worker.1 v2": "up"})


async def test_a_dyno_gets_the_size_that_is_wanted_now(bench):
    bench.launcher.units[dyno().unit] = "active"
    async with kept(bench, dyno(size="eco")) as keeper:
        await bench.launched()
        await bench.until(keeper, {"worker.1 v2": "up"})
        assert [known.size for known in keeper.dynos()] == ["standard-1x"]
        bench.wanted = desired(size="standard-2x")
        keeper.nudge()
        while [known.size for known in keeper.dynos()] != ["standard-2x"]:
            await asyncio.sleep(0)
    assert bench.events.lines[0] == "worker.1: Restarting with its new size"


async def test_a_dyno_that_has_run_for_a_day_is_replaced(bench):
    bench.launcher.units[dyno().unit] = "active"
    async with kept(bench, dyno()) as keeper:
        bench.now += 1048
        keeper.nudge()
        await bench.until(keeper, {"worker.1 v2": "up"})
        assert bench.launcher.launches == []
        bench.now += 1
        keeper.nudge()
        await bench.launched()
        await bench.until(keeper, {"worker.1 v2": "up"})
    assert bench.events.lines[:2] == ["worker.1: Cycling", "worker.1: Stopping all processes with SIGTERM"]


async def test_a_dyno_that_somebody_stopped_is_started_again_and_has_not_crashed(bench):
    async with kept(bench) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
        for _ in range(3):
            bench.launcher.units.clear()
            bench.events.lines.clear()
            keeper.nudge(dyno().unit)
            while not bench.launcher.units:
                await asyncio.sleep(0)
            await bench.until(keeper, {"worker.1 v2": "up"})
            assert bench.events.lines[:3] == [
                "worker.1: Stopped from outside hostd, as with systemctl stop",
                "worker.1: State changed from up to down",
                "worker.1: Starting process with command `python work.py`",
            ]


async def test_a_dyno_that_somebody_restarted_is_started_on_fresh_files(bench):
    async with kept(bench) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
        bench.events.lines.clear()
        bench.launcher.launches.clear()
        bench.launcher.by_hand.add(dyno().unit)
        keeper.nudge(dyno().unit)
        await bench.launched()
        await bench.until(keeper, {"worker.1 v2": "up"})
    assert bench.events.lines[:3] == [
        "worker.1: Restarted from outside hostd, as with systemctl restart: it is started on fresh files",
        "worker.1: State changed from up to down",
        "worker.1: Starting process with command `python work.py`",
    ]


async def test_a_dyno_that_somebody_changed_is_replaced_by_one_as_it_was(bench):
    async with kept(bench) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
        bench.events.lines.clear()
        bench.launcher.launches.clear()
        keeper.changed(dyno().unit)
        await bench.launched()
        await bench.until(keeper, {"worker.1 v2": "up"})
    assert bench.events.lines[:2] == [
        "worker.1: Changed from outside hostd, as with systemctl set-property: restarting as it was",
        "worker.1: Stopping all processes with SIGTERM",
    ]


async def test_a_machine_that_is_shut_down_takes_its_dynos_along_in_silence(bench):
    async with kept(bench) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
        bench.events.lines.clear()
        bench.launcher.launches.clear()
        bench.launcher.ending = True
        bench.launcher.units.clear()
        for _ in range(20):
            keeper.nudge(dyno().unit)
            await asyncio.sleep(0)
    assert (bench.events.lines, bench.launcher.launches) == ([], [])


async def test_what_systemd_did_while_nobody_looked_is_told(bench):
    bench.launcher.units[dyno().unit] = "active"
    bench.launcher.restarted[dyno().unit] = 2
    async with kept(bench, dyno()) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
    assert bench.events.lines == ["worker.1: Process exited 2 times while hostd was away; systemd restarted it"]


async def test_what_systemd_did_while_hostd_was_busy_is_told_too(bench):
    async with kept(bench) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
        bench.launcher.restarted[dyno().unit] = 1
        keeper.nudge(dyno().unit)
        while bench.launcher.restarted:
            await asyncio.sleep(0)
    assert bench.events.lines[-1] == "worker.1: Process exited while hostd was away; systemd restarted it"


async def test_an_app_that_has_no_dyno_leaves_the_router_at_its_end(bench):
    bench.wanted = desired(worker=0)
    async with kept(bench) as keeper:
        bench.wanted = None
        await keeper.end()
    assert bench.routing.published[-1] == {}


async def test_an_app_ends_when_its_last_dyno_has(bench):
    async with kept(bench) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
        bench.wanted = None
        await keeper.end()
    assert bench.launcher.units == {}
    assert bench.routing.published[-1] == {}


async def test_a_dyno_that_is_killed_for_a_reason_is_started_anew_and_the_reason_is_told(bench):
    async with kept(bench) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up"})
        bench.launcher.launches.clear()
        keeper.crash(dyno().unit, Trouble(["Error: too much"], "too much on disk"))
        await bench.launched()
        await bench.until(keeper, {"worker.1 v2": "up"})
        assert "worker.1: Error: too much" in bench.events.lines
        assert "worker.1: State changed from up to crashed" in bench.events.lines
        keeper.crash("hostd-other-web.1-v1.service", Trouble([], "is none of ours"))


async def test_an_app_that_sleeps_shows_idle_web_dynos_and_is_woken_by_the_ledger(bench):
    bench.launcher.units[dyno().unit] = "active"
    web = DesiredProcess("web", "python app.py", 2, "standard-1x")
    awake = replace(bench.wanted, processes=(web, *bench.wanted.processes))
    bench.wanted = replace(awake, idled_at=1.0)
    async with kept(bench, dyno()) as keeper:
        await bench.until(keeper, {"worker.1 v2": "up", "web.1 v2": "idle", "web.2 v2": "idle"})
        assert (keeper.dynos()[1].since, keeper.dynos()[1].command) == (1.0, "python app.py")
        assert bench.routing.apps[APP_ID].state is State.IDLE
        assert bench.launcher.launches == []
        bench.launcher.may_start.clear()
        bench.wanted = awake
        keeper.nudge()
        await bench.until(keeper, {"worker.1 v2": "up", "web.1 v2": "created", "web.2 v2": "created"})
        await bench.launched()
        bench.launcher.may_start.set()


async def test_the_router_knows_of_a_new_name_when_the_call_ends(bench):
    bench.launcher.units[dyno().unit] = "active"
    async with kept(bench, dyno()) as keeper:
        bench.wanted = replace(desired(), hosts=("hello.localhost", "www.shop.de"))
        await keeper.route()
        assert bench.routing.published[-1][APP_ID].hosts == ("hello.localhost", "www.shop.de")
        bench.wanted = replace(desired(), maintenance=True)
        await keeper.route()
        assert bench.routing.published[-1][APP_ID].state is State.MAINTENANCE
