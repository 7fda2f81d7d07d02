"""Real journald's files, read with libsystemd and without it: entry for entry the same."""

from __future__ import annotations

from pathlib import Path

SCENARIOS = Path(__file__).with_name("journal_scenarios.py").read_text()


def test_both_readers_find_the_same_in_what_units_wrote(scenario):
    found = scenario("same")
    # First: it tells whether lines that are missing are missing in the files or to our reader alone.
    assert found["different"] == []
    assert found["entries"] > 3000
    assert found["kinds"] == ["compressed", "forged", "long", "native", "not text", "repeated"]


def test_both_find_the_same_places(scenario):
    assert scenario("places") == {"cursors": True, "times": True, "last": True}


def test_nothing_is_missed_over_rotations_and_a_killed_journald(scenario):
    found = scenario("killed")
    assert found == {"in order, once": True, "nearly all": True, "files": True, "missed": 0}


def test_the_platforms_own_journal_reads_the_same(scenario):
    assert scenario("platform") == []
