"""Turns: who waits how long, with connections that only note what they are told."""

import asyncio

import pytest

from router.turns import BULK, CRUMBS, HEADS, MORSEL, SPECK, Turns


class Brings:
    """A connection that is read."""

    def __init__(self, *, held: bool = False, closing: bool = False) -> None:
        self.transport = self
        self.reading_held = held
        self.closing = closing
        self.told: list[str] = []

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")

    def is_closing(self) -> bool:
        return self.closing


async def rounds(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_one_has_its_turn_in_each_round() -> None:
    turns, had = Turns(asyncio.get_running_loop()), []
    for number in range(3):
        turns.wait(lambda number=number: had.append(number))
    for number in range(3):
        assert had == list(range(number))
        await rounds(1)
    assert had == [0, 1, 2]


async def test_whoever_fails_keeps_nobody_from_his_turn() -> None:
    loop = asyncio.get_running_loop()
    turns, had, failures = Turns(loop), [], []
    loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))
    turns.wait(lambda: 1 / 0)
    turns.wait(lambda: had.append(1))
    await rounds(3)
    assert had == [1]
    assert [type(failure) for failure in failures] == [ZeroDivisionError]


async def test_while_some_wait_others_are_given_little_and_the_next_one_as_much_as_ever() -> None:
    turns = Turns(asyncio.get_running_loop())
    seen = [(turns.morsel, turns.crumbs)]
    turns.wait(lambda: seen.append((turns.morsel, turns.crumbs)))
    seen.append((turns.morsel, turns.crumbs))
    await rounds(2)
    assert seen == [(MORSEL, CRUMBS), (SPECK, CRUMBS // HEADS), (MORSEL, CRUMBS)]
    assert not turns.scarce


async def test_who_brings_much_is_read_on_from_in_turn() -> None:
    turns, first, second = Turns(asyncio.get_running_loop()), Brings(), Brings()
    turns.brought(first, BULK)
    turns.brought(second, 2 * BULK)
    assert first.told == second.told == ["pause"]
    await rounds(1)
    assert (first.told, second.told) == (["pause", "resume"], ["pause"])
    await rounds(1)
    assert second.told == ["pause", "resume"]


@pytest.mark.parametrize(("size", "held", "closing", "told"), [
    (BULK - 1, False, False, []),
    (BULK, True, False, ["pause"]),
    (BULK, False, True, []),
])  # fmt: skip
async def test_who_brings_little_is_held_or_has_gone_is_not(
    size: int, held: bool, closing: bool, told: list[str]
) -> None:
    turns, brings = Turns(asyncio.get_running_loop()), Brings(held=held, closing=closing)
    turns.brought(brings, size)
    await rounds(2)
    assert brings.told == told


async def test_one_that_closes_while_it_waits_is_left_alone() -> None:
    turns, brings = Turns(asyncio.get_running_loop()), Brings()
    turns.brought(brings, BULK)
    brings.closing = True
    await rounds(2)
    assert brings.told == ["pause"]
