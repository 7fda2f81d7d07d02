"""The planner's decisions, each as a value."""

from dataclasses import replace

import pytest

from hostd.manager.desired import DesiredApp, DesiredProcess
from hostd.manager.dyno import TRANSITIONS, DynoState, ImpossibleTransitionError, Place, transition
from hostd.manager.planner import (
    Observed,
    Phase,
    Remove,
    Replace,
    Start,
    Stop,
    Why,
    cool_off,
    cycle_at,
    next_wake,
    plan,
    web_ready,
)
from hostd.manager.routes import route, serving
from router.table import State


def app(version=2, web=1, worker=0, slug="slug", maintenance=False):
    processes = (
        DesiredProcess("web", "python app.py", web, "standard-1x"),
        DesiredProcess("worker", "python work.py", worker, "standard-1x"),
    )
    return DesiredApp("id", "hello", 200001, version, slug, processes, {}, ("hello.localhost",), maintenance)


def dyno(name, version=2, phase=Phase.UP, retry_at=0.0, size="standard-1x", cycle_at=None):
    type_, number = name.split(".")
    unit = f"hostd-hello-{name}-v{version}.service"
    return Observed(unit, type_, int(number), version, phase, retry_at, size, cycle_at)


def test_nothing_to_do_when_all_is_as_wanted():
    assert plan(app(web=2), [dyno("web.1"), dyno("web.2")], 0) == []


def test_missing_dynos_are_started():
    assert plan(app(web=2, worker=1), [dyno("web.2")], 0) == [Start("web", 1), Start("worker", 1)]


def test_an_app_without_a_slug_has_no_dynos():
    assert plan(app(slug=None, web=3), [], 0) == []


def test_scaling_down_stops_the_highest_numbers():
    assert plan(app(web=1), [dyno("web.1"), dyno("web.2"), dyno("web.3")], 0) == [
        Stop(dyno("web.2").unit),
        Stop(dyno("web.3").unit),
    ]


def test_a_new_release_keeps_the_older_web_dynos_until_its_own_are_up():
    older = dyno("web.1", version=1)
    assert plan(app(), [older], 0) == [Start("web", 1)]
    assert plan(app(), [older, dyno("web.1", phase=Phase.STARTING)], 0) == []
    assert plan(app(), [older, dyno("web.1")], 0) == [Stop(older.unit)]


def test_a_new_release_that_crashes_keeps_the_older_web_dynos():
    older = dyno("web.1", version=1)
    assert plan(app(), [older, dyno("web.1", phase=Phase.CRASHED, retry_at=10)], 5) == []


def test_all_web_dynos_must_be_up_before_the_older_ones_go():
    older = [dyno("web.1", version=1), dyno("web.2", version=1)]
    half = [*older, dyno("web.1"), dyno("web.2", phase=Phase.STARTING)]
    assert plan(app(web=2), half, 0) == []


def test_other_types_of_an_older_release_are_stopped_at_once():
    older = dyno("worker.1", version=1)
    assert plan(app(web=0, worker=1), [older], 0) == [Start("worker", 1), Stop(older.unit)]


def test_an_older_web_dyno_that_is_not_up_serves_nobody_and_is_stopped():
    older = dyno("web.1", version=1, phase=Phase.STARTING)
    assert plan(app(), [older, dyno("web.1", phase=Phase.STARTING)], 0) == [Stop(older.unit)]


def test_scaling_web_to_zero_stops_older_ones_too():
    older = dyno("web.1", version=1)
    assert plan(app(web=0), [older], 0) == [Stop(older.unit)]


def test_a_crashed_dyno_waits_for_its_time():
    crashed = dyno("web.1", phase=Phase.CRASHED, retry_at=10)
    assert plan(app(), [crashed], 9.9) == []
    assert plan(app(), [crashed], 10) == [Start("web", 1)]
    assert next_wake([crashed], 7) == 3
    assert next_wake([crashed], 10) is None


def test_dynos_of_another_size_are_replaced_one_after_the_other():
    small = [dyno("web.1", size="eco"), dyno("web.2", size="eco"), dyno("worker.1", size="eco")]
    first = [Replace(small[0].unit, Why.RESIZED), Replace(small[2].unit, Why.RESIZED)]
    assert plan(app(web=2, worker=1), small, 0) == first
    for busy in (Phase.STOPPING, Phase.STARTING):
        assert plan(app(web=2), [dyno("web.1", phase=busy), small[1]], 0) == []
    assert plan(app(web=2), [small[1]], 0) == [Start("web", 1)]
    assert plan(app(web=2), [dyno("web.1"), small[1]], 0) == [Replace(small[1].unit, Why.RESIZED)]
    assert plan(app(web=2), [dyno("web.1", phase=Phase.CRASHED, retry_at=9), small[1]], 0) == [
        Replace(small[1].unit, Why.RESIZED)
    ]


def test_a_dyno_that_is_not_up_gets_its_new_size_at_once():
    starting = dyno("web.1", phase=Phase.STARTING, size="eco")
    assert plan(app(), [starting], 0) == [Replace(starting.unit, Why.RESIZED)]
    crashed = dyno("web.1", phase=Phase.CRASHED, retry_at=99, size="eco")
    assert plan(app(), [crashed], 0) == [Start("web", 1)]


def test_dynos_that_are_due_are_replaced_one_after_the_other():
    due = [replace(dyno(name), due=Why.CHANGED) for name in ("web.1", "web.2")]
    assert plan(app(web=2), due, 0) == [Replace(due[0].unit, Why.CHANGED)]
    assert plan(app(web=2), [dyno("web.1"), due[1]], 0) == [Replace(due[1].unit, Why.CHANGED)]
    for phase in (Phase.STARTING, Phase.STOPPING, Phase.CRASHED):
        assert plan(app(web=2), [dyno("web.1", phase=phase, retry_at=99), due[1]], 0) == []


