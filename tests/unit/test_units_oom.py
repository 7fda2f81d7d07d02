"""Telling an end by lack of memory from others."""

import pytest

from units.oom import OutOfMemory
from units.systemd import UnitInfo

SIGKILL, SIGTERM = 9, 15


def info(status=SIGKILL, code=2, result="signal", name="a.service"):
    return UnitInfo(name, "", "failed", "failed", result, code, status, 0, "")


@pytest.fixture
def machine(tmp_path):
    """A machine with cgroup v1 whose kernel counts."""

    def kills(count):
        (tmp_path / "vmstat").write_text(f"nr_free_pages 12\noom_kill {count}\n")

    kills(3)
    return kills


@pytest.fixture
def memory(tmp_path, machine):
    return OutOfMemory(tmp_path / "cgroup", tmp_path / "vmstat")


def test_systemd_is_believed(memory):
    assert memory.ended(info(result="oom-kill"))


def test_a_kill_counts_if_the_kernel_killed_for_memory_since_the_unit_started(memory, machine):
    machine(4)
    memory.starting("a.service")
    assert not memory.ended(info())
    machine(5)
    assert memory.ended(info())
    assert not memory.ended(info(SIGTERM))
    assert not memory.ended(info(status=SIGKILL, code=1, result="exit-code"))


def test_two_units_that_end_at_once_are_both_told(memory, machine):
    memory.starting("a.service")
    memory.starting("b.service")
    machine(5)
    assert memory.ended(info())
    assert memory.ended(info(name="b.service"))


def test_a_unit_that_ran_before_counts_from_the_start_of_this_process(memory, machine):
    memory.starting("a.service")
    memory.forget("a.service")
    assert not memory.ended(info())
    machine(4)
    assert memory.ended(info())


def test_with_cgroup_v2_the_machines_count_says_nothing(tmp_path, machine):
    (tmp_path / "cgroup").mkdir()
    (tmp_path / "cgroup/cgroup.controllers").touch()
    memory = OutOfMemory(tmp_path / "cgroup", tmp_path / "vmstat")
    memory.starting("a.service")
    machine(9)
    assert not memory.ended(info())
