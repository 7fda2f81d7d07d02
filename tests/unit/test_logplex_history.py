import pytest
from kept_fakes import APP, OTHER, START, Store, cursor, trusted

from hostd.logplex import history
from hostd.logplex.filters import Filter
from hostd.logplex.history import Backward, Forward, Start, prepare
from hostd.logplex.patterns import compile_pattern
from hostd.logplex.rendering import Form, rows_of
from units.journal import Entry

ROWS = rows_of(Form.TEXT)


def back(store, wanted=None, lines=100, **options):
    wanted = wanted or Filter(APP)
    prepared = prepare(store.open(APP, {}), wanted)
    job = Backward(prepared.journal, wanted, trusted, ROWS, lines, end=prepared.end, **options)
    while not job.slice().done:
        pass
    return [line.message.decode() for line in reversed(job.lines)]


def on(store, start, wanted=None, end=None, until=None):
    wanted = wanted or Filter(APP)
    prepared = prepare(store.open(APP, {}), wanted, start.after)
    job = Forward(prepared.journal, wanted, trusted, start, end or prepared.end, until)
    lines, done = [], False
    while not done:
        found = job.slice()
        done = found.done
        lines += found.lines
    return [line.message.decode() for line in lines]


def mixed(count=20):
    store = Store()
    for number in range(count):
        store.write(f"line {number}", process=f"web.{number % 3 + 1}" if number % 2 else "worker.1")
        store.write(f"other {number}", app=OTHER)
    return store


def test_the_last_lines_in_the_journals_order():
    assert back(mixed(), lines=3) == ["line 17", "line 18", "line 19"]
    assert back(mixed(), lines=0) == []
    assert len(back(mixed(), lines=1500)) == 20
    assert back(Store()) == []


def test_more_lines_than_one_look_brings():
    store = mixed(1700)
    assert back(store, lines=1500) == [f"line {number}" for number in range(200, 1700)]
    assert on(store, Start()) == [f"line {number}" for number in range(1700)]


def test_filters_by_dyno_type_and_source():
    store = mixed(12)
    store.write("Starting", process="web.2", HOSTD_SOURCE="heroku")
    store.write("GET /", process="router", HOSTD_SOURCE="heroku")
    for wanted, found in (
        (Filter(APP, only=("web.2",)), ["line 1", "line 7", "Starting"]),
        (Filter(APP, only=("web.2", "router")), ["line 1", "line 7", "Starting", "GET /"]),
        (Filter(APP, source="heroku"), ["Starting", "GET /"]),
        (Filter(APP, source="heroku", only=("web",)), ["Starting"]),
        (Filter(APP, source="heroku", without=("web",)), ["GET /"]),
        (Filter(APP, only=("web",), without=("web.1", "web.2")), ["line 5", "line 11"]),
        (Filter(APP, only=("we",)), []),
    ):
        assert back(store, wanted) == on(store, Start(), wanted) == found
    assert back(store, Filter(APP, only=("web",)), lines=2) == ["line 11", "Starting"]


def test_patterns_and_request_ids_search_all_there_is():
    store = mixed(1000)
    store.write("at=info request_id=4f1c-77 status=200", process="router")
    assert back(store, Filter(APP, pattern=compile_pattern("^line 1?7$")), lines=5) == ["line 7", "line 17"]
    assert back(store, Filter(APP, request_id="4f1c-77")) == ["at=info request_id=4f1c-77 status=200"]
    store.write("Traceback:\n  here\nKeyError", process="web.1")
    assert back(store, Filter(APP, pattern=compile_pattern("KeyError$"))) == ["Traceback:\n  here\nKeyError"]


def test_a_span_of_time():
    store = mixed()
    at = [entry.realtime_us for entry in store.entries if entry.fields["HOSTD_APP"] == APP]
    assert back(store, since=at[3], until=at[5]) == ["line 3", "line 4", "line 5"]
    assert back(store, since=at[3], until=at[5], lines=2) == ["line 4", "line 5"]
    assert back(store, until=at[1]) == ["line 0", "line 1"]
    assert on(store, Start(since=at[17])) == ["line 17", "line 18", "line 19"]
    assert on(store, Start(since=at[3]), until=at[5]) == ["line 3", "line 4", "line 5"]
    assert back(store, since=START + 10**9) == on(store, Start(since=START + 10**9)) == []


def test_nothing_newer_than_the_end_and_nothing_twice():
    store = mixed()
    end = store.entries[10].cursor
    assert on(store, Start(after=store.entries[6].cursor), end=end) == ["line 4", "line 5"]
    assert on(store, Start(after=end), end=end) == []


def test_whoever_comes_back_is_told_that_entries_are_gone():
    store = mixed()
    seen = store.entries[4].cursor
    assert not prepare(store.open(APP, {}), Filter(APP), seen).missing
    assert not prepare(store.open(APP, {}), Filter(APP, only=("nobody",)), seen).missing
    store.vacuum(8)
    assert prepare(store.open(APP, {}), Filter(APP), seen).missing
    assert on(store, Start(after=seen))[0] == "line 4"


def test_what_is_held_in_memory_is_bounded():
    store = Store()
    for _ in range(10):
        store.write(b"x" * 1024 * 1024)
    prepared = prepare(store.open(APP, {}), Filter(APP))
    job = Backward(prepared.journal, Filter(APP), trusted, ROWS, 100_000, end=prepared.end)
    while not job.slice().done:
        pass
    assert len(job.lines) == 4 and job.cut


def test_a_slice_ends_when_its_time_is_up(monkeypatch):
    store = mixed(1000)
    ticks = iter(range(10_000))
    wanted = Filter(APP, only=("nobody",), pattern=compile_pattern("never"))
    monkeypatch.setattr(history, "SLICE_SECONDS", 1)
    job = Backward(store.open(APP, {}), wanted, trusted, ROWS, 100, clock=lambda: float(next(ticks)))
    first = job.slice()
    assert not first.done and first.entries == 200 and first.time == START + 2 * (1000 - 200) + 1
    forward = Forward(store.open(APP, {}), wanted, trusted, Start(), store.entries[-1].cursor, clock=job.clock)
    assert not forward.slice().done


def test_a_pattern_that_would_run_away_stops_the_search():
    store = Store()
    store.write("a" * 60 + "b")
    from hostd.logplex.patterns import TooCostly

    with pytest.raises(TooCostly):
        back(store, Filter(APP, pattern=compile_pattern("(a+)+$")))


def test_a_clock_that_is_set_back_changes_no_order():
    """Entries have journald's own numbers; only the times of those behind the jump are earlier."""
    store = Store()
    for number in range(1, 6):
        store.write(str(number))
    earlier = START - 3_600_000_000
    for number in range(6, 11):
        fields = {"HOSTD_APP": APP, "HOSTD_SOURCE": "app", "HOSTD_PROCESS": "web.1", "_TRANSPORT": "stdout"}
        place = cursor(number, time=earlier + number)
        store.entries.append(Entry(place, earlier + number, str(number).encode(), fields))
    assert back(store, lines=7) == [str(number) for number in range(4, 11)]
    assert on(store, Start(after=store.entries[2].cursor)) == [str(number) for number in range(4, 11)]
