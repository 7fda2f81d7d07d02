"""The keeper of alerts: what it writes down and says, minute by minute, and when hostd was away."""

from __future__ import annotations

import logging
import random
from datetime import UTC, datetime, timedelta

import pytest
from alerts_kit import START, scene

from hostd.alerts.evaluating import MINUTE
from hostd.alerts.keeper import SETTLED, WEEK
from hostd.alerts.rules import parse
from hostd.alerts.states import State

P95 = "web p95>500ms for 3m"
MAIL = "mail:you@example.com"
FIRING = f"Alert {P95} is firing: p95 was 600 to 812 ms for 3 minutes (now 812 ms)"


async def test_it_fires_once_and_ends_once(tmp_path):
    with scene(tmp_path) as now:
        now.put("p95", 600, 700, 812, 900, 100, 100, 100, 100)
        alert = now.add(P95, MAIL)
        states = []
        for minute in range(8):
            await now.look_at(minute)
            states.append(now.keeper.state(alert))
        assert states == [
            State.PENDING, State.PENDING, State.FIRING, State.FIRING, State.ENDING, State.ENDING, State.QUIET,
            State.QUIET,
        ]  # fmt: skip
        assert now.log == [FIRING, f"Alert {P95} has ended after 4 minutes: p95 is 100 ms"]
        assert now.firings(alert) == [(0, 4)]
        fired, ended = (notice.message for notice in now.ledger.alert_firings.notices(alert.id)[::-1])
        assert fired == {
            "event": "firing", "text": f"hello: {FIRING}", "app": "hello", "server": "example.com", "alert": 1,
            "condition": P95, "hint": "More: hostctl alerts:info 1 -a hello", "began_at": "2026-01-27T10:48:00Z",
            "fired_at": "2026-01-27T10:50:00Z", "over_at": None, "ended_at": None, "low": 600, "high": 812,
            "last": 812, "unit": "ms",
        }  # fmt: skip
        assert (ended["event"], ended["over_at"], ended["ended_at"]) == (
            "ended", "2026-01-27T10:52:00Z", "2026-01-27T10:54:00Z",
        )  # fmt: skip


async def test_looking_twice_changes_nothing(tmp_path):
    with scene(tmp_path) as now:
        now.put("p95", *[600] * 9)
        alert = now.add(P95)
        for minute in (1, 1, 4, 4, 5):
            await now.look_at(minute)
            await now.keeper.look()
        assert len(now.log) == 1 and now.firings(alert) == [(0, None)]


async def test_it_waits_until_the_figures_of_a_minute_are_there(tmp_path):
    with scene(tmp_path) as now:
        now.put("H12", 4)
        now.add("H12>3")
        now.now = START + MINUTE + SETTLED - 1
        assert await now.keeper.look() == 1
        assert now.log == []
        now.now += 1
        assert await now.keeper.look() == MINUTE
        assert now.log == ["Alert H12>3 is firing: 4 times H12 within 5 minutes".replace(">3", ">3 for 5m")]


async def test_what_fires_goes_on_firing_in_the_next_hostd(tmp_path):
    with scene(tmp_path) as now:
        now.put("p95", *[600, 700, 812], *[900] * 7, *[100] * 10)
        alert = now.add(P95, MAIL)
        await now.look_at(4)
        now.again()
        assert now.keeper.state(alert) is State.FIRING
        await now.look_at(6)
        assert now.log == [FIRING.replace("now 812", "now 900")]
        now.again()
        await now.look_at(15)
        assert now.log[1:] == [f"Alert {P95} has ended after 10 minutes: p95 is 100 ms"]
        assert now.firings(alert) == [(0, 10)]


async def test_what_began_and_ended_while_hostd_was_away_is_told(tmp_path):
    with scene(tmp_path) as now:
        now.put("p95", 100, 100, 600, 600, 600, 700, *[100] * 60)
        alert = now.add(P95)
        await now.look_at(1)
        now.again()
        await now.look_at(40)
        assert now.firings(alert) == [(2, 6)]
        assert now.log == [
            f"Alert {P95} is firing: p95 was 600 ms for 3 minutes, at 2026-01-27T10:52:00Z",
            f"Alert {P95} has ended after 4 minutes: p95 is 100 ms, at 2026-01-27T10:56:00Z",
        ]


