import pytest
from logplex_fakes import APP, OTHER, START, Store, cursor, trusted

from hostd.logplex import reading
from hostd.logplex.reading import Filter, history, is_cursor, is_newer, line_of


def said(found):
    return [line.message.decode() for line in found.lines]


def read(store, wanted=None, **options):
    wanted = wanted or Filter(APP)
    options = {"until": None, "lines": 100} | options
    return history(store.open_any(wanted.matches()), wanted, trusted, **options)


def mixed(count=20):
    store = Store()
    for number in range(count):
        store.write(f"line {number}", process=f"web.{number % 3 + 1}" if number % 2 else "worker.1")
        store.write(f"other {number}", app=OTHER)
    return store


def test_the_last_lines_in_the_journals_order():
    assert said(read(mixed(), lines=3)) == ["line 17", "line 18", "line 19"]
    assert said(read(mixed(), lines=0)) == []
    assert len(said(read(mixed(), lines=1500))) == 20
    assert said(read(Store())) == []


def test_more_lines_than_one_look_brings():
    store = mixed(1700)
    assert said(read(store, lines=1500)) == [f"line {number}" for number in range(200, 1700)]


def test_filters_by_dyno_type_and_source():
    store = mixed(12)
    store.write("Starting", process="web.2", HOSTD_SOURCE="heroku")
    store.write("GET /", process="router", HOSTD_SOURCE="heroku")
    assert said(read(store, Filter(APP, process="web.2"))) == ["line 1", "line 7", "Starting"]
    assert said(read(store, Filter(APP, process="web"), lines=2)) == ["line 11", "Starting"]
    assert said(read(store, Filter(APP, source="heroku"))) == ["Starting", "GET /"]
    assert said(read(store, Filter(APP, source="heroku", process="web"))) == ["Starting"]
    assert said(read(store, Filter(APP, process="router"))) == ["GET /"]
    assert said(read(store, Filter(APP, process="we"))) == []
    assert said(read(store, Filter(OTHER), lines=1)) == ["other 11"]


def test_nothing_newer_than_asked_for():
    store = mixed()
    until = store.entries[10].cursor
    assert said(read(store, until=until, lines=2)) == ["line 4", "line 5"]
    assert said(read(store, until=store.entries[11].cursor, lines=2)) == ["line 4", "line 5"]


def test_a_returning_reader_gets_what_it_missed(monkeypatch):
    store = mixed()
    seen = store.entries[30].cursor
    back = read(store, after=seen, lines=1)
    assert said(back) == ["line 16", "line 17", "line 18", "line 19"]
    assert not back.incomplete
    monkeypatch.setattr(reading, "MOST_RESUMED", 3)
    back = read(store, after=seen)
    assert said(back) == ["line 17", "line 18", "line 19"]
    assert back.incomplete


def test_history_is_bounded_in_bytes():
    store = Store()
    for _ in range(10):
        store.write(b"x" * 1024 * 1024)
    assert len(read(store).lines) == 5


def test_a_dyno_cannot_speak_for_another_app_or_the_platform():
    store = Store()
    forged = {"HOSTD_SOURCE": "heroku", "HOSTD_PROCESS": "api", "_TRANSPORT": "journal"}
    store.write("forged", **forged, _UID="200001")
    store.write("forged", **forged)
    store.write("Deploy 20a5742 by you@example.com", **forged, _UID="0")
    store.write("at=info", **(forged | {"HOSTD_PROCESS": "router"}), _UID="990")
    store.write("printed", _UID="200001")
    assert said(read(store)) == ["Deploy 20a5742 by you@example.com", "at=info", "printed"]


def test_entries_of_no_app_are_no_lines():
    store = Store()
    assert line_of(store.write("router started", app=None), trusted) is None


def test_order_goes_by_journalds_numbers_and_else_by_time():
    assert is_newer(cursor(2), cursor(1)) and not is_newer(cursor(1), cursor(1))
    assert not is_newer(cursor(15, time=START + 99), cursor(16, time=START))
    assert is_newer(cursor(1, stream="c" * 32, time=START + 99), cursor(16, time=START))
    with pytest.raises(ValueError, match="not a journal cursor"):
        is_newer("x", cursor(1))
    assert is_cursor(cursor(1)) and not is_cursor("s=1") and not is_cursor(cursor(1) + "\n")
