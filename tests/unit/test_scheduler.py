"""The scheduler: what it runs, what it remembers, and what it makes of a hostd that was killed in between."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from ledger_kit import with_ledger
from manager_fakes import Bench

from hostd.errors import Conflict, Unavailable
from hostd.ledger import Ledger
from hostd.manager.dyno import DynoId, Place
from hostd.manager.oneoffs import OneOffs
from hostd.manager.session_files import SessionFiles
from hostd.scheduler.scheduler import Scheduler
from hostd.scheduler.timers import Alarm
from units.systemd import ANY_UNIT

TEN = datetime(2026, 11, 23, 10, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SECONDS = 5.0


class Clock:
    def __init__(self):
        self.at = TEN - MINUTE

    def __call__(self):
        return self.at


class FakeTimers:
    alarms, armed = (), frozenset({"hostd-schedule@hello.1.timer"})

    async def keep(self, alarms):
        self.alarms = tuple(alarms)


class Rig:
    """A ledger with one app and one hourly job, a dyno manager without systemd, and one scheduler after the other."""

    def __init__(self, directory):
        self.clock, self.bench, self.timers = Clock(), Bench(directory / "faults"), FakeTimers()
        self.ledger = Ledger.open(with_ledger(directory / "master"), clock=self.clock)
        self.user = self.ledger.users.add("kate@example.com")
        self.app = self.ledger.apps.create("hello", self.user.id)
        self.job = self.add()
        self.boot()

    def add(self, catch_up="one", every="hourly"):
        job = {"command": "rake clean", "every": every, "timezone": "UTC", "size": "standard-2x", "most": 9}
        return self.ledger.jobs.add(self.app.id, catch_up=catch_up, **job)

    def boot(self):
        """What a new hostd begins with: the ledger, and units that run."""
        files = SessionFiles(self.bench.directory / "sessions")
        self.one_offs = OneOffs(self.bench.tools, lambda _: self.bench.wanted, files)
        self.scheduler = Scheduler(
            ledger=self.ledger,
            one_offs=self.one_offs,
            timers=self.timers,
            events=Log(self.bench.events),
            clock=self.clock,
        )

    async def restart(self):
        """Let hostd end and another one begin, which adopts the units there are."""
        await self.scheduler.close()
        self.boot()
        for unit in list(self.bench.launcher.units):
            number = int(unit.partition("scheduler.")[2].partition("-")[0])
            self.one_offs.adopt(self.app.id, DynoId("hello", "scheduler", number, 2, Place("127.0.0.1", 20050)))
        self.scheduler.start()

    async def at(self, moment):
        """Let it be that time, and wait until the scheduler has looked and started what it wants to."""
        self.clock.at = moment
        self.timers.alarms = None
        self.scheduler.nudge()
        async with asyncio.timeout(SECONDS):
            while self.timers.alarms is None or self.scheduler._launching:
                await asyncio.sleep(0)

    def runs(self):
        """The runs of the job, oldest first: when they were due, whether they run, and how they ended."""
        return [
            (run.due_at and run.due_at.hour, "running" if run.ended_at is None else run.exit_status)
            for run in reversed(self.ledger.job_runs.list(self.job.id))
        ]

    def end(self, state="failed"):
        """Let the dyno that runs end."""
        (unit,) = self.bench.launcher.units
        self.bench.launcher.units[unit] = state
        self.one_offs.nudge(unit)

    def said(self, text):
        return [line for line in self.bench.events.lines if text in line]


class Log:
    def __init__(self, events):
        self._events = events

    def platform(self, app, process, text):
        self._events.platform(app, process, text)

    def api(self, app, text):
        self.platform(app, "api", text)


@pytest.fixture
async def rig(tmp_path):
    rig = Rig(tmp_path)
    rig.scheduler.start()
    yield rig
    await rig.scheduler.close()
    await rig.one_offs.close()
    rig.ledger.close()


async def test_a_job_is_run_when_it_is_due_and_its_end_is_recorded(rig):
    await rig.at(TEN - MINUTE)
    assert rig.runs() == []
    assert rig.timers.alarms == (Alarm("hello", 1, TEN),)
    await rig.at(TEN)
    assert rig.runs() == [(10, "running")]
    assert rig.timers.alarms == (Alarm("hello", 1, TEN + HOUR),)
    (dyno,) = rig.one_offs.dynos(rig.app.id)
    assert (dyno.type, dyno.command, dyno.size, dyno.state.value) == ("scheduler", "rake clean", "standard-2x", "up")
    assert rig.ledger.job_runs.open()[0].dyno == dyno.name
    assert "api: Starting process with command `rake clean` by scheduler (job 1)" in rig.bench.events.lines
    rig.clock.at += 5 * MINUTE
    rig.end()
    (run,) = rig.ledger.job_runs.list(rig.job.id)
    assert (run.exit_status, run.reason, run.ended_at - run.begun_at) == (1, "exit status 1", 5 * MINUTE)
    await rig.at(rig.clock.at)
    assert rig.runs() == [(10, 1)]


async def test_a_job_that_still_runs_is_not_run_again_and_the_log_says_so(rig):
    await rig.at(TEN)
    (dyno,) = rig.one_offs.dynos(rig.app.id)
    await rig.at(TEN + HOUR)
    assert rig.runs() == [(10, "running")]
    expected = f"Job 1 (`rake clean`) is not run at 2026-11-23T11:00:00Z: it still runs in {dyno.name}"
    assert rig.said("is not run at") == [f"scheduler: {expected}"]
    rig.end()
    await rig.at(TEN + HOUR + MINUTE)
    assert rig.runs() == [(10, 1)]
    await rig.at(TEN + 2 * HOUR)
    assert rig.runs() == [(10, 1), (12, "running")]


@pytest.mark.parametrize(("catch_up", "runs", "said"), [("one", [12], "run once now"), ("none", [], "not made good")])
async def test_what_was_missed_is_made_good_as_it_is_told(rig, catch_up, runs, said):
    rig.ledger.jobs.remove(rig.app.id, 1)
    rig.job = rig.add(catch_up)
    await rig.scheduler.close()
    rig.clock.at = TEN + 2 * HOUR + 30 * MINUTE
    await rig.restart()
    await rig.at(rig.clock.at)
    assert [due for due, _ in rig.runs()] == runs
    (line,) = rig.said("could not run at 2026-11-23T10:00:00Z")
    assert said in line


async def test_a_run_outlives_hostd_and_is_not_begun_twice(rig):
    await rig.at(TEN)
    await rig.restart()
    await rig.at(TEN + MINUTE)
    assert rig.runs() == [(10, "running")]
    rig.end()
    assert rig.runs() == [(10, 1)]


async def test_a_run_that_ended_while_hostd_was_down_is_recorded(rig):
    await rig.at(TEN)
    (unit,) = rig.bench.launcher.units
    await rig.scheduler.close()
    rig.bench.launcher.units[unit] = "failed"
    await rig.restart()
    assert rig.runs() == [(10, 1)]


async def test_a_run_whose_hostd_was_killed_before_it_was_started_is_started(rig):
    await rig.scheduler.close()
    rig.ledger.jobs.settle(rig.job.id, TEN)
    run = rig.ledger.job_runs.begin(rig.job.id, TEN)
    rig.ledger.job_runs.has_dyno(run, "scheduler.4711")
    rig.clock.at = TEN
    await rig.restart()
    await rig.at(TEN)
    assert rig.runs() == [(10, "running")]
    assert len(rig.bench.launcher.launches) == 1
    (dyno,) = rig.one_offs.dynos(rig.app.id)
    assert rig.ledger.job_runs.open()[0].dyno == dyno.name


async def test_a_run_whose_hostd_was_killed_while_it_was_started_is_found(rig):
    await rig.at(TEN)
    run = rig.ledger.job_runs.open()[0]
    rig.ledger._database.write("UPDATE job_runs SET launched_at = NULL")
    await rig.restart()
    await rig.at(TEN + MINUTE)
    assert len(rig.bench.launcher.launches) == 1
    assert rig.ledger.job_runs.open()[0].dyno == run.dyno
    assert rig.ledger.job_runs.open()[0].launched_at is not None


async def test_a_run_that_a_power_cut_ended_is_given_up(rig):
    await rig.at(TEN)
    rig.bench.launcher.units.clear()
    await rig.restart()
    await rig.at(TEN + MINUTE)
    assert rig.runs() == [(10, None)]
    assert rig.said("how it ended is not known")
    await rig.at(TEN + HOUR)
    assert rig.runs() == [(10, None), (11, "running")]


async def test_an_app_without_code_runs_nothing_and_says_why(rig):
    wanted, rig.bench.wanted = rig.bench.wanted, None
    await rig.at(TEN)
    assert rig.runs() == [(10, None)]
    assert rig.said("Job 1 could not be started")
    rig.bench.wanted = wanted
    await rig.at(TEN + HOUR)
    assert rig.runs() == [(10, None), (11, "running")]


async def test_a_dyno_that_cannot_be_started_is_a_run_that_failed(rig):
    rig.bench.launcher.failures = 1
    await rig.at(TEN)
    (run,) = rig.ledger.job_runs.list(rig.job.id)
    assert (run.exit_status, run.reason, run.launched_at) == (1, "the slug is gone", None)


async def test_a_ledger_that_cannot_be_written_leaves_no_dyno_behind(rig, monkeypatch):
    def full(*_):
        raise Unavailable("disk full")

    monkeypatch.setattr(rig.ledger.job_runs, "has_dyno", full)
    await rig.at(TEN)
    assert rig.bench.launcher.launches == []
    assert [dyno.state.value for dyno in rig.one_offs.dynos(rig.app.id)] == ["down"]
    assert rig.runs() == [(10, None)]


async def test_a_job_is_run_by_hand_beside_its_times(rig):
    run = await rig.scheduler.run_now(rig.app, rig.job, rig.user)
    assert run.due_at is None and run.dyno.startswith("scheduler.")
    assert f"api: Starting process with command `rake clean` by {rig.user.email} (job 1)" in rig.bench.events.lines
    with pytest.raises(Conflict, match=run.dyno):
        await rig.scheduler.run_now(rig.app, rig.job, rig.user)
    await rig.at(TEN)
    assert rig.runs() == [(None, "running")]
    rig.end()
    rig.bench.launcher.failures = 1
    with pytest.raises(Conflict, match="the slug is gone"):
        await rig.scheduler.run_now(rig.app, rig.job, rig.user)
    assert rig.runs() == [(None, 1), (None, 1)]


async def test_a_run_by_hand_that_never_began_is_not_begun_later(rig):
    await rig.scheduler.close()
    rig.ledger.job_runs.begin(rig.job.id, None)
    await rig.restart()
    await rig.at(TEN - MINUTE)
    assert rig.runs() == [(None, None)]
    assert rig.bench.launcher.launches == []


async def test_a_paused_job_has_no_timer_and_is_not_made_good(rig):
    rig.ledger.jobs.pause(rig.app.id, 1)
    await rig.at(TEN + 2 * HOUR + MINUTE)
    assert rig.timers.alarms == () and rig.runs() == []
    rig.ledger.jobs.resume(rig.app.id, 1)
    await rig.at(TEN + 2 * HOUR + MINUTE)
    assert rig.timers.alarms == (Alarm("hello", 1, TEN + 3 * HOUR),) and rig.runs() == []


async def test_timers_follow_a_renamed_app_and_go_with_a_destroyed_one(rig):
    rig.ledger.apps.rename(rig.app.id, "goodbye")
    await rig.at(TEN - MINUTE)
    assert [alarm.unit for alarm in rig.timers.alarms] == ["hostd-schedule@goodbye.1.timer"]
    await rig.at(TEN)
    rig.ledger.apps.destroy(rig.app.id)
    await rig.at(TEN + HOUR)
    assert rig.timers.alarms == ()
    rig.end()
    assert rig.ledger.job_runs.open() == []


async def test_a_clock_put_back_by_hours_runs_no_moment_twice_and_no_other_job_waits(rig):
    other = rig.add()
    await rig.at(TEN + HOUR)
    rig.ledger.job_runs.end(rig.ledger.job_runs.running(other.id), 0, "")
    rig.ledger.job_runs.end(rig.ledger.job_runs.running(rig.job.id), 0, "")
    await rig.at(TEN - 2 * HOUR)
    assert rig.timers.alarms == (Alarm("hello", 1, TEN - HOUR), Alarm("hello", 2, TEN - HOUR))
    rig.ledger.jobs.settle(rig.job.id, TEN + MINUTE)
    await rig.at(TEN + HOUR)
    assert rig.runs() == [(11, 0)]
    assert [run.due_at.hour for run in rig.ledger.job_runs.list(other.id)] == [11]
    await rig.at(TEN + 2 * HOUR)
    assert rig.runs() == [(11, 0), (12, "running")]


async def test_a_job_that_cannot_be_read_keeps_no_other_from_running(rig, caplog):
    broken = rig.add()
    rig.ledger._database.write("UPDATE jobs SET timezone = 'Europe/Atlantis' WHERE id = ?", broken.id)
    late = rig.add()
    await rig.at(TEN)
    assert rig.runs() == [(10, "running")]
    assert rig.ledger.job_runs.running(late.id) and not rig.ledger.job_runs.list(broken.id)
    assert "There is no time zone 'Europe/Atlantis'" in caplog.text


async def test_a_look_that_fails_is_said_and_repeated(rig, monkeypatch, caplog):
    failures = iter([RuntimeError("no")])
    waiting = rig.ledger.jobs.waiting

    def fails_once():
        for failure in failures:
            raise failure
        return waiting()

    await rig.at(TEN - MINUTE)
    monkeypatch.setattr(rig.ledger.jobs, "waiting", fails_once)
    rig.clock.at = TEN
    rig.scheduler.unit_changed(ANY_UNIT)
    async with asyncio.timeout(SECONDS):
        while "trying again" not in caplog.text:
            await asyncio.sleep(0)
    await rig.at(TEN)
    assert rig.runs() == [(10, "running")]


async def test_a_timer_that_elapses_makes_the_scheduler_look(rig):
    await rig.at(TEN - MINUTE)
    rig.clock.at, rig.timers.alarms = TEN, None
    rig.scheduler.unit_changed("hostd-hello-web.1-v2.service")
    await asyncio.sleep(0.01)
    assert rig.timers.alarms is None
    rig.scheduler.unit_changed("hostd-schedule@hello.1.timer")
    async with asyncio.timeout(SECONDS):
        while rig.runs() != [(10, "running")]:
            await asyncio.sleep(0)