def test_a_dyno_whose_size_nobody_knows_is_left_alone():
    assert plan(app(), [dyno("web.1", size="")], 0) == []


def test_dynos_that_have_run_long_enough_are_replaced_one_after_the_other():
    old = [dyno("web.1", cycle_at=10), dyno("web.2", cycle_at=10)]
    assert plan(app(web=2), old, 9) == []
    assert plan(app(web=2), old, 10) == [Replace(old[0].unit, Why.CYCLED)]
    for phase in (Phase.STARTING, Phase.STOPPING, Phase.CRASHED):
        assert plan(app(web=2), [dyno("web.1", phase=phase, retry_at=99), old[1]], 10) == []
    assert next_wake(old, 7) == 3


def test_dynos_that_start_together_are_not_replaced_together():
    assert cycle_at(100, 86400, 12960, 0.0) == 86500
    assert cycle_at(100, 86400, 12960, 0.5) == 92980
    assert cycle_at(100, 0, 12960, 0.5) is None


def test_a_type_that_is_not_declared_any_more_is_stopped():
    gone = dyno("urgent.1", version=1)
    assert plan(app(web=0), [gone], 0) == [Stop(gone.unit)]


def test_crashed_dynos_of_an_older_release_are_forgotten():
    older = dyno("web.1", version=1, phase=Phase.CRASHED)
    assert Remove(older.unit) in plan(app(), [older], 0)


def test_dynos_that_are_stopping_are_left_alone():
    assert plan(app(web=1), [dyno("web.1", phase=Phase.STOPPING)], 0) == []
    assert plan(None, [dyno("web.1", phase=Phase.STOPPING)], 0) == []


def test_an_app_that_is_gone_loses_all_its_dynos():
    assert plan(None, [dyno("web.1"), dyno("worker.1", version=1)], 0) == [
        Stop(dyno("web.1").unit),
        Stop(dyno("worker.1", version=1).unit),
    ]


def test_web_is_ready_only_when_all_of_it_is():
    assert not web_ready(app(web=0), [])
    assert not web_ready(app(web=2), [dyno("web.1")])
    assert web_ready(app(web=2), [dyno("web.1"), dyno("web.2")])


@pytest.mark.parametrize(("crashes", "seconds"), [(0, 0), (1, 0), (2, 10), (3, 30), (9, 30)])
def test_the_cool_off_grows_and_then_stays(crashes, seconds):
    assert cool_off(crashes, (0, 10, 30)) == seconds


PLACES = {dyno(f"web.{n}", version=v).unit: Place("127.0.0.1", 20000 + 10 * v + n) for n in (1, 2) for v in (1, 2)}


@pytest.mark.parametrize(
    ("desired", "observed", "state", "dynos"),
    [
        (app(), [dyno("web.1")], "up", ["web.1"]),
        (app(), [dyno("web.1", phase=Phase.STARTING)], "starting", []),
        (app(), [], "starting", []),
        (app(), [dyno("web.1", phase=Phase.STOPPING)], "starting", []),
        (app(), [dyno("web.1", phase=Phase.CRASHED)], "crashed", []),
        (app(web=2), [dyno("web.1", phase=Phase.CRASHED), dyno("web.2")], "up", ["web.2"]),
        (app(web=0), [], "none", []),
        (app(slug=None), [], "none", []),
        (app(maintenance=True), [dyno("web.1")], "maintenance", ["web.1"]),
    ],
)
def test_the_route_follows_the_dynos(desired, observed, state, dynos):
    entry = route(desired, observed, PLACES)
    assert entry.state.value == state
    assert [one.name for one in entry.dynos] == dynos
    assert entry.hosts == ("hello.localhost",)


def test_traffic_moves_in_one_step():
    older = [dyno("web.1", version=1), dyno("web.2", version=1)]
    assert serving(app(web=2), [*older, dyno("web.1")]) == older
    newer = [dyno("web.1"), dyno("web.2")]
    assert serving(app(web=2), [*older, *newer]) == newer


def test_every_state_says_what_may_follow_it():
    assert set(TRANSITIONS) == set(DynoState)
    for before, allowed in TRANSITIONS.items():
        for after in DynoState:
            if after in allowed:
                assert transition(before, after) is after
            else:
                with pytest.raises(ImpossibleTransitionError):
                    transition(before, after)


def test_an_app_that_sleeps_has_no_web_dynos_and_keeps_the_others():
    asleep = replace(app(web=2, worker=1), idled_at=1.0)
    running = [dyno("web.1"), dyno("web.2"), dyno("worker.1")]
    assert plan(asleep, running, 0) == [Stop("hostd-hello-web.1-v2.service"), Stop("hostd-hello-web.2-v2.service")]
    assert plan(asleep, [dyno("worker.1")], 0) == []
    assert plan(replace(asleep, idled_at=None), [dyno("worker.1")], 0) == [Start("web", 1), Start("web", 2)]


def test_requests_for_an_app_that_sleeps_are_held():
    asleep = replace(app(web=1), idled_at=1.0)
    places = {dyno("web.1").unit: Place("127.0.0.1", 20001)}
    for observed in ([], [dyno("web.1")], [dyno("web.1", phase=Phase.STOPPING)]):
        entry = route(asleep, observed, places)
        assert (entry.state, entry.dynos) == (State.IDLE, ())
    assert route(replace(asleep, maintenance=True), [], {}).state is State.MAINTENANCE
    assert route(replace(app(web=0), idled_at=1.0), [], {}).state is State.NONE
