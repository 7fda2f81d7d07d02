"""Counters of the router's workers: read from real ones, subtracted, and begun anew."""

import pytest

from hostd.logplex.counts import Counts
from hostd.metrics.counters import AppCounts, WorkerCounts
from hostd.metrics.points import ERRORS
from hostd.metrics.tally import Tally, metric_name
from router import exposition
from router.metrics import Metrics


class FakePlane:
    """What the exposition reads of a plane: an app with one dyno, `hello` with the id `app`."""

    def __init__(self):
        self.metrics = Metrics()
        self.metrics.begin("app")
        self.table = type("Table", (), {"apps": ()})()
        self.backends, self.held = {}, ()

    def answered(self, status=200, seconds=0.003, times=1, dyno="web.1"):
        for _ in range(times):
            self.metrics.of("app").dyno(dyno).add(status, 100, 0.0, seconds)

    def refused(self, code):
        known = self.metrics.of("app")
        known.codes[code] += 1
        known.elsewhere.add(503, 10, 0.0, None)

    def counts(self, run="first", uptime=1000.0):
        return WorkerCounts.of_worker({"run": run, "uptime": uptime, "apps": list(exposition.documents(self))})


@pytest.fixture
def plane():
    return FakePlane()


def traffic(counts):
    return [(each.dyno, each.requests, sum(each.service)) for _, app in counts for each in app.points("app", 0).traffic]


def test_what_came_on_top(plane):
    plane.answered(times=3)
    before = plane.counts()
    plane.answered(times=2, seconds=0.2)
    plane.answered(status=500)
    plane.answered(dyno="web.2")
    plane.refused("H12")
    [(app_id, more)] = plane.counts().since(before)
    points = more.points(app_id, 60)
    assert app_id == "app"
    assert [(each.at, each.dyno, each.requests) for each in points.traffic] == [
        (60, "", 1), (60, "web.1", 3), (60, "web.2", 1),
    ]  # fmt: skip
    web = points.traffic[1]
    assert (web.classes[ERRORS], web.sent, web.millis, sum(web.service)) == (1, 300, 403, 3)
    assert [(each.dyno, each.what, each.times) for each in points.counts] == [("", "H12", 1)]


def test_an_app_of_which_nothing_is_new_is_left_out(plane):
    plane.answered()
    before = plane.counts()
    assert list(plane.counts().since(before)) == []
    assert plane.counts().to_texts(before) == {"": "first"}


def test_a_worker_that_has_begun_anew_counts_from_nothing(plane):
    plane.answered(times=5)
    before, again = plane.counts(), FakePlane()
    again.answered(times=7)
    assert traffic(again.counts("second").since(before)) == [("web.1", 7, 7)]
    assert again.counts("second").to_texts(before).keys() == {"", "app"}


def test_a_dyno_that_the_worker_had_forgotten_counts_from_nothing(plane):
    plane.answered(times=5)
    plane.refused("H10")
    before = plane.counts()
    again = FakePlane()
    again.answered(times=2)
    again.refused("H12")
    assert traffic(again.counts().since(before)) == [("web.1", 2, 2)]


def test_a_worker_that_nobody_knows_has_counted_long_ago_unless_it_is_young(plane):
    plane.answered(times=5)
    assert list(plane.counts().since(None)) == []
    assert traffic(plane.counts(uptime=3.0).since(None)) == [("web.1", 5, 5)]


def test_refusals_without_a_code_are_requests_and_no_code(plane):
    plane.refused("")
    [(_, more)] = plane.counts(uptime=1).since(None)
    assert more.codes == {}
    assert traffic([("app", more)]) == [("", 1, 0)]


def test_counts_are_written_down_and_read_back(plane):
    plane.answered(times=5)
    plane.refused("H12")
    counts = plane.counts()
    read = WorkerCounts.from_texts(counts.to_texts(None))
    assert list(counts.since(read)) == []
    assert (read.run, read.apps) == ("first", counts.apps)


@pytest.mark.parametrize("text", ["", "{}", "[1, 2]", '[{}, {"web.1": 3}]', "null", '[{}, {"web.1": ["a"]}]'])
def test_what_are_no_counts_is_refused(text):
    with pytest.raises(ValueError):
        AppCounts.from_text(text)


def test_counts_of_an_older_hostd_count_from_nothing(plane):
    plane.answered()
    before = WorkerCounts("first", {"app": AppCounts({}, {"web.1": (1, 2)})})
    assert traffic(plane.counts().since(before)) == [("web.1", 1, 1)]


def test_the_tally_hears_codes_and_crashes():
    tally = Tally()
    for process, text in (
        ("web.1", "Error R14 (Memory quota exceeded)"),
        ("web.1", "State changed from up to crashed"),
        ("web.1", "State changed from starting to up"),
        ("web.2", "Process exited 3 times while hostd was away; systemd restarted it"),
        ("web.2", "Process exited while hostd was away; systemd restarted it"),
        ("run.4821", "Error R13 (Attach error) -> Failed to attach to process"),
        ("api", "Set GREETING config vars by kate@example.com: Error R99 (none)"),
        ("web.1", "Error: the dyno could not be started"),
    ):
        tally.hear("app", process, text)
    tally.hear("app", "logplex", "Error L13 (Local delivery error) -> 3 messages could not be delivered since then.")
    found = {(each.dyno, each.what): each.times for each in tally.counts(60)}
    assert found == {
        ("web.1", "R14"): 1, ("web.1", "crash"): 1, ("web.2", "crash"): 4, ("run", "R13"): 1, ("", "L13"): 1,
    }  # fmt: skip
    assert len(tally.take(60)) == 5
    assert tally.take(60) == []
    assert tally.total["app", "web.2", "crash"] == 4


def test_the_tally_counts_what_the_logplex_has_said_since():
    tally, said = Tally(), Counts()
    said.hear("app", "Error L10 (Drain buffer overflow) -> This drain dropped 41 messages")
    tally.add_all(said.document())
    assert tally.take(60) == []  # by a logplex that ran before: long ago, perhaps
    said.hear("app", "Error L10 (Drain buffer overflow) -> This drain dropped 3 messages")
    said.hear("other", "Error L14 (Certificate validation error) -> Drain d.1")
    said.hear("other", "Nothing in particular")
    tally.add_all(said.document())
    tally.add_all(said.document())
    assert [(each.app, each.dyno, each.what, each.times) for each in tally.take(60)] == [
        ("app", "", "L10", 1), ("other", "", "L14", 1),
    ]  # fmt: skip
    again = Counts()
    again.hear("app", "Error L10 (Drain buffer overflow) -> This drain dropped 1 messages")
    tally.add_all(again.document())
    assert [(each.app, each.what, each.times) for each in tally.take(60)] == [("app", "L10", 1)]


def test_one_off_dynos_go_by_their_type():
    assert [metric_name(name) for name in ("web.1", "run.4821", "scheduler.1000", "api", "my-type.12")] == [
        "web.1", "run", "scheduler", "", "my-type.12",
    ]  # fmt: skip
