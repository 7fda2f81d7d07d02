"""A drain's buffer: what it holds, what gives way, and that the account is exact."""

import random

import pytest
from drains_kit import item, numbers
from logplex_fakes import START, cursor

from hostd.logplex.drains.buffer import MOST_MESSAGES, Buffer

PLENTY = 1 << 30
TEN = item(100).size * 10
"""Bytes of a frame of ten."""


def filled(count, first=1, **more):
    buffer = Buffer(**more)
    for number in range(first, first + count):
        buffer.offer(item(number))
    return buffer


async def taken(buffer, most=PLENTY):
    return await buffer.take(most, 0)


async def test_frames_are_cut_to_size_and_in_order():
    buffer = filled(10)
    size = item(1).size
    assert numbers(await taken(buffer, size * 4)) == [1, 2, 3, 4]
    buffer.delivered()
    assert buffer.cursor == cursor(4)
    assert numbers(await taken(buffer)) == [5, 6, 7, 8, 9, 10]
    buffer.delivered()
    assert (buffer.cursor, buffer.waiting, buffer.lost) == (cursor(10), 0, 0)


async def test_a_frame_that_failed_comes_again_under_its_id():
    buffer = filled(2)
    first = await taken(buffer)
    buffer.failed()
    buffer.offer(item(3))
    assert await taken(buffer) is first
    buffer.delivered()
    second = await taken(buffer)
    assert numbers(second) == [3] and second.id != first.id


async def test_a_large_entry_is_a_frame_of_its_own():
    buffer = filled(1)
    assert numbers(await taken(buffer, 1)) == [1]


async def test_full_is_at_1024_messages_and_nothing_is_dropped_unless_asked():
    buffer = filled(MOST_MESSAGES - 1)
    assert not buffer.full and buffer.free == 1
    buffer.offer(item(MOST_MESSAGES))
    assert buffer.full and buffer.free == 0 and buffer.lost == 0


async def test_bytes_count_too():
    buffer = Buffer()
    for number in range(1, 60):
        buffer.offer(item(number, "x" * 45_000))
    assert buffer.full and buffer.waiting < MOST_MESSAGES


async def test_the_newest_1024_stay_and_the_rest_is_counted():
    buffer = filled(MOST_MESSAGES)
    buffer.drop_oldest()
    for number in range(MOST_MESSAGES + 1, 3001):
        buffer.offer(item(number))
    assert (buffer.lost, buffer.total_lost, buffer.since) == (3000 - 1024, 3000 - 1024, START + 1)
    assert buffer.cursor == cursor(3000 - 1024)
    frame = await taken(buffer)
    assert (frame.lost, frame.since) == (1976, START + 1)
    assert numbers(frame) == list(range(1977, 3001))
    buffer.delivered()
    assert (buffer.lost, buffer.total_lost, buffer.untold) == (0, 1976, (0, 0))


async def test_a_frame_between_two_attempts_gives_way_first():
    buffer = filled(MOST_MESSAGES)
    first = await taken(buffer, TEN)
    buffer.failed()
    buffer.drop_oldest()
    buffer.offer(item(MOST_MESSAGES + 1))
    assert (buffer.lost, buffer.cursor) == (1, cursor(1))
    again = await taken(buffer)
    assert again.id != first.id and numbers(again)[0] == 2


async def test_what_gives_way_during_an_attempt_that_fails_takes_the_frame_along():
    buffer = filled(MOST_MESSAGES + 10)
    assert len(numbers(await taken(buffer, TEN))) == 10
    buffer.drop_oldest()
    buffer.offer(item(MOST_MESSAGES + 11))
    assert buffer.lost == 1  # number 11: the frame is on its way
    buffer.failed()
    assert (buffer.lost, buffer.since, buffer.cursor) == (11, START + 1, cursor(11))
    assert numbers(await taken(buffer))[0] == 12


async def test_what_gives_way_during_an_attempt_that_succeeds_is_all_that_is_lost():
    buffer = filled(MOST_MESSAGES + 10)
    assert len(numbers(await taken(buffer, TEN))) == 10
    buffer.drop_oldest()
    buffer.offer(item(MOST_MESSAGES + 11))
    buffer.delivered()
    assert (buffer.lost, buffer.cursor) == (1, cursor(11))
    assert numbers(await taken(buffer))[0] == 12


async def test_a_refused_frame_is_lost_and_told_with_the_next():
    buffer = filled(3)
    await taken(buffer)
    buffer.refused()
    assert (buffer.lost, buffer.cursor) == (3, cursor(3))
    buffer.offer(item(4))
    frame = await taken(buffer)
    assert (frame.lost, frame.since, numbers(frame)) == (3, START + 1, [4])
    assert buffer.untold == (3, START + 1)
    buffer.refused()
    assert (buffer.lost, buffer.total_lost) == (4, 4)


async def test_what_a_killed_process_had_to_tell_is_told_by_the_next():
    buffer = filled(1, lost=41, since=START)
    frame = await taken(buffer)
    assert (frame.lost, frame.since) == (41, START)


def test_entries_for_others_move_the_place_only_when_nothing_waits():
    buffer = Buffer()
    buffer.passed(cursor(5))
    assert buffer.cursor == cursor(5)
    buffer.offer(item(6))
    buffer.passed(cursor(7))
    assert buffer.cursor == cursor(5)


@pytest.mark.parametrize("seed", range(10))
async def test_whatever_happens_each_message_is_delivered_or_counted_once(seed):
    chance = random.Random(seed)
    buffer, number, delivered, told = Buffer(), 0, [], 0
    for _ in range(150):
        what = chance.random()
        if what < 0.5:
            for _ in range(chance.randrange(120)):
                if not buffer.full or buffer.dropping:
                    number += 1
                    buffer.offer(item(number))
        elif what < 0.55:
            buffer.drop_oldest()
        elif what < 0.6:
            buffer.drop_none()
        elif buffer.waiting:
            frame = await taken(buffer, chance.choice((1, 5_000, 100_000)))
            for _ in range(chance.randrange(300)):
                if not buffer.full or buffer.dropping:
                    number += 1
                    buffer.offer(item(number))
            end = chance.random()
            if end < 0.5:
                delivered += numbers(frame)
                told += frame.lost
                buffer.delivered()
            elif end < 0.8:
                buffer.failed()
            else:
                buffer.refused()
        assert buffer.waiting <= 2 * MOST_MESSAGES + 1
    while buffer.waiting:
        frame = await taken(buffer)
        delivered += numbers(frame)
        told += frame.lost
        buffer.delivered()
    assert delivered == sorted(set(delivered))
    assert len(delivered) + buffer.total_lost == number
    assert told + buffer.lost == buffer.total_lost


async def test_an_entry_of_several_lines_is_lost_as_several():
    buffer = filled(MOST_MESSAGES - 1)
    buffer.offer(item(MOST_MESSAGES, "line 1\nline 2\nline 3"))
    buffer.drop_oldest()
    assert buffer.lost == 2
    for number in range(MOST_MESSAGES):
        buffer.offer(item(2000 + number))
    assert buffer.lost == MOST_MESSAGES + 2
