"""What a push is told about its release."""

from dataclasses import replace

from hostd.manager.desired import DesiredApp, DesiredProcess
from hostd.manager.dyno import DynoId, DynoState, Place
from hostd.manager.planner import Phase
from hostd.manager.record import Record
from hostd.manager.settling import Missing, Settled, judge, missing

NOW = 9.0


def app(version=3, web=1, worker=0):
    processes = (
        DesiredProcess("web", "python app.py", web, "standard-1x"),
        DesiredProcess("worker", "python work.py", worker, "standard-1x"),
    )
    return DesiredApp("id", "hello", 200001, version, "slug", processes, {}, ("hello.localhost",))


def dyno(name, phase=Phase.UP, version=3, crashes=0):
    type_, number = name.split(".")
    id_ = DynoId("hello", type_, int(number), version, Place("127.0.0.1", 20000 + version))
    return Record(id_, "id", "command", "standard-1x", DynoState.UP, 0.0, phase, crashes=crashes)


def units(*records):
    return {record.id.unit for record in records}


def names(settled):
    return [dyno.name for dyno in settled.crashed]


def test_it_is_open_until_every_dyno_is_up_and_the_router_knows():
    old, web, worker = dyno("web.1", version=2), dyno("web.1"), dyno("worker.1")
    wanted = app(worker=1)
    assert judge(wanted, 3, [old, web], units(old)) is None
    assert judge(wanted, 3, [old, web, dyno("worker.1", Phase.STARTING)], units(old)) is None
    assert judge(wanted, 3, [old, web, worker], units(old)) is None
    assert judge(wanted, 3, [old, web, worker], units(web)) == Settled(ok=True, serving=3)


def test_a_crash_is_told_when_the_fate_of_all_is_known():
    old, web = dyno("web.1", version=2), dyno("web.1", Phase.CRASHED, crashes=1)
    wanted = app(worker=1)
    assert judge(wanted, 3, [old, web, dyno("worker.1", Phase.STARTING)], units(old)) is None
    settled = judge(wanted, 3, [old, web, dyno("worker.1", Phase.CRASHED, crashes=1)], units(old))
    assert not settled.ok
    assert names(settled) == ["web.1", "worker.1"]
    assert settled.serving == 2


def test_a_dyno_that_starts_again_after_a_crash_has_crashed():
    old, web = dyno("web.1", version=2), dyno("web.1", Phase.STARTING, crashes=1)
    assert names(judge(app(), 3, [old, web], units(old))) == ["web.1"]


def test_a_crashed_worker_does_not_keep_the_new_web_dynos_from_serving():
    old, web = dyno("web.1", version=2), dyno("web.1")
    records = [old, web, dyno("worker.1", Phase.CRASHED, crashes=1)]
    assert judge(app(worker=1), 3, records, units(old)) is None
    settled = judge(app(worker=1), 3, records, units(web))
    assert (names(settled), settled.serving) == (["worker.1"], 3)


def test_one_crashed_web_dyno_of_two_leaves_the_traffic_with_the_older_release():
    old, first, second = dyno("web.1", version=2), dyno("web.1"), dyno("web.2", Phase.CRASHED, crashes=1)
    settled = judge(app(web=2), 3, [old, first, second], units(old))
    assert (names(settled), settled.serving) == (["web.2"], 2)


def test_dynos_that_are_not_wanted_do_not_count():
    web = dyno("web.1")
    assert judge(app(), 3, [web, dyno("worker.1", Phase.STOPPING)], units(web)) == Settled(ok=True, serving=3)


def test_a_newer_release_or_the_end_of_the_app_supersedes():
    assert judge(app(version=4), 3, [], set()) == Settled(ok=False, superseded=True)
    assert judge(None, 3, [], set()) == Settled(ok=False, superseded=True)
    assert judge(app(version=2), 3, [], set()) is None


def test_what_is_not_up_is_told_with_its_reason():
    wanted = app(web=3, worker=1)
    up, crashed = dyno("web.1"), dyno("web.2", Phase.CRASHED)
    crashed.state, crashed.reason = DynoState.CRASHED, "exit status 1"
    assert missing(wanted, [up, crashed], units(up), None, NOW) == [
        Missing("web.2", "crashed", "exit status 1"),
        Missing("web.3", "created", ""),
        Missing("worker.1", "created", ""),
    ]
    assert [one.name for one in missing(wanted, [up], set(), "web", NOW)] == ["web.1", "web.2", "web.3"]
    assert missing(app(), [dyno("web.1", version=2)], set(), None, NOW) == [Missing("web.1", "created", "")]
    large = dyno("web.1")
    large.size = "standard-2x"
    assert missing(app(), [large], units(large), None, NOW) == [Missing("web.1", "up", "still with its old size")]
    assert missing(wanted, [], set(), "clock", NOW) == missing(None, [up], set(), None, NOW) == []


def test_what_listens_on_no_port_is_up_when_it_has_not_ended_at_once():
    worker = dyno("worker.1")
    wanted = app(web=0, worker=1)
    young = Missing("worker.1", "up", "for less than 2 seconds")
    assert missing(wanted, [worker], set(), None, worker.since + 1.9) == [young]
    assert missing(wanted, [worker], set(), None, worker.since + 2) == []


def test_web_dynos_that_sleep_are_as_they_should_be():
    asleep, worker = replace(app(web=2, worker=1), idled_at=1.0), dyno("worker.1")
    assert missing(asleep, [worker], set(), None, NOW) == []
    assert [one.name for one in missing(asleep, [], set(), None, NOW)] == ["worker.1"]
    assert judge(asleep, 3, [worker], set()) == Settled(ok=True, serving=None)
