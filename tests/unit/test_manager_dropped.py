"""What was dropped of a dyno that has ended: told by a unit of its name, if it may have written too much."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from hostd.manager.dropped import Dropped
from units.errors import SystemdError, UnitExists
from units.journal import JournalUnavailable
from units.properties import encode

UNIT = "hostd-hello-web.1-v3.service"


class FakeSystemd:
    """Keeps what is started."""

    def __init__(self) -> None:
        self.started: list[tuple[str, Mapping[str, Any]]] = []
        self.acts: list[str] = []
        self.error: SystemdError | None = None

    async def start(self, name: str, properties: Mapping[str, Any]) -> None:
        if self.error is not None:
            raise self.error
        self.acts.append("start")
        self.started.append((name, properties))

    def unref(self, name: str) -> None:
        assert name == UNIT
        self.acts.append("unref")


class Scene:
    """A dyno that has ended, and a journal; `much` is whether it may have written too much."""

    def __init__(self, rate: int = 5000) -> None:
        self.systemd = FakeSystemd()
        self.asked: list[tuple[str, str, int, float]] = []
        self.much = True
        self.silent = False
        self.starting: set[str] = set()
        self.while_it_speaks = lambda: None
        self.dropped = Dropped(
            self.systemd,  # type: ignore[arg-type]
            rate,
            self._synchronize,
            self.starting.__contains__,
            self._wrote_much,
        )

    async def _synchronize(self, journal: str) -> None:
        if self.silent:
            raise JournalUnavailable(f"the journal {journal} did not answer")
        self.systemd.acts.append("synchronize")
        self.while_it_speaks()

    def _wrote_much(self, journal: str, unit: str, lines: int, seconds: float) -> bool:
        self.asked.append((journal, unit, lines, seconds))
        return self.much

    async def ended(self) -> list[str]:
        """Let the dyno have ended; the units that were started."""
        self.dropped.ended(UNIT, "app-id")
        while self.dropped._tasks:
            await asyncio.sleep(0.001)
        return [name for name, _ in self.systemd.started]


async def test_a_unit_of_the_dynos_name_has_journald_tell_what_it_dropped() -> None:
    scene = Scene()
    assert await scene.ended() == [UNIT]
    assert scene.asked == [("hostd-app-id", UNIT, 50_000, 10.0)]
    properties = scene.systemd.started[0][1]
    assert (properties["LogNamespace"], properties["LogRateLimitIntervalUSec"]) == ("hostd-app-id", 1)
    assert not any(b"HOSTD_APP" in each for each in properties["LogExtraFields"])
    assert encode(properties)


async def test_that_unit_stays_until_journald_has_read_what_it_wrote() -> None:
    scene = Scene()
    await scene.ended()
    assert scene.systemd.acts == ["synchronize", "start", "synchronize", "unref"]


async def test_a_dyno_that_takes_the_name_meanwhile_is_not_put_away() -> None:
    scene = Scene()
    scene.while_it_speaks = lambda: scene.dropped.make_way(UNIT)
    await scene.ended()
    assert scene.systemd.acts == ["synchronize", "start", "synchronize"]


@pytest.mark.parametrize("state", ["quiet", "silent", "starting"])
async def test_nothing_is_started_without_need(state: str) -> None:
    scene = Scene()
    scene.much, scene.silent = state != "quiet", state == "silent"
    if state == "starting":
        scene.starting.add(UNIT)
    assert await scene.ended() == []


async def test_without_a_limit_nothing_is_dropped() -> None:
    scene = Scene(rate=0)
    assert await scene.ended() == []
    assert scene.asked == []


@pytest.mark.parametrize("error", [UnitExists(UNIT), SystemdError("no")])
async def test_a_dyno_that_runs_again_is_left_alone(error: SystemdError) -> None:
    scene = Scene()
    scene.systemd.error = error
    assert await scene.ended() == []
    scene.systemd.error = None
    assert await scene.ended() == [UNIT]


async def test_what_is_left_at_the_end_of_hostd_is_let_go() -> None:
    scene = Scene()
    scene.dropped.ended(UNIT, "app-id")
    await scene.dropped.close()
    assert scene.systemd.started == []
