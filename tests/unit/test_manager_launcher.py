"""How a dyno ended, read from what systemd says of its unit."""

import time
from dataclasses import replace

import pytest

from hostd.faults import Faults
from hostd.manager.dyno import DynoId, Place
from hostd.manager.exits import NETWORK_GONE, RESTARTED, STOPPED, Exit
from hostd.manager.launcher import Launcher
from units.systemd import UnitInfo

DYNO = DynoId("hello", "web", 1, 2, Place("10.83.0.2", 20000))
RUNNING = UnitInfo(
    DYNO.unit, DYNO.description, "active", "running", "success", 0, 0, 4711, "/x", active_for=9.0
)
KILLED = replace(RUNNING, active="deactivating", sub="stop-sigterm", exec_main_code=2, exec_main_status=15)


class FakeSystemd:
    def __init__(self, info: UnitInfo | None, ending: bool) -> None:
        self._info, self._ending = info, ending

    def info(self, _name: str) -> UnitInfo | None:
        return self._info

    def read(self, _name: str, value: str) -> str | float:
        if self._info is None:
            return "" if value == "SubState" else 0
        age = self._info.active_for or 0.0
        return {"SubState": self._info.sub, "ActiveEnterTimestampMonotonic": (time.monotonic() - age) * 1e6}[value]

    def is_stopping(self) -> bool:
        return self._ending


class FakeNetworks:
    def __init__(self, intact: bool) -> None:
        self._intact = intact

    def intact(self, _name: str) -> bool:
        return self._intact


def exit_of(directory, info, seen_for=0.0, *, ending=False, intact=True):
    launcher = Launcher(
        systemd=FakeSystemd(info, ending),
        pool=None,
        stacks=None,
        environment_files=None,
        networks=FakeNetworks(intact),
        faults=Faults(directory),
    )
    return launcher.exit_of(DYNO, seen_for)


def test_what_runs_has_not_ended(tmp_path):
    assert exit_of(tmp_path, RUNNING) is None
    assert exit_of(tmp_path, RUNNING, seen_for=9.5) is None
    assert exit_of(tmp_path, replace(RUNNING, active="deactivating", job="stop")) is None


@pytest.mark.parametrize(
    ("info", "ended"),
    [
        (replace(KILLED, exec_main_code=1, exec_main_status=3, result="exit-code"), Exit(3, "exit-code")),
        (KILLED, Exit(143, "success")),
        (replace(KILLED, job="stop"), Exit(143, STOPPED)),
        (None, Exit(143, STOPPED)),
    ],
)
def test_an_end_of_its_own_is_told_from_one_by_an_operator(tmp_path, info, ended):
    assert exit_of(tmp_path, info) == ended


def test_what_systemd_is_told_to_start_again_has_not_ended(tmp_path):
    assert exit_of(tmp_path, replace(KILLED, job="restart")) is None
    assert exit_of(tmp_path, replace(KILLED, active="inactive", sub="dead", job="start")) is None


@pytest.mark.parametrize("info", [None, replace(KILLED, job="stop")])
def test_the_end_of_the_machine_is_none_of_a_dyno(tmp_path, info):
    assert exit_of(tmp_path, info, ending=True) is None


def test_one_that_has_run_for_less_than_is_known_was_restarted_by_an_operator(tmp_path):
    assert exit_of(tmp_path, RUNNING, seen_for=11.0) == Exit(143, RESTARTED)
    assert exit_of(tmp_path, replace(RUNNING, restarts=1), seen_for=11.0) is None


def test_one_without_its_network_is_as_good_as_ended(tmp_path):
    assert exit_of(tmp_path, RUNNING, intact=False) == Exit(143, NETWORK_GONE)
