"""The logplex against a real journald: the scenarios run inside the box and print what they found."""

import re
from pathlib import Path

SCENARIOS = Path(__file__).with_name("logs_scenarios.py").read_text()
STAMP = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 ")


def test_lines_have_the_exact_form(scenario):
    rows = scenario("form")
    assert all(STAMP.match(row) for row in rows)
    assert [STAMP.sub("", row) for row in rows] == [
        "app[web.1]: hello",
        "app[web.1]: caf\N{REPLACEMENT CHARACTER} \x1b[31mred\x1b[0m\\e[2J",
        "app[web.1]: error",
        "app[web.1]: no line end",
        "heroku[api]: Scaled to web@2 by you@example.com",
    ]


def test_lines_are_found_by_dyno_type_and_source(scenario):
    assert scenario("filters") == {
        "web.2": ["two", "State changed from starting to up"],
        "web": ["one", "two", "State changed from starting to up"],
        "heroku": ["State changed from starting to up", "at=info method=GET"],
        "app worker": ["work"],
        "last two": ["State changed from starting to up", "at=info method=GET"],
    }


def test_dynos_that_live_for_a_moment_lose_nothing(scenario):
    assert scenario("short") == 40


def test_a_line_of_ten_megabytes_comes_in_pieces(scenario):
    assert scenario("long") == {"last": ["after"], "rows": 100, "longest": 10_000}


def test_a_tail_keeps_up_with_twenty_thousand_lines(scenario):
    assert scenario("burst") == {"in order": True}


def test_a_tail_goes_on_when_the_journal_begins_a_new_file(scenario):
    assert scenario("rotated") == {"live": True, "afterwards": True}


def test_a_reader_that_is_too_slow_is_told_what_it_missed(scenario):
    assert scenario("slow") == {"told": True, "all accounted for": True}


def test_a_dyno_cannot_write_into_another_apps_log(scenario):
    found = scenario("forged")
    assert found["sent"] == ["sent", "sent"]
    assert found["stored"], "the attempt should have reached journald"
    assert found["shown"] == []


def test_kill_9_of_the_logplex_loses_nothing_and_repeats_nothing(scenario):
    found = scenario("killed")
    assert found == {"each line once, in order": True, "connections": 3}


def test_the_process_is_small_and_unprivileged(scenario):
    found = scenario("process")
    assert found["pss_mb"] < 25, found
    assert found["uid"] != 0 and found["capabilities"] == 0
