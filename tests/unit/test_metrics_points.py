"""Roll-ups and figures: points in, points and figures out."""

import pytest
from metrics_kit import NOON, crash, service, traffic, used

from hostd.metrics import histogram
from hostd.metrics.points import FIVE, MINUTE, Points
from hostd.metrics.series import figures, kinds
from router.metrics import BUCKETS, Histogram


def test_a_histogram_of_the_router_is_read_as_it_was_counted():
    counted = Histogram()
    for seconds in (0.0001, 0.004, 0.004, 0.3, 99.0):
        counted.add(seconds)
    read = histogram.apart([count for _, count in counted.up_to()])
    assert list(read) == counted.counts
    assert histogram.unpack(histogram.pack(read)) == read


@pytest.mark.parametrize("counts", [histogram.EMPTY, (127,) * 15, (128, 0, 2**31, *(0,) * 11, 1)])
def test_a_histogram_is_written_down_and_read_back(counts):
    assert histogram.unpack(histogram.pack(counts)) == counts


@pytest.mark.parametrize("packed", [b"\x01", b"\x00" * 16, b"\x00" * 14 + b"\x80"])
def test_what_is_no_histogram_is_refused(packed):
    with pytest.raises(ValueError, match="no histogram"):
        histogram.unpack(packed)


@pytest.mark.parametrize(
    ("counts", "share", "wanted"),
    [
        (histogram.EMPTY, 0.5, None),
        (service(ms100=10), 0.5, 75.0),  # from 50 to 100 ms, evenly
        (service(ms100=10), 1.0, 100.0),
        (service(ms1=1), 0.99, 0.99),
        (service(ms5=90, ms500=10), 0.9, 5.0),
        (service(ms5=90, ms500=10), 0.95, 375.0),
        ((*(0,) * len(BUCKETS), 4), 0.5, 30_000.0),  # beyond the last bound: that
    ],
)
def test_percentiles_lie_evenly_within_a_bucket(counts, share, wanted):
    assert histogram.percentile(counts, share) == (None if wanted is None else pytest.approx(wanted))


def test_minutes_become_fives():
    minutes = Points(
        used=[used(NOON, megabytes=100), used(NOON + 60, megabytes=300, cpu=1200), used(NOON + 300, megabytes=7)],
        traffic=[traffic(NOON, good=2), traffic(NOON + 240, good=3, bad=1), traffic(NOON, dyno="web.2")],
        counts=[crash(NOON), crash(NOON + 60, times=2), crash(NOON + 60, what="R14")],
        steps={NOON, NOON + 60, NOON + 300},
    )
    fives = minutes.by(FIVE)
    first, later = fives.used
    assert (first.memory >> 10, first.most >> 10, first.cpu, first.span) == (200, 300, 1800, 120_000)
    assert (later.at, later.most >> 10) == (NOON + 300, 7)
    assert [(each.dyno, each.requests, each.classes[4], sum(each.service)) for each in fives.traffic] == [
        ("web.1", 6, 1, 6),
        ("web.2", 1, 0, 1),
    ]
    assert [(each.what, each.times) for each in fives.counts] == [("crash", 3), ("R14", 1)]
    assert fives.steps == {NOON, NOON + 300}
    assert fives.by(FIVE) == fives


def test_the_mean_of_memory_is_by_the_time_it_was_seen():
    both = Points(used=[used(megabytes=100, span=10_000), used(megabytes=400, span=20_000)]).by(MINUTE).used
    assert [each.memory >> 10 for each in both] == [300]
    unseen = Points(used=[used(megabytes=100, span=0), used(megabytes=300, span=0)]).by(MINUTE).used
    assert [each.memory >> 10 for each in unseen] == [200]


def test_figures_of_an_app():
    points = Points(
        used=[used(dyno="web.1", megabytes=256, cpu=30_000), used(dyno="web.2", megabytes=128, cpu=6_000, load=250)],
        traffic=[traffic(good=90), traffic(dyno="", good=0, bad=10)],
        counts=[crash(), crash(dyno="web.2"), crash(dyno="", what="H12", times=4)],
        steps={NOON, NOON + 60},
    )
    found = {name: figures(points, name) for name in ("requests", "errors", "restarts", "H12", "R14", "cpu", "load")}
    assert found == {
        "requests": {NOON: 100, NOON + 60: 0},
        "errors": {NOON: 10, NOON + 60: 0},
        "restarts": {NOON: 2, NOON + 60: 0},
        "H12": {NOON: 4, NOON + 60: 0},
        "R14": {NOON: 0, NOON + 60: 0},
        "cpu": {NOON: pytest.approx(60.0)},
        "load": {NOON: 2.5},
    }
    assert figures(points, "memory") == {NOON: 256}
    assert figures(points, "memory_quota") == {NOON: 50}
    assert figures(points, "p50") == {NOON: pytest.approx(3.75)}
    assert figures(points, "requests", born=NOON + 60) == {NOON: 100, NOON + 60: 0}
    assert figures(Points(steps={NOON}), "requests", born=NOON + 60) == {}


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match="'p96'"):
        figures(Points(), "p96")


@pytest.mark.parametrize("metric", ["p95", "requests", "errors", "memory", "cpu", "load", "restarts", "H12"])
def test_no_kind_of_point_is_left_out_that_a_metric_needs(metric):
    every = Points([used()], [traffic()], [crash(), crash(what="H12")], {NOON})
    some = Points(steps={NOON}, **{kind: getattr(every, kind) for kind in kinds(metric)})
    assert figures(some, metric) == figures(every, metric) != {}
