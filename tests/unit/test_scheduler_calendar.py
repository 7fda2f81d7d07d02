"""When jobs are due, above all where clocks are put forward and back."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostd.errors import Invalid
from hostd.scheduler.calendar import following, latest, parse

MONDAY = datetime(2026, 11, 23, 10, 48, 8, tzinfo=UTC)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Asia/Kathmandu"]
FORMS = ["1m", "7m", "10m", "2h", "24h", "hourly", "hourly@15", "daily", "daily@02:30", "*/7 2 * * *", "0 12 * * 1-5"]


def due(every, timezone, moment, count):
    """The next moments, as clocks of that time zone show them."""
    zone = ZoneInfo(timezone)
    moments = itertools.islice(parse(every, timezone).after(moment), count)
    return [moment.astimezone(zone).strftime("%d %H:%M %z") for moment in moments]


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        ("1m", ["23 10:49", "23 10:50"]),
        ("10m", ["23 10:50", "23 11:00"]),
        ("600s", ["23 10:50", "23 11:00"]),
        ("2h", ["23 12:00", "23 14:00"]),
        ("1d", ["24 00:00", "25 00:00"]),
        ("hourly", ["23 11:00", "23 12:00"]),
        ("hourly@5", ["23 11:05", "23 12:05"]),
        ("HOURLY@:50", ["23 10:50", "23 11:50"]),
        ("daily", ["24 00:00", "25 00:00"]),
        ("daily@4:30", ["24 04:30", "25 04:30"]),
        ("daily@11:00", ["23 11:00", "24 11:00"]),
        ("30 4 * * 1-5", ["24 04:30", "25 04:30"]),
        ("30  4 * * mon", ["30 04:30", "07 04:30"]),
        ("0 0 1,24 * *", ["24 00:00", "01 00:00"]),
        ("0 6 25 * 5", ["25 06:00", "27 06:00"]),
        ("0 6 */2 * 5", ["27 06:00", "11 06:00"]),
    ],
)
def test_what_can_be_written(every, expected):
    assert due(every, "UTC", MONDAY, 2) == [f"{moment} +0000" for moment in expected]


@pytest.mark.parametrize(
    ("every", "said"),
    [
        ("", "does not say when to run"),
        ("soon", "does not say when to run"),
        ("59s", "must be 1m to 24h"),
        ("0m", "must be 1m to 24h"),
        ("25h", "must be 1m to 24h"),
        ("daily@24:00", "does not say when to run"),
        ("daily@4", "does not say when to run"),
        ("hourly@60", "does not say when to run"),
        ("* * * *", "does not say when to run"),
        ("* * * * * *", "does not say when to run"),
        (f"{'1,' * 100}1 * * * *", "does not say when to run"),
        ("60 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("*/0 * * * *", "bad minute"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("0 0 */20 * 1l", "never comes"),
        ("$(reboot) * * * *", "bad minute"),
    ],
)
def test_what_cannot_is_refused_with_the_reason(every, said):
    with pytest.raises(Invalid, match=said):
        parse(every, "UTC")


@pytest.mark.parametrize("name", ["", "Europe/Belin", "Europe", "../etc/passwd", "/etc/passwd", "localtime", "x" * 99])
def test_a_time_zone_that_is_none_is_refused(name):
    with pytest.raises(Invalid, match="There is no time zone"):
        parse("hourly", name)


def test_the_nearest_time_zone_is_named():
    with pytest.raises(Invalid, match=r"Did you mean Europe/Berlin\?"):
        parse("hourly", "europe/berlin")


# In Berlin clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October.


@pytest.mark.parametrize("every", ["daily@02:30", "30 2 * * *", "0,30 2 * * *"])
def test_a_time_that_does_not_exist_is_made_good_when_the_clocks_have_changed(every):
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert due(every, "Europe/Berlin", start, 2)[0] == "29 03:00 +0200"
    assert due(every, "Europe/Berlin", start, 2)[1].startswith("30 02:")


def test_a_time_that_exists_twice_is_due_the_first_time_only():
    expected = ["25 02:30 +0200", "26 02:30 +0100"]
    assert due("daily@02:30", "Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC), 2) == expected
    between = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    assert between.astimezone(ZoneInfo("Europe/Berlin")).strftime("%H:%M %z") == "02:10 +0100"
    assert due("daily@02:30", "Europe/Berlin", between, 1) == ["26 02:30 +0100"]


@pytest.mark.parametrize("every", ["*/30 * * * *", "30m"])
def test_intervals_stay_equal_over_both_changes(every):
    for start in (datetime(2026, 3, 29, 0, 45, tzinfo=UTC), datetime(2026, 10, 25, 0, 15, tzinfo=UTC)):
        moments = list(itertools.islice(parse(every, "Europe/Berlin").after(start), 6))
        assert {after - before for before, after in itertools.pairwise(moments)} == {timedelta(minutes=30)}


def test_an_hourly_job_is_due_in_both_of_the_hours_that_have_one_name():
    start = datetime(2026, 10, 24, 23, 45, tzinfo=UTC)
    expected = ["25 02:00 +0200", "25 02:00 +0100", "25 03:00 +0100"]
    assert due("hourly", "Europe/Berlin", start, 3) == expected


def test_minutes_of_one_hour_follow_the_clocks():
    """As Debian's cron: with a star in minute or hour nothing is made good, and nothing is left out."""
    assert due("*/30 2 * * *", "Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC), 1) == ["30 02:00 +0200"]
    doubled = due("*/30 2 * * *", "Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC), 4)
    assert doubled == ["25 02:00 +0200", "25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100"]


def test_a_day_that_a_time_zone_left_out():
    """Samoa went from 29 to 31 December 2011: what was due on the 30th is made good when the 31st begins."""
    start = datetime(2011, 12, 29, 12, tzinfo=UTC)
    assert due("daily@12:00", "Pacific/Apia", start, 3) == ["29 12:00 -1000", "31 00:00 +1400", "31 12:00 +1400"]


moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


@given(st.sampled_from(FORMS), st.sampled_from(ZONES), moments)
def test_moments_only_go_forward_and_one_begins_where_another_ended(every, timezone, moment):
    calendar = parse(every, timezone)
    first, second, third = itertools.islice(calendar.after(moment), 3)
    assert moment < first < second < third
    assert following(calendar, first) == second
    assert following(calendar, second - timedelta(microseconds=1)) == second


@given(st.sampled_from(FORMS), st.sampled_from(ZONES), moments, st.timedeltas(timedelta(0), timedelta(days=3)))
@pytest.mark.thorough
def test_the_latest_moment_is_the_last_of_those_there_are(every, timezone, moment, length):
    calendar = parse(every, timezone)
    passed = list(itertools.takewhile(lambda due: due <= moment + length, calendar.after(moment)))
    assert latest(calendar, moment, moment + length) == (passed[-1] if passed else None)


def test_looking_back_over_years_finds_a_rare_moment():
    leap_day = parse("0 0 29 2 *", "UTC")
    assert latest(leap_day, MONDAY - timedelta(days=3650), MONDAY) == datetime(2024, 2, 29, tzinfo=UTC)
    assert latest(leap_day, MONDAY - timedelta(days=365), MONDAY) is None
    assert latest(parse("* * * * *", "UTC"), MONDAY - timedelta(days=36500), MONDAY) == MONDAY.replace(second=0)