async def test_a_row_is_not_cut_by_a_restart(tmp_path):
    with scene(tmp_path) as now:
        now.put("p95", 100, 600, 600, 600)
        alert = now.add(P95)
        await now.look_at(2)
        now.again()
        await now.look_at(3)
        assert now.firings(alert) == [(1, None)]


async def test_what_nobody_saw_ends_nothing(tmp_path):
    """The machine was off for an hour: it fires on if it still holds, and is not told anew."""
    with scene(tmp_path) as now:
        now.put("p95", *[600] * 3, *[None] * 60, 600, 600)
        now.store.missed = {START + minute * MINUTE for minute in range(3, 63)}
        alert = now.add(P95)
        await now.look_at(2)
        now.again()
        await now.look_at(64)
        assert len(now.log) == 1 and now.firings(alert) == [(0, None)]


async def test_it_counts_from_when_it_was_made_or_resumed(tmp_path):
    with scene(tmp_path) as now:
        now.put("p95", *[600] * 30)
        now.now += 5 * MINUTE
        alert = now.add(P95)
        await now.look_at(9)
        assert now.firings(alert) == [(5, None)]
        now.keeper.pause(alert)
        assert now.ledger.alert_firings.list(alert.id)[0].reason == "it was paused"
        await now.look_at(15)
        assert len(now.log) == 1
        now.ledger.alerts.resume(alert)
        await now.look_at(17)
        assert len(now.firings(alert)) == 1
        await now.look_at(19)
        assert now.firings(alert)[1:] == [(16, None)] and len(now.log) == 2


async def test_a_removed_alert_is_forgotten(tmp_path):
    with scene(tmp_path) as now:
        now.put("p95", *[600] * 9)
        alert = now.add(P95, MAIL)
        await now.look_at(4)
        now.ledger.alerts.remove(alert)
        await now.look_at(5)
        assert now.ledger.alert_firings.list(alert.id) == [] == now.ledger.alert_firings.waiting()
        assert len(now.log) == 1


async def test_a_clock_that_is_put_back_tells_nothing_twice(tmp_path):
    with scene(tmp_path) as now:
        now.put("p95", *[600] * 9)
        alert = now.add(P95)
        await now.look_at(5)
        await now.look_at(2)
        await now.look_at(5)
        assert len(now.log) == 1
        now.now -= 7 * 86400
        await now.keeper.look()
        assert now.firings(alert) == [(0, None)]


async def test_dynos_of_one_type_are_looked_at_alone(tmp_path):
    with scene(tmp_path) as now:
        now.put("memory_quota", *[95] * 9)
        now.put("memory_quota", *[50] * 9, process="worker")
        now.add("worker memory>90% for 2m")
        now.add("memory>90% for 2m")
        await now.look_at(4)
        assert now.log == ["Alert memory>90% for 2m is firing: memory was 95% for 2 minutes (now 95%)"]


async def test_errors_in_percent_are_of_the_requests(tmp_path):
    with scene(tmp_path) as now:
        now.put("requests", 100, 0, 100, 100)
        now.put("errors", 7, 0, 6, 8)
        now.add("errors>5% for 2m")
        await now.look_at(3)
        assert now.log == ["Alert errors>5% for 2m is firing: errors were 6 to 8% for 2 minutes (now 8%)"]


async def test_a_crash_loop(tmp_path):
    with scene(tmp_path) as now:
        now.put("restarts", 3, 1)
        now.add("crashes>3 for 1h")
        await now.look_at(1)
        await now.look_at(90)
        assert now.log == [
            "Alert crashes>3 for 1h is firing: 4 crashes within 60 minutes",
            "Alert crashes>3 for 1h has ended after 59 minutes: 0 crashes within 60 minutes, at 2026-01-27T11:49:00Z",
        ]


