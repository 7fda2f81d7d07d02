"""What a build says is kept and heard, whole or with a word about what is missing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostd.deploys import recording
from hostd.deploys.recording import HEAD, TAIL, Recording
from hostd.errors import Unavailable
from hostd.ledger import BuildOutput


async def all_of(recorded: Recording) -> bytes:
    return b"".join([piece async for piece in recorded.follow()])


async def test_followers_hear_everything_whenever_they_come():
    saved: list[BuildOutput] = []
    recorded = Recording(saved.append)
    early = asyncio.create_task(all_of(recorded))
    recorded.write(b"one ")
    await asyncio.sleep(0)
    late = asyncio.create_task(all_of(recorded))
    await asyncio.sleep(0)
    recorded.write(b"two")
    recorded.end()
    assert await early == await late == await all_of(recorded) == b"one two"
    assert saved == [BuildOutput(b"one two")]


async def test_what_was_said_is_kept_while_the_build_is_silent(monkeypatch):
    monkeypatch.setattr(recording, "SAVE_SECONDS", 0.0)
    kept = asyncio.Event()
    saved: list[BuildOutput] = []

    def save(output: BuildOutput) -> None:
        saved.append(output)
        kept.set()

    recorded = Recording(save)
    recorded.write(b"Building endless\n")
    await asyncio.wait_for(kept.wait(), 5)
    assert saved == [BuildOutput(b"Building endless\n")]


async def test_a_ledger_that_cannot_be_written_stops_no_build():
    def save(_: BuildOutput) -> None:
        raise Unavailable("database is locked")

    recorded = Recording(save)
    recorded.write(b"one")
    recorded.end()
    assert await all_of(recorded) == b"one"


async def test_of_a_long_transcript_beginning_and_end_are_kept():
    saved: list[BuildOutput] = []
    recorded = Recording(saved.append)
    whole = b"".join(b"line %d\n" % number for number in range(400_000))
    for begin in range(0, len(whole), 65536):
        recorded.write(whole[begin : begin + 65536])
    recorded.end()
    (output,) = saved
    assert (output.head, output.tail) == (whole[:HEAD], whole[-TAIL:])
    assert output.cut == len(whole) - HEAD - TAIL
    heard = await all_of(recorded)
    assert heard.startswith(whole[:HEAD])
    assert heard.endswith(whole[-TAIL:])
    assert b"bytes are left out here]" in heard


async def test_a_slow_follower_is_told_what_it_missed():
    recorded = Recording(lambda _: None)
    following = recorded.follow()
    recorded.write(b"x" * HEAD)
    assert await anext(following) == b"x" * HEAD
    for _ in range(3):
        recorded.write(b"y" * TAIL)
    recorded.end()
    rest = b"".join([piece async for piece in following])
    assert rest == f"\n[{2 * TAIL} bytes are left out here]\n".encode() + b"y" * TAIL


@given(st.lists(st.binary(max_size=40), max_size=20), st.data())
@pytest.mark.thorough
def test_no_byte_is_lost_or_doubled(pieces: list[bytes], data: Any):
    turns = data.draw(st.lists(st.integers(0, 3), min_size=len(pieces), max_size=len(pieces)))

    async def heard() -> bytes:
        recorded = Recording(lambda _: None)
        task = asyncio.create_task(all_of(recorded))
        for piece, count in zip(pieces, turns, strict=True):
            for _ in range(count):
                await asyncio.sleep(0)
            recorded.write(piece)
        recorded.end()
        return await task

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "HEAD", 50)
        assert asyncio.run(heard()) == b"".join(pieces)
