"""Looking again and again, with looks that are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hostd.lookout import Lookout


class Looks:
    """Counts looks; `wait` is what each of them returns."""

    def __init__(self, wait: float = 3600.0) -> None:
        self.count = 0
        self.wait = wait
        self.fails = False

    async def look(self) -> float:
        self.count += 1
        if self.fails:
            raise RuntimeError("no")
        return self.wait


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def test_it_looks_at_once_and_when_it_is_nudged() -> None:
    looks = Looks()
    lookout = Lookout("looking", looks.look, 3600)
    lookout.nudge()
    lookout.start()
    await until(lambda: looks.count == 1)
    lookout.nudge()
    await until(lambda: looks.count == 2)
    await lookout.close()


@pytest.mark.parametrize(("wait", "longest"), [(0.0, 3600.0), (3600.0, 0.0)])
async def test_without_a_nudge_it_looks_again_after_a_while(wait: float, longest: float) -> None:
    looks = Looks(wait)
    lookout = Lookout("looking", looks.look, longest)
    lookout.start()
    await until(lambda: looks.count == 3)
    await lookout.close()


async def test_a_look_that_fails_is_said_and_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    looks = Looks()
    looks.fails = True
    lookout = Lookout("looking for mice", looks.look, 3600)
    lookout.start()
    await until(lambda: "looking for mice failed; trying again" in caplog.text)
    lookout.nudge()
    await until(lambda: looks.count == 2)
    await lookout.close()


async def test_one_that_is_closed_with_a_nudge_ends() -> None:
    looks = Looks()
    lookout = Lookout("looking", looks.look, 3600)
    lookout.start()
    await until(lambda: looks.count == 1)
    lookout.nudge()
    async with asyncio.timeout(10):
        await lookout.close()
    assert looks.count == 1


async def test_one_that_was_not_started_can_be_closed() -> None:
    await Lookout("looking", Looks().look, 1).close()