async def test_drains_that_lose_messages(tmp_path):
    with scene(tmp_path) as now:
        now.put("L10", 1, 0, 0, 0, 2)
        now.add("drain-loss>0 for 1m")
        for minute in range(5):
            await now.look_at(minute)
        assert now.log == [
            "Alert drain-loss>0 for 1m is firing: drains lost messages once within 1 minute",
            "Alert drain-loss>0 for 1m has ended after 1 minute: drains lost messages 0 times within 1 minute",
            "Alert drain-loss>0 for 1m is firing: drains lost messages 2 times within 1 minute",
        ]


async def test_the_platforms_alerts_are_told_in_hostds_own_log(tmp_path, caplog):
    with scene(tmp_path) as now, caplog.at_level(logging.WARNING):
        alert = now.add("disk>90% for 2m", platform=True)
        now.full = 93.4567
        for minute in range(3):
            now.now = START + minute * MINUTE
            await now.keeper.look()
        await now.look_at(2)
        assert now.firings(alert) == [(0, None)]
        assert caplog.messages == ["Alert disk>90% for 2m is firing: disk was 93.46% for 2 minutes (now 93.46%)"]
        assert now.log == []


class Term:
    def __init__(self, days: float) -> None:
        self.starts_at = datetime.fromtimestamp(START, UTC) - timedelta(days=30)
        self.expires_at = datetime.fromtimestamp(START, UTC) + timedelta(days=days)


async def test_a_certificate_that_ends_soon(tmp_path):
    with scene(tmp_path) as now:
        now.terms[now.app.id] = [Term(90), Term(13.5)]
        alert = now.add("certificate<14d")
        await now.look_at(0)
        assert now.log == ["Alert certificate<14d is firing: certificate has 13.5 days left"]
        (known,) = (await now.keeper.past(parse("certificate<14d"), now.app.id)).episodes
        assert known.began == START - 12 * 3600 + MINUTE
        now.terms[now.app.id] = [Term(90)]
        await now.look_at(1)
        await now.look_at(2)
        assert now.log[1:] == ["Alert certificate<14d has ended after 1 minute: certificate has 90 days left"]
        assert now.firings(alert) == [(0, 1)]


async def test_what_would_have_fired(tmp_path):
    with scene(tmp_path) as now:
        now.put("p95", 600, 600, 600, 100, 100, 100, 600, 600, 600, 600, 600, *[100] * 5)
        now.now = START + 30 * MINUTE
        past = await now.keeper.past(parse(P95), now.app.id)
        assert [(each.minutes, (each.began - START) // MINUTE) for each in past.episodes] == [(5, 6), (3, 0)]
        assert past.since == (int(now.now) - SETTLED) // MINUTE * MINUTE - WEEK
        platform = await now.keeper.past(parse("disk>90%", platform=True), None)
        assert (platform.since, list(platform.episodes)) == (None, [])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("condition", [P95, "H12>3 for 5m", "requests<2/min for 2m"])
async def test_what_would_have_fired_is_what_did_whatever_became_of_hostd(tmp_path, seed, condition):
    """Looked at now and then, by a hostd that is killed now and then, while minutes are missing."""
    chance = random.Random(seed)
    with scene(tmp_path) as now:
        minutes = 200
        levels = [chance.choice([0, 1, 3, 100, 499, 501, 600]) for _ in range(20) for _ in range(chance.randint(1, 30))]
        for metric in ("p95", "requests"):
            now.put(metric, *(None if chance.random() < 0.05 else level for level in levels[:minutes]))
        now.put("H12", *(chance.choice([0, 0, 0, 0, 1, 2, 5]) if level > 400 else 0 for level in levels[:minutes]))
        now.store.missed = {START + chance.randrange(minutes) * MINUTE for _ in range(20)}
        alert = now.add(condition)
        minute = 0
        while minute < minutes:
            await now.look_at(minute)
            if chance.random() < 0.2:
                now.again()
            minute += chance.choice([1, 1, 1, 2, 7, 40])
        await now.look_at(minutes)
        past = await now.keeper.past(parse(condition), now.app.id)
        expected = [each for each in past.episodes if each.fired >= START]
        assert now.firings(alert) == [
            ((each.began - START) // MINUTE, None if each.over is None else (each.over - START) // MINUTE)
            for each in expected[::-1]
        ]
        assert expected, "a test in which nothing fires tests nothing"
        assert len(now.log) == 2 * len(expected) - (expected[0].over is None)
