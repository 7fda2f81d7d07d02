"""Threads: work that waits for somebody else, beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises. Nobody waits for its thread: hostd ends without it, unlike `asyncio.to_thread`."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def deliver(settle: Callable[[], None]) -> None:
        # The loop may be gone by now, and with it whoever wanted to know.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if ended.done() else settle())

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed on
            failure = error
            deliver(lambda: ended.set_exception(failure))
        else:
            deliver(lambda: ended.set_result(result))

    threading.Thread(target=run, daemon=True).start()
    return await ended
