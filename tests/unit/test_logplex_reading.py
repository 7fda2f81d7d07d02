import pytest
from kept_fakes import START, Store, cursor, trusted

from hostd.logplex.reading import is_cursor, is_newer, line_of, time_of


def test_a_dyno_cannot_speak_for_another_app_or_the_platform():
    store = Store()
    forged = {"HOSTD_SOURCE": "heroku", "HOSTD_PROCESS": "api", "_TRANSPORT": "journal"}
    assert line_of(store.write("forged", **forged, _UID="200001"), trusted) is None
    assert line_of(store.write("forged", **forged), trusted) is None
    assert line_of(store.write("Deploy 20a5742 by you@example.com", **forged, _UID="0"), trusted)
    assert line_of(store.write("at=info", **(forged | {"HOSTD_PROCESS": "router"}), _UID="990"), trusted)
    assert line_of(store.write("printed", _UID="200001"), trusted)


def test_entries_of_no_app_are_no_lines():
    store = Store()
    assert line_of(store.write("router started", app=None), trusted) is None


def test_order_goes_by_journalds_numbers_then_by_the_boot_and_else_by_time():
    assert is_newer(cursor(2), cursor(1)) and not is_newer(cursor(1), cursor(1))
    assert not is_newer(cursor(15, time=START + 99), cursor(16, time=START))
    other = {"stream": "c" * 32}
    assert is_newer(cursor(16, **other, time=START), cursor(1, time=START + 99))
    assert is_newer(cursor(1, **other, time=START + 99, boot="d" * 32), cursor(16, time=START))
    with pytest.raises(ValueError, match="not a journal cursor"):
        is_newer("x", cursor(1))
    assert is_cursor(cursor(1)) and not is_cursor("s=1") and not is_cursor(cursor(1) + "\n")


def test_a_cursor_tells_its_time():
    assert time_of(cursor(7)) == START + 7
    with pytest.raises(ValueError, match="not a journal cursor"):
        time_of("x")


def test_what_journald_dropped_is_a_line_of_the_log_and_nobody_else_can_claim_it():
    store = Store()
    text = "Suppressed 4213 messages from hostd-hello-web.1-v3.service"
    line = line_of(store.write(text, app=None, _TRANSPORT="driver"), trusted)
    assert (line.source, line.process, line.about) == ("heroku", "logplex", "web.1")
    assert line.message == (
        b"Error L12 (Local buffer overflow) -> 4213 messages of web.1 dropped since 2026-01-27T10:47:58.000001+00:00."
    )
    assert line_of(store.write(text, app=None, _TRANSPORT="journal", _UID="0"), trusted) is None
    assert line_of(store.write(text, app=None), trusted) is None
    assert line_of(store.write("Journal started", app=None, _TRANSPORT="driver"), trusted) is None
