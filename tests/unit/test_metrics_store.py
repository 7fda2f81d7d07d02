"""The store: what is written is there, for as long as it should be, and no trouble with the file goes further."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from metrics_kit import NOON, crash, traffic, used

from hostd.metrics import store as store_module
from hostd.metrics.points import FIVE, MINUTE, Points, Stretch
from hostd.metrics.store import DAY, Store, StoreError

LARGE = 1 << 30


@pytest.fixture
def file(tmp_path):
    return tmp_path / "metrics" / "metrics.db"


@pytest.fixture
def store(file):
    store = Store(file, LARGE)
    yield store
    store.close()


def minute(at=NOON, app="app", **more):
    return Points([used(at, app, **more)], [traffic(at, app)], [crash(at, app)], {at})


def of(store, app="app", step=MINUTE):
    return store.points(Stretch(0, 2**40, step, app))


def test_what_is_written_is_read(store):
    both = minute()
    both.add(minute(app="other", megabytes=7))
    store.write(both, NOON + 61)
    assert of(store) == minute()
    assert of(store, "other") == minute(app="other", megabytes=7)
    assert of(store, "nobody") == Points(steps={NOON})
    assert store.points(Stretch(NOON + 1, NOON + 900)) == Points()
    assert len(of(store, None).used) == 2
    assert (store.born("app"), store.born("nobody")) == (NOON, None)


def test_minutes_for_alerts(store):
    for at in (NOON, NOON + 120):
        store.write(Points([used(at)], [traffic(at, good=3)], [], {at}), at + 61)
    store.write(Points([], [], [crash(NOON + 60, dyno="", what="L10", times=41)], {NOON + 60}), NOON + 200)
    assert store.minutes("app", "requests", NOON, NOON + 180) == {NOON: 3, NOON + 60: 0, NOON + 120: 3}
    assert store.minutes("app", "L10", NOON, NOON + 120) == {NOON: 0, NOON + 60: 41}
    assert list(store.minutes("app", "p95", 0, 2**40)) == [NOON, NOON + 120]
    assert store.minutes("app", "memory", NOON, NOON + 1) == {NOON: 100}
    assert store.minutes("nobody", "requests", NOON, NOON + 180) == {NOON: 0, NOON + 60: 0, NOON + 120: 0}
    with pytest.raises(ValueError, match="no metric"):
        store.minutes("app", "nonsense", 0, 1)


def test_parts_of_a_minute_are_added(store):
    store.write(minute(megabytes=100), NOON + 10)
    store.write(minute(megabytes=300), NOON + 61)
    [point], [answered], [crashed] = of(store).used, of(store).traffic, of(store).counts
    assert (point.memory >> 10, point.most >> 10, answered.requests, crashed.times) == (200, 300, 2, 2)


def test_fives_are_made_when_they_are_over(store):
    for at in range(NOON, NOON + 600, 60):
        store.write(minute(at), at + 60)
        made = of(store, step=FIVE).steps
        assert made == set(range(NOON, (at + 60) // FIVE * FIVE, FIVE))
    assert [(each.at, each.requests) for each in of(store, step=FIVE).traffic] == [(NOON, 5), (NOON + 300, 5)]


def test_fives_of_a_night_without_hostd_are_made_later(file):
    first = Store(file, LARGE)
    first.write(minute(NOON), NOON + 60)
    first.close()
    store = Store(file, LARGE)
    store.write(minute(NOON + 36_000), NOON + 36_060)
    assert of(store, step=FIVE).steps == {NOON}
    store.close()


def test_minutes_go_after_a_week_and_fives_after_a_month(store):
    store.write(minute(NOON), NOON + 60)
    store.write(minute(NOON + FIVE), NOON + 2 * FIVE)
    store.write(Points(), NOON + 7 * DAY + 1)
    assert of(store).steps == {NOON + FIVE}
    assert of(store, step=FIVE).steps == {NOON, NOON + FIVE}
    store.write(Points(), NOON + 31 * DAY + 1)
    assert of(store).steps == set()
    assert [point.at for point in of(store, step=FIVE).used] == [NOON + FIVE]


def test_a_clock_that_was_wrong_costs_little(store):
    for day in range(3):
        for at in range(NOON + day * DAY, NOON + day * DAY + 150 * 60, 60):
            store.write(minute(at), at + 60)
    store.write(minute(NOON + 999 * DAY), NOON + 999 * DAY + 60)
    assert len(of(store).steps) == 3 * 150 + 1 - 100
    now = NOON + 3 * DAY
    store.write(minute(now), now + 60)
    assert max(of(store).steps) == now
    store.write(minute(now + FIVE), now + 3 * FIVE)
    assert max(of(store, step=FIVE).steps) == now + FIVE


def test_dynos_of_which_nothing_is_known_any_more_lose_their_names(store, file):
    store.write(minute(NOON), NOON + 60)
    store.write(minute(NOON + 40 * DAY, app="later"), NOON + 40 * DAY + 60)
    store.write(minute(NOON + 41 * DAY, app="later"), NOON + 41 * DAY + 120)
    assert store.born("app") is None
    store.write(minute(NOON + 41 * DAY), NOON + 41 * DAY + 120)
    assert len(of(store).used) == 1


def test_the_oldest_go_first_when_there_are_too_many_rows(file):
    store = Store(file, LARGE, most_rows=400)
    for at in range(NOON, NOON + 300 * 60, 60):
        store.write(minute(at), at + 60)
        assert store.size()[1] <= 404
    kept = of(store).steps
    assert max(kept) == NOON + 299 * 60
    assert min(kept) > NOON + 3600
    store.close()


@pytest.mark.thorough
def test_the_oldest_go_first_when_the_file_is_too_large(file):
    bound = 300_000
    store = Store(file, bound)
    for at in range(NOON, NOON + 120 * 60, 60):
        batch = Points(steps={at})
        for number in range(40):
            batch.add(Points([used(at, dyno=f"web.{number}")], [traffic(at, dyno=f"web.{number}")]))
        store.write(batch, at + 60)
    assert store.size()[0] <= bound
    assert max(of(store).steps) == NOON + 119 * 60
    assert min(of(store).steps) > NOON
    # What was given back is used again: the file itself hardly grows beyond the bound.
    assert file.stat().st_size < 2 * bound
    store.close()


@pytest.mark.parametrize("damage", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_put_aside(file, damage, caplog):
    file.parent.mkdir()
    file.write_bytes(damage)
    store = Store(file, LARGE)
    with pytest.raises(StoreError, match="cannot be kept"):
        store.write(minute(), NOON + 60)
    store.write(minute(), NOON + 60)
    assert of(store) == minute()
    assert file.with_suffix(".damaged").read_bytes() == damage
    assert "put aside" in caplog.text
    store.close()


def test_a_file_that_is_damaged_later_is_put_aside_too(store, file):
    for at in range(NOON, NOON + 40 * 60, 60):
        store.write(minute(at), at + 60)
    with sqlite3.connect(file) as other:
        other.execute("DROP TABLE traffic_60")
    other.close()
    assert store.minutes("app", "p95", 0, 2**40) == {}
    store.write(minute(), NOON + 60)
    assert of(store) == minute()


def test_the_store_of_a_newer_hostd_is_put_aside(store, file):
    store.write(minute(), NOON + 60)
    store.close()
    with sqlite3.connect(file) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    assert store.minutes("app", "requests", 0, 2**40) == {}
    assert file.with_suffix(".damaged").exists()


def test_a_full_disk_changes_nothing_and_is_tried_again(store):
    store.write(minute(), NOON + 60)
    connection = store._opened()
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    many = Points(steps={NOON + 60})
    for number in range(500):
        many.add(Points([used(NOON + 60, dyno=f"web.{number}")]))
    with pytest.raises(StoreError, match="full"):
        store.write(many, NOON + 120, {"1": {"app": "{}"}})
    assert of(store) == minute()
    assert store.baselines() == {}
    # The connection was dropped with its limit: there is room again.
    store.write(many, NOON + 120)
    assert len(of(store).used) == 501


def test_a_place_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "metrics.db", LARGE)
    with pytest.raises(StoreError, match="cannot be kept"):
        store.write(minute(), NOON + 60)
    assert store.minutes("app", "requests", 0, 1) == {}


def test_what_workers_counted_is_kept_with_the_points(store):
    store.write(minute(), NOON + 60, {"1": {"": "first", "app": "a", "other": "b"}, "2": {"": "x"}})
    store.write(Points(), NOON + 120, {"1": {"": "first", "app": "c"}})
    assert store.baselines() == {"1": {"": "first", "app": "c", "other": "b"}, "2": {"": "x"}}
    store.write(Points(), NOON + 180, {"1": {"": "second", "app": "d"}})
    assert store.baselines()["1"] == {"": "second", "app": "d"}


KILLED = """
import sys
from pathlib import Path
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from metrics_kit import NOON, traffic
from hostd.metrics.points import Points
from hostd.metrics.store import Store
store = Store(Path(sys.argv[1]), 1 << 30)
for number in range(10**6):
    at = NOON + 60 * number
    store.write(Points([], [traffic(at)], [], {at}), at + 60)
    print(number, flush=True)
"""


def test_what_was_written_outlives_kill_9(file):
    argv = [sys.executable, "-c", KILLED, str(file), str(Path(__file__).parent)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        said = [process.stdout.readline() for _ in range(60)]
        process.kill()
        said += process.stdout.readlines()
    written = len([line for line in said if line.strip()])
    store = Store(file, LARGE)
    there = sum(point.requests for point in of(store).traffic)
    assert written <= there <= written + 1
    store.close()


def test_the_bounds_leave_room_for_what_is_promised():
    assert store_module.KEPT == {MINUTE: 7 * DAY, FIVE: 31 * DAY}
    dynos = 300
    rows = dynos * 2 * sum(kept // step for step, kept in store_module.KEPT.items())
    assert rows <= store_module.MOST_ROWS
