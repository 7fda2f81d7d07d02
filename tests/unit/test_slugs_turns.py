"""Builds that wait for their turn."""

from __future__ import annotations

import asyncio

import pytest

from slugs.turns import Turns


class Build:
    """A build that runs until it is told to end."""

    def __init__(self, turns: Turns) -> None:
        self.said: list[bytes] = []
        self.begun, self.end = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self.run(turns))

    async def run(self, turns: Turns) -> None:
        async with turns.taken(self.hear):
            self.begun.set()
            await self.end.wait()

    async def hear(self, piece: bytes) -> None:
        self.said.append(piece)


async def test_one_more_than_may_run_waits_and_is_told() -> None:
    turns = Turns(2)
    first, second = Build(turns), Build(turns)
    await first.begun.wait()
    await second.begun.wait()
    third = Build(turns)
    fourth = Build(turns)
    await asyncio.sleep(0)
    assert not third.begun.is_set()
    second.end.set()
    await third.begun.wait()
    assert not fourth.begun.is_set()
    assert [bool(each.said) for each in (first, second, third, fourth)] == [False, False, True, True]
    for each in (first, third, fourth):
        each.end.set()
        await each.task


async def test_one_that_is_cancelled_while_it_waits_takes_no_turn() -> None:
    turns = Turns(1)
    first = Build(turns)
    await first.begun.wait()
    second, third = Build(turns), Build(turns)
    await asyncio.sleep(0)
    second.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second.task
    first.end.set()
    await third.begun.wait()
    assert not second.begun.is_set()
    third.end.set()
    await third.task
