"""Waiting for a nudge, or for a while."""

from __future__ import annotations

import asyncio

import pytest

from hostd.nudges import nudge_or


async def test_a_nudge_ends_the_wait() -> None:
    nudge = asyncio.Event()
    waiting = asyncio.create_task(nudge_or(3600, nudge))
    await asyncio.sleep(0)
    nudge.set()
    await waiting


async def test_without_one_it_is_a_while() -> None:
    await nudge_or(0, asyncio.Event())


async def test_a_task_that_is_ended_with_a_nudge_ends() -> None:
    nudge = asyncio.Event()
    waiting = asyncio.create_task(nudge_or(3600, nudge))
    await asyncio.sleep(0)
    nudge.set()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
