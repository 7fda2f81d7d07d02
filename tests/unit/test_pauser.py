"""The end of a pause is told once, also when hostd was not there, and not when somebody has ended it."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

from daemon_fakes import FakeManager, FakeWriter
from ledger_kit import with_ledger

from hostd.events import Events
from hostd.ledger import Ledger
from hostd.ledger.database import utc_now
from hostd.pauser import Pauser

OVER = "heroku[router]: The pause is over, requests go on"


class Rig:
    def __init__(self, directory):
        self.ledger = Ledger.open(with_ledger(directory), clock=utc_now)
        self.kate = self.ledger.users.add("kate@example.com")
        self.app = self.ledger.apps.create("hello", self.kate.id)
        self.manager, self.writer = FakeManager(), FakeWriter()

    def pause(self, seconds, app=None):
        self.ledger.pauses.begin((app or self.app).id, utc_now() + timedelta(seconds=seconds))

    @asynccontextmanager
    async def watching(self):
        pauser = Pauser(ledger=self.ledger, manager=self.manager, events=Events(self.writer))
        pauser.start()
        yield pauser
        await pauser.close()

    async def told(self, count):
        async with asyncio.timeout(5):
            while len(self.writer.lines) < count:
                await asyncio.sleep(0.005)
        assert self.writer.lines == [OVER] * count


async def test_the_end_of_a_pause_is_told_when_its_time_is(tmp_path):
    rig = Rig(tmp_path)
    other = rig.ledger.apps.create("other", rig.kate.id)
    async with rig.watching():
        rig.pause(3600, other)
        await asyncio.sleep(0)
        rig.pause(0.05)
        assert rig.ledger.pauses.until(rig.app.id) is not None
        await rig.told(1)
    assert rig.manager.calls == [("nudge", rig.app.id)]
    assert [app_id for app_id, _ in rig.ledger.pauses.left()] == [other.id]


async def test_what_ended_while_nobody_watched_is_told_later_and_once(tmp_path):
    rig = Rig(tmp_path)
    rig.pause(-7)
    for _ in range(2):
        async with rig.watching():
            await rig.told(1)


async def test_a_pause_that_was_ended_by_hand_is_not_told_again(tmp_path):
    rig = Rig(tmp_path)
    other = rig.ledger.apps.create("other", rig.kate.id)
    async with rig.watching():
        rig.pause(0.02)
        await asyncio.sleep(0)
        rig.ledger.pauses.end(rig.app.id)
        rig.pause(0.05, other)
        await rig.told(1)
    assert rig.manager.calls == [("nudge", other.id)]


async def test_trouble_with_one_look_does_not_end_the_watch(tmp_path, monkeypatch, caplog):
    rig = Rig(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(rig.ledger.pauses, "left", lambda: 1 / 0)
        async with rig.watching():
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert "pauses that are over failed" in caplog.text
            patch.undo()
            rig.pause(-1)
            await rig.told(1)
