"""Waiting for a nudge, but not for ever: what watches something looks again now and then by itself."""

from __future__ import annotations

import asyncio
import contextlib


async def nudge_or(seconds: float, nudge: asyncio.Event) -> None:
    """Wait until the event is set, or for so many seconds.

    Not asyncio.wait_for, which in Python 3.11 loses the end of this task to a nudge that comes with it.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await nudge.wait()
