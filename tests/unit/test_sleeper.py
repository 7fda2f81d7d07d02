"""Who falls asleep, who is woken, and what outlives a restart."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from daemon_fakes import FakeWriter, dyno
from ledger_kit import add_slug, open_ledger

from hostd.errors import Unavailable
from hostd.events import Events
from hostd.ledger.idling import Idle
from hostd.manager.desired import desired_app
from hostd.manager.dyno import DynoState
from hostd.manager.idle import awake_for, idle_dynos
from hostd.settings import Settings
from hostd.sleeper import Sleeper

NOW = 1_769_510_888.0
SECONDS = 5.0


class FakeManager:
    """Has the dynos it is given."""

    def __init__(self):
        self.running, self.nudged = [], []

    def dynos(self, app_id):
        return [dyno for dyno in self.running if dyno.app_id == app_id]

    def nudge(self, app_id):
        self.nudged.append(app_id)


class FakeRouter:
    """Tells what the test says; a worker without a queue is not there."""

    def __init__(self):
        self.seconds, self.queues, self.asked = {}, {}, 0

    async def quiet(self):
        self.asked += 1
        return self.seconds

    async def calls(self, worker):
        if worker not in self.queues:
            raise ConnectionRefusedError("no worker")
        while (app_id := await self.queues[worker].get()) is not None:
            yield app_id


class Rig:
    def __init__(self, directory):
        self.ledger = open_ledger(directory)
        self.kate = self.ledger.users.add("kate@example.com")
        self.app = self.ledger.apps.create("hello", self.kate.id)
        self.slug = add_slug(self.ledger, self.app)
        self.ledger.formation.adopt(self.app.id, ["web", "worker"])
        self.release()
        self.manager, self.router, self.writer = FakeManager(), FakeRouter(), FakeWriter()
        self.manager.running = [dyno(self.app, "web", 1, since=NOW - 5000), dyno(self.app, "worker", 1)]
        self.router.queues[1] = asyncio.Queue()
        self.boot()

    def boot(self):
        self.sleeper = Sleeper(
            ledger=self.ledger,
            manager=self.manager,
            router=self.router,
            workers=2,
            events=Events(self.writer),
            clock=lambda: NOW,
        )

    def release(self):
        self.ledger.releases.append(
            self.app.id, slug_id=self.slug.id, config={}, description="Deploy", user=self.kate
        )

    def sleeps(self):
        """As the dyno manager is told."""
        return desired_app(self.ledger, Settings(), self.app).idled_at is not None

    async def until(self, condition):
        async with asyncio.timeout(SECONDS):
            while not condition():
                await asyncio.sleep(0.001)

    def fall_asleep(self):
        self.ledger.idling.begin(self.app.id, 2)
        wanted = desired_app(self.ledger, Settings(), self.app)
        self.manager.running = idle_dynos(wanted, [])


@pytest.fixture
async def rig(tmp_path):
    rig = Rig(tmp_path / "master")
    rig.ledger.idling.set(rig.app.id, 1800)
    yield rig
    await rig.sleeper.close()
    rig.ledger.close()


async def test_an_app_that_nobody_asks_for_falls_asleep(rig):
    rig.router.seconds = {rig.app.id: 1800.0}
    rig.sleeper.start()
    await rig.until(rig.sleeps)
    assert rig.writer.lines == ["heroku[web.1]: Idling"]
    assert rig.manager.nudged == [rig.app.id]


@pytest.mark.parametrize("seconds", [{}, {"other": 9999.0}, {"hello": 1799.0}])
async def test_an_app_with_requests_or_of_which_the_router_says_nothing_stays_awake(rig, seconds):
    rig.router.seconds = {rig.app.id if name == "hello" else name: quiet for name, quiet in seconds.items()}
    rig.sleeper.start()
    await rig.until(lambda: rig.router.asked)
    rig.sleeper.nudge()
    await rig.until(lambda: rig.router.asked == 2)
    assert not rig.sleeps() and rig.manager.nudged == []


async def test_an_app_that_may_not_sleep_is_not_asked_about(rig):
    rig.ledger.idling.set(rig.app.id, None)
    rig.router.seconds = {rig.app.id: 9999.0}
    assert await rig.sleeper._look() == 60.0
    assert rig.router.asked == 0 and not rig.sleeps()


async def test_a_call_wakes_an_app(rig):
    rig.fall_asleep()
    assert rig.sleeps()
    rig.sleeper.start()
    rig.router.queues[1].put_nowait(rig.app.id)
    await rig.until(lambda: not rig.sleeps())
    assert rig.writer.lines == ["heroku[web.1]: Unidling"]
    assert rig.manager.nudged == [rig.app.id]
    rig.router.queues[1].put_nowait(rig.app.id)
    await rig.until(lambda: len(rig.manager.nudged) == 2)
    assert rig.writer.lines == ["heroku[web.1]: Unidling"]


async def test_a_worker_that_was_restarted_is_listened_to_again(rig, monkeypatch):
    monkeypatch.setattr("hostd.sleeper._LISTEN_AGAIN_SECONDS", 0.001)
    rig.fall_asleep()
    rig.sleeper.start()
    rig.router.queues[1].put_nowait(None)
    rig.router.queues[2] = asyncio.Queue()
    rig.router.queues[2].put_nowait(rig.app.id)
    await rig.until(lambda: not rig.sleeps())
    rig.fall_asleep()
    rig.router.queues[1].put_nowait(rig.app.id)
    await rig.until(lambda: not rig.sleeps())


async def test_calls_for_apps_that_are_gone_or_while_the_ledger_is_full_are_survived(rig, monkeypatch, caplog):
    rig.fall_asleep()
    with monkeypatch.context() as patch:

        def full(_app_id):
            raise Unavailable("disk full")

        patch.setattr(rig.ledger.idling, "end", full)
        rig.sleeper.start()
        rig.router.queues[1].put_nowait(rig.app.id)
        await rig.until(lambda: "cannot be woken: disk full" in caplog.text)
    rig.router.queues[1].put_nowait("no-such-app")
    rig.router.queues[1].put_nowait(rig.app.id)
    await rig.until(lambda: not rig.sleeps())


async def test_sleep_outlives_hostd_and_ends_with_a_release(rig):
    rig.fall_asleep()
    rig.boot()
    assert await rig.sleeper._look() == 60.0
    assert rig.sleeps() and rig.router.asked == 0
    rig.release()
    assert not rig.sleeps()
    assert not rig.sleeper.wake(rig.app.id)
    rig.manager.running = [dyno(rig.app, "web", 1, version=3, since=NOW - 5000)]
    rig.router.seconds = {rig.app.id: 1800.0}
    await rig.sleeper._look()
    assert rig.sleeps()


async def test_the_next_look_is_when_the_first_app_may_sleep(rig):
    rig.router.seconds = {rig.app.id: 1790.0}
    assert await rig.sleeper._look() == 10.0
    rig.router.seconds = {rig.app.id: 1799.9}
    assert await rig.sleeper._look() == 1.0
    rig.ledger.idling.set(rig.app.id, 5)
    rig.ledger.idling.begin(rig.app.id, 2)
    assert await rig.sleeper._look() == 5.0


async def test_a_look_that_fails_is_said_and_repeated(rig, caplog):
    looks = []

    async def fails():
        looks.append(1)
        raise RuntimeError("no")

    rig.router.quiet = fails
    rig.sleeper.start()
    await rig.until(lambda: "trying again" in caplog.text)
    rig.sleeper.nudge()
    await rig.until(lambda: len(looks) == 2)


def test_starting_crashing_and_fresh_dynos_keep_an_app_awake(tmp_path):
    ledger = open_ledger(tmp_path)
    app = ledger.apps.create("hello", ledger.users.add("kate@example.com").id)
    old = dyno(app, "web", 1, since=NOW - 500)
    assert awake_for(100, 9999, [old], NOW) == 0
    assert awake_for(100, 30, [old], NOW) == 70
    assert awake_for(100, 9999, [old, replace(old, since=NOW - 40)], NOW) == 60
    assert awake_for(100, 9999, [], NOW) == 100
    for state in (DynoState.STARTING, DynoState.CRASHED, DynoState.IDLE):
        assert awake_for(100, 9999, [old, replace(old, state=state)], NOW) == 100
    ledger.close()


def test_the_ledger_remembers_who_sleeps(tmp_path):
    ledger = open_ledger(tmp_path)
    app = ledger.apps.create("hello", ledger.users.add("kate@example.com").id)
    assert ledger.idling.get(app.id) is None
    ledger.idling.begin(app.id, 1)
    assert ledger.idling.list() == []
    assert ledger.idling.set(app.id, 60) == Idle(app.id, 60)
    ledger.idling.begin(app.id, 1)
    asleep = ledger.idling.set(app.id, 90)
    assert (asleep.after, asleep.idled_version) == (90, 1) and asleep.idled_at is not None
    ledger.idling.end(app.id)
    assert ledger.idling.list() == [Idle(app.id, 90)]
    assert ledger.idling.set(app.id, None) is None
    ledger.idling.set(app.id, 60)
    ledger.apps.destroy(app.id)
    assert ledger.idling.list() == []
    ledger.close()
