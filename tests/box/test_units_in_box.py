"""units/ against a real systemd: the scenarios run inside the box and print what they found."""

from pathlib import Path

SCENARIOS = Path(__file__).with_name("units_scenarios.py").read_text()


def test_exposure_of_the_sandbox_also_after_systemd_has_read_its_files_anew(scenario):
    found = scenario("exposure")
    assert max(found["fresh"], found["reloaded"]) <= 1.5
    assert found["forgotten"] == []


def test_what_a_process_sees_and_may_do_inside(scenario):
    assert scenario("inside")["lines"] == [
        "uid=299001:299001",
        "cwd=/app",
        "caps=0",
        "nnp=1",
        "seccomp=2",
        "others=0",
        "shm=0",
        "tmp=0",
        "disks=0",
        "expanded=$HOME ${PATH} %n",
        "app=writable",
    ]


def test_nothing_is_left_of_a_unit_that_is_gone(scenario):
    assert scenario("leftovers") == ["runs.service"]


def test_an_ended_unit_keeps_its_result_until_it_is_let_go(scenario):
    assert scenario("ends") == {
        "well": ["active", "exited", "success", 0],
        "badly": ["failed", "failed", "exit-code", 7],
        "killed": ["failed", "failed", "signal", 9],
        "memory": ["failed", "failed", "signal", 9],
        "started again at once": 4,
        "too brief to be seen running": 30,
        "no program": ["exit-code", 203],
        "no root": ["exit-code", 226],
    }


def test_a_unit_let_go_of_can_be_started_again_at_once(scenario):
    assert scenario("again") == {"started": 10}


def test_stop_tells_how_the_unit_ended(scenario):
    assert scenario("stops") == {
        "unknown": None,
        "by the signal": ["dead", "success", 2, 15],
        "with a status": ["failed", "exit-code", 1, 7],
        "not at all": ["failed", "timeout", 2, 9],
        "exists": True,
        "loaded": None,
    }


def test_a_reexecuted_systemd_loses_no_unit(scenario):
    assert scenario("reexec") == {"loaded": [["loaded", "running"]] * 8, "asked": True, "left": 0, "told": True}


def test_logs_arrive_whole_and_are_read_on_from_a_cursor(scenario):
    found = scenario("logs")
    assert found["entries"] == [
        ["web.1", 3, "one"],
        ["web.1", 3, "two"],
        ["web.1", 20_000, "a" * 9],
        ["api", 9, "two\nlines"],
        ["api", 3 * 1024 * 1024, "x" * 9],
        ["api", 5, "\xff raw"],
    ]
    assert found["exact"] is True
    assert found["rest"] == ["xxxxx", "\xff raw", "after"]
    assert found["last"] == ["after"]


def test_a_fork_bomb_meets_its_limit_and_is_counted(scenario):
    found = scenario("limits")
    assert found["tasks"] == 64
    assert found["memory"] > 0
    assert found["cpu"] > 0
    assert found["gone"] is None
