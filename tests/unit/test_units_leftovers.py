"""What systemd leaves of units that are gone, on files of our own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from units.leftovers import Leftovers, left


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Where systemd keeps what it tells journald, and its transient units: `a` and `b` are told of, `a` runs."""
    units, transient = tmp_path / "units", tmp_path / "transient"
    for folder in (units, transient):
        folder.mkdir()
    for name in ("hostd-a", "hostd-b", "other"):
        (units / f"log-extra-fields:{name}.service").write_text("A=b")
    (units / "invocation:hostd-b.service").symlink_to("1234")
    (transient / "hostd-a.service").touch()
    return units, transient


def names(units: Path) -> list[str]:
    return sorted(path.name for path in units.iterdir())


def test_it_goes_when_its_unit_was_gone_twice(folders: tuple[Path, Path]) -> None:
    units, transient = folders
    leftovers = Leftovers("hostd-*.service", units, transient)
    before = names(units)
    leftovers.sweep()
    assert names(units) == before
    leftovers.sweep()
    assert names(units) == [name for name in before if name != "log-extra-fields:hostd-b.service"]


def test_a_unit_that_came_back_keeps_it(folders: tuple[Path, Path]) -> None:
    units, transient = folders
    leftovers = Leftovers("hostd-*.service", units, transient)
    leftovers.sweep()
    (transient / "hostd-b.service").touch()
    leftovers.sweep()
    (transient / "hostd-b.service").unlink()
    leftovers.sweep()
    assert "log-extra-fields:hostd-b.service" in names(units)
    leftovers.sweep()
    assert "log-extra-fields:hostd-b.service" not in names(units)


async def test_what_cannot_be_deleted_is_told_and_tried_again(
    folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    units, transient = folders
    stubborn = units / "log-extra-fields:hostd-c.service"
    stubborn.mkdir()
    leftovers = Leftovers("hostd-*.service", units, transient)
    leftovers.sweep()
    looking = asyncio.create_task(leftovers.run())
    await asyncio.sleep(0)
    assert not looking.done()
    looking.cancel()
    assert "cannot be deleted" in caplog.text


def test_which_there_are(folders: tuple[Path, Path], tmp_path: Path) -> None:
    assert {path.name[-9] for path in left("hostd-*.service", folders[0])} == {"a", "b"}
    assert left("hostd-*.service", tmp_path / "nowhere") == []
