"""How alerts fire and end: by values, minute by minute."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostd.alerts.evaluating import MINUTE, PATIENCE, Figures, Standing, episode, fold, going_on, step
from hostd.alerts.rules import parse
from hostd.alerts.states import ALLOWED, TOLD, State, moved

START = 1_769_510_880
P95 = parse("web p95>500ms for 3m")
H12 = parse("H12>3 for 5m")


def figures(*values, start=START, watched=True):
    """One value a minute; None: there was none."""
    minutes = {start + MINUTE * place: float(value) for place, value in enumerate(values) if value is not None}
    return Figures(minutes, range(start, start + MINUTE * len(values), MINUTE) if watched else ())


def told(rule, *values, watched=True):
    """The episodes that came of these values, in minutes from the start: began, fired, over, ended."""
    until = START + MINUTE * len(values)
    return [
        tuple(None if each is None else (each - START) // MINUTE for each in (e.began, e.fired, e.over, e.ended))
        for e in fold(rule, figures(*values, watched=watched), START, until).episodes
    ]


def test_it_fires_when_the_condition_has_held_for_long_enough():
    assert told(P95, 600, 600) == []
    assert told(P95, 600, 600, 600) == [(0, 2, None, None)]
    assert told(P95, 600, 600, 500, 600, 600) == [], "500 is not more than 500"


def test_it_ends_when_the_condition_has_not_held_for_long_enough():
    assert told(P95, 600, 600, 600, 100, 100) == [(0, 2, None, None)]
    assert told(P95, 600, 600, 600, 100, 100, 100) == [(0, 2, 3, 5)]


def test_it_does_not_flap():
    """Neither by single good minutes, nor by values that are hardly good."""
    assert told(P95, *[600] * 3, *[100, 100, 600] * 5) == [(0, 2, None, None)]
    assert told(P95, *[501] * 3, *[499, 501] * 20) == [(0, 2, None, None)]
    assert told(P95, *[600] * 3, *[480] * 30) == [(0, 2, None, None)]
    assert told(P95, *[600] * 3, *[475] * 3) == [(0, 2, 3, 5)]


def test_a_minute_without_figures_breaks_the_row_and_never_fires():
    assert told(P95, 600, 600, None, 600, 600) == []
    assert told(P95, *[None] * 100) == []


def test_a_short_gap_neither_ends_nor_keeps_it():
    gap = [None] * (PATIENCE - 1)
    assert told(P95, *[600] * 3, *gap, 600) == [(0, 2, None, None)]
    assert told(P95, *[600] * 3, 100, *gap, 100, 100) == [(0, 2, 3, 5 + len(gap))]


def test_it_ends_if_there_is_nothing_to_be_seen_for_long():
    (ended,) = fold(P95, figures(*[600] * 3, *[None] * PATIENCE), START, START + (3 + PATIENCE) * MINUTE).episodes
    assert ended.silence
    assert ((ended.over - START) // MINUTE, (ended.ended - START) // MINUTE) == (3, 2 + PATIENCE)
    assert ended.minutes == 3


def test_it_goes_on_as_long_as_nobody_looked():
    assert told(P95, *[600] * 3, *[None] * 500, 600, watched=False) == [(0, 2, None, None)]


def test_what_is_counted_is_counted_over_its_time():
    assert told(H12, 3, 0, 0, 0, 0, 1) == [], "the three are out of the five minutes by then"
    assert told(H12, 3, 0, 0, 0, 1) == [(4, 4, None, None)]
    assert told(H12, 4) == [(0, 0, None, None)]
    assert told(H12, 4, *[0] * 4, 0, 0) == [(0, 0, 5, 6)]
    assert told(H12, 4, *[None] * 4, None, None) == [(0, 0, 5, 6)], "a minute without any is none"
    assert told(H12, 8, *[0, 0, 0, 3] * 10) == [(0, 0, None, None)], "three are more than half of three"


def test_what_was_counted_before_the_beginning_counts():
    known = figures(3, 0, 1)
    assert fold(H12, known, START + 2 * MINUTE, START + 3 * MINUTE).standing.state is State.FIRING


def test_values_of_the_episode():
    (ongoing,) = fold(P95, figures(600, 900, 700, 650), START, START + 4 * MINUTE).episodes
    assert (ongoing.low, ongoing.high, ongoing.last) == (600, 900, 650)
    assert ongoing.minutes is None


def test_less_may_be_what_is_feared():
    quiet = parse("requests<10/min for 2m")
    assert told(quiet, 9, 9) == [(0, 1, None, None)]
    assert told(quiet, 9, 9, 10, 10) == [(0, 1, None, None)], "10 is hardly more than 10"
    assert told(quiet, 9, 9, 11, 11) == [(0, 1, 2, 3)]


def test_states_go_where_they_may():
    assert set(ALLOWED) == set(State)
    for old, new in itertools.product(State, State):
        if new is old or new in ALLOWED[old]:
            assert moved(old, new) is new
        else:
            with pytest.raises(ValueError, match=f"from {old.value} to {new.value}"):
                moved(old, new)


VALUES = st.lists(st.none() | st.sampled_from([0, 1, 2, 4, 470, 480, 499, 501, 600]), max_size=120)
RULES = st.sampled_from(
    [parse(text) for text in ("p95>500ms for 1m", "p95>500ms for 3m", "H12>3 for 5m", "R14>0 for 2m", "requests<2/min")]
)


@given(RULES, VALUES, st.sets(st.integers(0, 120), max_size=20))
def test_states_only_ever_go_where_they_may(rule, values, unwatched):
    standing = Standing()
    for place, value in enumerate(values):
        now = step(rule, standing, START + place * MINUTE, value, watched=place not in unwatched)
        assert now.state is standing.state or now.state in ALLOWED[standing.state]
        assert value is not None or now.state is standing.state or now.state is State.QUIET
        standing = now


@given(RULES, VALUES, st.lists(st.integers(0, 120)), st.sets(st.integers(0, 120)))
def test_in_pieces_the_same_comes_of_it_as_in_one(rule, values, cuts, unwatched):
    """What would have fired is what did: minute by minute, or a week at once."""
    until = START + MINUTE * len(values)
    known = figures(*values)
    known = Figures(known.minutes, [minute for minute in known.watched if (minute - START) // MINUTE not in unwatched])
    whole = fold(rule, known, START, until)
    standing, since, found = Standing(), START, []
    for cut in [*sorted(cuts), len(values)]:
        here = min(START + cut * MINUTE, until)
        outcome = fold(rule, known, since, here, standing)
        for each in outcome.episodes:
            if found and found[-1].fired == each.fired:
                found[-1] = each
            else:
                found.append(each)
        standing, since = outcome.standing, max(here, since)
    assert (standing, found) == (whole.standing, list(whole.episodes))


@given(RULES, VALUES)
def test_who_knows_only_that_it_fires_comes_to_the_same_end(rule, values):
    known, until = figures(*values), START + MINUTE * len(values)
    for fired in [each for each in fold(rule, known, START, until).episodes]:
        then = fold(rule, known, START, fired.fired + MINUTE)
        assert then.standing.state in TOLD
        again = fold(rule, known, fired.fired + MINUTE, until, going_on(episode(then.standing)))
        assert again.episodes[0] == fired
