"""Which changes of a journald's unit are its death, told once each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hostd.journal_deaths import JournalDeaths

UNIT = "systemd-journald@hostd-app-id.service"


@dataclass
class FakeUnit:
    active: str


class FakeUnits:
    """One unit: what it is doing, how often systemd has started it again, and when it became active."""

    loaded: tuple[FakeUnit, ...] = (FakeUnit("active"),)
    restarts = 0
    active = 0.0

    def list_units(self, patterns: Any) -> tuple[FakeUnit, ...]:
        assert patterns == [UNIT]
        return self.loaded

    def read(self, name: str, value: str) -> Any:
        assert name == UNIT and self.loaded == (FakeUnit("active"),), "systemd would load it and say so, for ever"
        return self.restarts if value == "NRestarts" else int(self.active * 1e6)


class Scene:
    def __init__(self) -> None:
        self.units, self.said, self.now = FakeUnits(), list[tuple[str, str]](), 1000.0
        self.deaths = JournalDeaths(
            self.units,
            lambda app_id, text: self.said.append((app_id, text)),
            clock=lambda: 1_769_510_888.0,
            monotonic=lambda: self.now,
        )

    def changes(self, restarts: int, active: float = 999.0) -> int:
        """How often it was told after such a change."""
        self.units.restarts, self.units.active = restarts, active
        self.deaths.unit_changed(UNIT)
        return len(self.said)


def test_each_death_is_told_once() -> None:
    scene = Scene()
    assert [scene.changes(restarts) for restarts in (0, 1, 1, 2, 2, 0, 1)] == [0, 1, 1, 2, 2, 2, 3]
    assert scene.said[0] == (
        "app-id",
        "Error L13 (Local delivery error) -> The app's journald was killed before 2026-01-27T10:48:08.000000+00:00: "
        "up to 48 KiB of lines that it had just read, of one dyno, may be missing.",
    )


def test_what_happened_before_this_hostd_is_not_told() -> None:
    scene = Scene()
    assert [scene.changes(3, active=10.0), scene.changes(4)] == [0, 1]


def test_a_death_is_told_when_the_next_journald_is_up() -> None:
    scene = Scene()
    assert [scene.changes(1, active=10.0), scene.changes(1), scene.changes(1)] == [0, 1, 1]


def test_a_unit_that_does_not_run_is_not_read() -> None:
    scene = Scene()
    for loaded in ((), (FakeUnit("inactive"),), (FakeUnit("activating"),)):
        scene.units.loaded = loaded
        assert scene.changes(1) == 0
    scene.units.loaded = (FakeUnit("active"),)
    assert scene.changes(1) == 1


def test_other_units_are_not_asked_about() -> None:
    scene = Scene()
    for unit in ("systemd-journald.service", "systemd-journald@other.service", "systemd-journald@hostd.service", "x"):
        scene.deaths.unit_changed(unit)
    assert scene.said == []
