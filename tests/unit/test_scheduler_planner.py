"""What is to be done about a job: on time, late, while it runs, and when the clock jumps."""

from datetime import UTC, datetime, timedelta

import pytest

from hostd.scheduler.calendar import parse
from hostd.scheduler.planner import Plan, plan

TEN = datetime(2026, 11, 23, 10, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
HOURLY = parse("hourly", "UTC")


def planned(now, settled=TEN - MINUTE, *, running=False, catch_up=True):
    return plan(HOURLY, settled, now, running=running, catch_up=catch_up)


def test_before_its_moment_there_is_nothing_to_do():
    assert planned(TEN - SECOND) == Plan(TEN - MINUTE)


@pytest.mark.parametrize("late", [timedelta(0), SECOND, MINUTE])
@pytest.mark.parametrize("catch_up", [True, False])
def test_a_run_on_time_is_begun_whatever_is_to_be_caught_up(late, catch_up):
    assert planned(TEN + late, catch_up=catch_up) == Plan(TEN, run=TEN)


def test_a_moment_that_is_settled_is_not_run_again():
    assert planned(TEN + SECOND, settled=TEN) == Plan(TEN)


def test_while_a_run_goes_on_its_moments_are_skipped():
    assert planned(TEN, running=True) == Plan(TEN, skipped=TEN)


def test_a_late_run_is_caught_up_once():
    assert planned(TEN + 2 * MINUTE) == Plan(TEN, run=TEN)
    noon = TEN + timedelta(hours=2)
    assert planned(noon + 5 * MINUTE) == Plan(noon, run=noon, missed=TEN)


def test_a_late_run_is_dropped_if_nothing_is_to_be_caught_up():
    assert planned(TEN + 2 * MINUTE, catch_up=False) == Plan(TEN, missed=TEN)
    assert planned(TEN + 2 * MINUTE, catch_up=False, running=True) == Plan(TEN, missed=TEN)


def test_after_missed_runs_the_one_on_time_is_run():
    noon = TEN + timedelta(hours=2)
    assert planned(noon + SECOND, catch_up=False) == Plan(noon, run=noon, missed=TEN)


def test_a_clock_put_back_runs_nothing_twice():
    assert planned(TEN - 30 * MINUTE, settled=TEN) == Plan(TEN)
    assert planned(TEN + SECOND, settled=TEN) == Plan(TEN)


def test_a_clock_that_was_far_ahead_does_not_silence_a_job():
    back = planned(TEN - MINUTE, settled=TEN + timedelta(days=4000))
    assert back == Plan(TEN - MINUTE)
    assert planned(TEN, settled=back.settled) == Plan(TEN, run=TEN)
