"""The outbox: what is sent, tried again, given up and said, and that nothing is lost by a killed hostd."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from alerts_kit import scene

from hostd.alerts.notify.notifier import NotSent
from hostd.alerts.outbox import PAUSES
from tests.support.waiting import patient

MAIL, HOOK = "mail:you@example.com", "https://hooks.example.com/secret"
SHOWN = "https://hooks.example.com/***"
DOWN = NotSent("its server answers with status 503")


async def until(condition):
    async with asyncio.timeout(patient(10)):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
async def now(tmp_path):
    with scene(tmp_path) as made:
        yield made
        await made.outbox.close()


def notices(now, alert):
    return [
        (str(notice.target), notice.message["event"], notice.tries, notice.sent_at is not None)
        for notice in now.ledger.alert_firings.notices(alert.id)[::-1]
    ]


def tell(now, alert, event="firing", *targets):
    for target in targets or range(len(alert.targets)):
        now.ledger.alert_firings.tell(alert.id, target, {"event": event, "text": event})


async def test_all_targets_are_told_in_order(now):
    alert = now.add("p95>500ms for 5m", MAIL, HOOK)
    tell(now, alert, "firing")
    tell(now, alert, "ended")
    now.outbox.start()
    await until(lambda: len(now.notifier.sent) == 4)
    for target in (MAIL, SHOWN):
        assert [event for to, event in now.notifier.told if to == target] == ["firing", "ended"]
    assert len({message["id"] for _, message in now.notifier.sent}) == 4
    await until(lambda: now.ledger.alert_firings.waiting() == [])
    assert now.log == []


async def test_what_does_not_arrive_is_tried_again_and_given_up_and_both_are_said(now):
    alert = now.add("p95>500ms for 5m", HOOK)
    now.notifier.failing[SHOWN] = DOWN
    tell(now, alert)
    now.outbox.start()
    for number, pause in enumerate(PAUSES):
        await until(lambda number=number: notices(now, alert)[0][2] == number + 1 and waits(now))
        (notice,) = now.ledger.alert_firings.waiting()
        assert notice.next_at - now.clock() == timedelta(seconds=pause)
        assert notice.reason == "its server answers with status 503"
        now.now += pause
        now.outbox.nudge()
    await until(lambda: now.ledger.alert_firings.waiting() == [])
    assert notices(now, alert) == [("0", "firing", len(PAUSES) + 1, False)]
    what = f"Alert p95>500ms for 5m could not be sent to {SHOWN}: its server answers with status 503."
    assert now.log == [f"{what} It is tried again for 3 hours", f"{what} It is given up after 8 tries"]


def waits(now):
    """Whether the last try has been noted as failed."""
    waiting = now.ledger.alert_firings.waiting()
    return waiting and waiting[0].reason and not now.outbox._trying


async def test_what_never_will_arrive_is_given_up_at_once(now):
    alert = now.add("p95>500ms for 5m", HOOK)
    now.notifier.failing[SHOWN] = NotSent("its server answers with status 404", final=True)
    tell(now, alert)
    now.outbox.start()
    await until(lambda: now.log)
    assert now.log == [
        f"Alert p95>500ms for 5m could not be sent to {SHOWN}: its server answers with status 404. It is given up"
    ]
    assert now.ledger.alert_firings.waiting() == []


async def test_a_receiver_that_is_slow_or_down_holds_nobody_else_up(now):
    alert = now.add("p95>500ms for 5m", MAIL, HOOK)
    gate = now.notifier.held[MAIL] = asyncio.Event()
    tell(now, alert, "firing")
    tell(now, alert, "ended")
    now.outbox.start()
    await until(lambda: now.notifier.told == [(SHOWN, "firing"), (SHOWN, "ended")])
    gate.set()
    await until(lambda: now.notifier.told[2:] == [(MAIL, "firing"), (MAIL, "ended")])


async def test_what_was_on_its_way_when_hostd_was_killed_is_sent_by_the_next(now):
    alert = now.add("p95>500ms for 5m", MAIL)
    now.notifier.held[MAIL] = asyncio.Event()
    tell(now, alert)
    now.outbox.start()
    await until(lambda: notices(now, alert)[0][2] == 1)
    await now.outbox.close()
    assert now.notifier.sent == []
    now.notifier.held.clear()
    now.again()
    now.outbox.start()
    now.now += 61
    now.outbox.nudge()
    await until(lambda: now.notifier.told == [(MAIL, "firing")])
    await until(lambda: notices(now, alert) == [("0", "firing", 2, True)])


async def test_a_clock_that_is_put_back_by_days_keeps_nothing_waiting(now):
    alert = now.add("p95>500ms for 5m", MAIL)
    tell(now, alert)
    now.now -= 7 * 86400
    now.outbox.start()
    await until(lambda: now.notifier.told == [(MAIL, "firing")])


async def test_what_is_removed_is_not_sent(now):
    alert = now.add("p95>500ms for 5m", MAIL)
    tell(now, alert)
    now.ledger.alerts.remove(alert)
    other = now.add("p99>500ms for 5m", MAIL)
    tell(now, other, "ended")
    now.outbox.start()
    await until(lambda: now.notifier.told == [(MAIL, "ended")])


async def test_a_fault_in_a_way_is_logged_and_tried_again(now, caplog):
    alert = now.add("p95>500ms for 5m", MAIL)
    now.notifier.failing[MAIL] = RuntimeError("a fault")
    tell(now, alert)
    now.outbox.start()
    await until(lambda: "a fault" in caplog.text)
    now.notifier.failing.clear()
    now.now += 61
    now.outbox.nudge()
    await until(lambda: now.notifier.told == [(MAIL, "firing")])
