"""Conditions of alerts: what they may be, and what is said of those that make no sense."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostd.alerts.figures import CODES, FIGURES, Kind, Of, find
from hostd.alerts.rules import length, parse
from hostd.errors import Invalid

OPERATIONS = (Path(__file__).parents[2] / "docs/operations.md").read_text()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("web p95>500ms for 5m", "web p95>500ms for 5m"),
        ("web  P95 > 0.5 s  for 300m", "web p95>0.5s for 5h"),
        ("p95 above 500ms", "p95>500ms for 5m"),
        ("p99>2S for 90 minutes", "p99>2s for 90m"),
        ("requests>1000/min", "requests>1000/min for 5m"),
        ("requests<1/min for 1h", "requests<1/min for 1h"),
        ("requests under 20/s", "requests<20/s for 5m"),
        ("errors>5%", "errors>5% for 5m"),
        ("errors>10/min for 2 min", "errors>10/min for 2m"),
        ("worker memory>90%", "worker memory>90% for 5m"),
        ("memory>400mb", "memory>400MB for 5m"),
        ("memory over 1.5 GB", "memory>1.5GB for 5m"),
        ("cpu>80%", "cpu>80% for 5m"),
        ("web-2 load>4", "web-2 load>4 for 5m"),
        ("h12>3", "H12>3 for 5m"),
        ("R14>0 within 10m", "R14>0 for 10m"),
        ("worker R14>0 in 10m", "worker R14>0 for 10m"),
        ("crashes>3", "crashes>3 for 1h"),
        ("drain-loss>0", "drain-loss>0 for 5m"),
        ("certificate<14d", "certificate<14d"),
        ("certificate below 2 days", "certificate<2d"),
    ],
)
def test_a_condition_is_understood_and_written_in_one_way(text, written):
    rule = parse(text)
    assert str(rule) == written
    assert parse(written) == rule


@pytest.mark.parametrize("text", ["disk>90%", "disk>90% for 1m", "certificate<14d"])
def test_the_platform_has_conditions_of_its_own(text):
    assert parse(text, platform=True).process is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "such as 'web p95>500ms for 5m'"),
        ("x" * 300, "1 to 200 characters"),
        ("web p95\x1b>5ms", "1 to 200 characters"),
        ("web p95 for 5m", "in quotes: a shell takes > for itself"),
        ("web p95>", "'' is no limit for p95. Write it so: p95>500ms"),
        ("web p95>fast", "'fast' is no limit"),
        ("p95>500", "p95 needs a unit: write ms or s after the number, as in p95>500ms"),
        ("p95>500MB", "p95 is not in 'MB': write ms or s"),
        ("p95<500ms", "p95 can only be compared by >"),
        ("p95>=500ms", ">= is not known here: write > or <"),
        ("certificate>14d", "certificate can only be compared by <"),
        ("certificate<14d for 5m", "No `for` can be said of certificate"),
        ("errors>101%", "101% is more than errors can be"),
        ("crashes>9999999999", "more than crashes can be"),
        ("memroy>90%", "nothing called 'memroy' to watch. Did you mean memory?"),
        ("latency>500ms", "Did you mean p95?"),
        ("5xx>5%", "Did you mean errors?"),
        ("zzzzqq>1", "There are p50, p95, p99, requests"),
        ("H92>3", "There is no code H92. The codes: H10, H11"),
        ("h999>3", "There is no code H999. The codes: H10, H11"),
        ("p96>500ms", "nothing called 'p96' to watch. Did you mean p9"),
        ("foo>1", "nothing called 'foo' to watch. There are p50"),
        ("H12>3%", "H12 has no unit '%': write a bare number, as in H12>3"),
        ("H12>3 for 10s", "`for 10s` must be a time from 1m to 24h"),
        ("H12>3 for 25h", "must be a time from 1m to 24h"),
        ("H12>3 for", "'3 for' is no limit"),
        ("web worker p95>1s", "'web worker p95' is not what a condition begins with"),
        ("H12 R14>1", "H12 is not a process type"),
        ("worker p95>1s", "p95 is of requests, which only web dynos get"),
        ("web certificate<14d", "certificate is the app's and not of one process type"),
        ("web drain-loss>0", "drain-loss is the app's"),
        ("disk>90%", "disk is the whole machine's. An admin can set it: hostctl alerts:add --platform"),
    ],
)
def test_what_makes_no_condition(text, said):
    with pytest.raises(Invalid, match=re.escape(said)):
        parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p95>500ms", "p95 is an app's: say which app, with -a APP. The platform has disk or certificate."),
        ("web disk>90%", "The platform has no process types"),
    ],
)
def test_what_the_platform_has_not(text, said):
    with pytest.raises(Invalid, match=re.escape(said)):
        parse(text, platform=True)


@given(st.text(max_size=60))
def test_nothing_that_is_typed_breaks_it(text):
    for platform in (False, True):
        try:
            rule = parse(text, platform=platform)
        except Invalid as error:
            assert error.message
        else:
            assert parse(str(rule), platform=platform) == rule


@given(st.sampled_from([*FIGURES.values(), *map(find, CODES)]), st.integers(0, 99), st.integers(1, 1440))
def test_every_figure_can_be_watched_and_is_written_so_that_it_is_read_again(figure, threshold, minutes):
    for unit in figure.units:
        sign = "<" if figure.only_below else ">"
        time = f" for {length(minutes)}" if figure.timed else ""
        rule = parse(f"{figure.name}{sign}{threshold}{unit}{time}", platform=figure.of is Of.PLATFORM)
        assert (rule.figure, rule.threshold, rule.unit) == (figure, threshold, unit)
        assert rule.minutes == (minutes if figure.timed else 1)
        assert parse(str(rule), platform=figure.of is Of.PLATFORM) == rule
        assert parse(figure.example, platform=figure.of is Of.PLATFORM).figure == figure


def test_all_codes_that_are_explained_can_be_watched():
    assert {code for code in re.findall(r"\b[HRL]\d\d\b", OPERATIONS.partition("### Codes")[2])} <= set(CODES)


def test_what_is_counted_ends_at_half_and_what_is_not_a_little_below():
    assert parse("crashes>3").ends_at == 1.5
    assert parse("p95>500ms").ends_at == 475
    assert parse("requests<100/min").ends_at == 105
    assert find("R14").kind is Kind.COUNT
