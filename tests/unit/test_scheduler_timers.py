"""The timers that systemd has for the scheduler's jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hostd.scheduler.timers import Alarm, Timers
from units.systemd import SystemdUnavailable, UnitStatus

TEN = datetime(2026, 11, 23, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


class FakeSystemd:
    """Has timers; each call is noted."""

    def __init__(self):
        self.units, self.calls, self.gone = {}, [], False

    def list_units(self, patterns):
        if self.gone:
            raise SystemdUnavailable("no systemd")
        assert patterns == ["hostd-schedule@*.timer"]
        return [UnitStatus(*unit, "loaded", "active", "waiting") for unit in self.units.items()]

    async def start(self, name, properties):
        assert name not in self.units
        self.calls.append(f"start {name}")
        self.units[name] = properties["Description"]

    async def stop(self, name):
        self.calls.append(f"stop {name}")
        del self.units[name]


async def test_there_is_one_timer_for_each_alarm_and_no_other():
    systemd = FakeSystemd()
    timers = Timers(systemd)
    first, second, other = Alarm("hello", 1, TEN), Alarm("hello", 1, TEN + HOUR), Alarm("foo-bar", 22, TEN)
    await timers.keep([first, other])
    assert set(systemd.calls) == {"start hostd-schedule@foo-bar.22.timer", "start hostd-schedule@hello.1.timer"}
    systemd.calls.clear()
    await timers.keep([first, other])
    assert systemd.calls == []
    await timers.keep([second, other])
    assert systemd.calls == ["stop hostd-schedule@hello.1.timer", "start hostd-schedule@hello.1.timer"]
    systemd.calls.clear()
    await timers.keep([second])
    assert systemd.calls == ["stop hostd-schedule@foo-bar.22.timer"]
    assert timers.armed == {"hostd-schedule@hello.1.timer"}


async def test_a_timer_that_systemd_refuses_is_no_news():
    """Or the signals of its failure would have it tried again at once, for ever."""

    class Refusing(FakeSystemd):
        async def start(self, name, properties):
            raise SystemdUnavailable("no")

    timers = Timers(Refusing())
    await timers.keep([Alarm("hello", 1, TEN)])
    assert timers.armed == set()


async def test_without_systemd_the_scheduler_goes_on(caplog):
    systemd = FakeSystemd()
    systemd.gone = True
    await Timers(systemd).keep([Alarm("hello", 1, TEN)])
    assert "not up to date: no systemd" in caplog.text


def test_a_timer_says_when_and_for_what():
    alarm = Alarm("hello", 3, datetime(2026, 10, 25, 2, 30, tzinfo=UTC))
    assert alarm.description == "hello: job 3, due at 2026-10-25 02:30:00 UTC"
    assert alarm.properties["TimersCalendar"] == [("OnCalendar", "2026-10-25 02:30:00 UTC")]
