"""How many dynos are told to end at the same time."""

from __future__ import annotations

import asyncio

import pytest

from hostd.manager.turns import Turns

NEVER = 3600.0


class Works:
    """Works that are begun when it is their turn, and end when they are let."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ends = [asyncio.Event() for _ in range(5)]

    async def work(self, number: int) -> int:
        self.begun.append(number)
        await self.ends[number].wait()
        return number


async def turn_of_the_loop() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_so_many_are_begun_and_the_next_when_one_has_ended() -> None:
    works, turns = Works(), Turns(2, NEVER)
    tasks = [asyncio.create_task(turns.run(works.work(number))) for number in range(5)]
    await turn_of_the_loop()
    assert works.begun == [0, 1]
    works.ends[1].set()
    await turn_of_the_loop()
    assert works.begun == [0, 1, 2]
    for end in works.ends:
        end.set()
    assert await asyncio.gather(*tasks) == [0, 1, 2, 3, 4]


async def test_a_slow_one_holds_nobody_up() -> None:
    works, turns = Works(), Turns(1, 0.0)
    tasks = [asyncio.create_task(turns.run(works.work(number))) for number in range(3)]
    async with asyncio.timeout(5):
        while len(works.begun) < 3:
            await asyncio.sleep(0)
    for end in works.ends:
        end.set()
    assert await asyncio.gather(*tasks) == [0, 1, 2]


async def test_one_that_is_cancelled_before_its_turn_is_never_begun_and_takes_none() -> None:
    works, turns = Works(), Turns(1, NEVER)
    tasks = [asyncio.create_task(turns.run(works.work(number))) for number in range(3)]
    await turn_of_the_loop()
    tasks[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    works.ends[0].set()
    await turn_of_the_loop()
    assert works.begun == [0, 2]
    works.ends[2].set()
    await asyncio.gather(tasks[0], tasks[2])


async def test_one_that_fails_gives_its_turn_back() -> None:
    async def fail() -> None:
        raise RuntimeError("systemd is busy")

    turns, works = Turns(1, NEVER), Works()
    with pytest.raises(RuntimeError):
        await turns.run(fail())
    works.ends[0].set()
    assert await turns.run(works.work(0)) == 0
