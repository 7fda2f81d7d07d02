"""A dyno whose output somebody hears, in place of the log: that of a release phase."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from hostd.manager.session import Stdio
from units.pipes import pieces, pipe


class Hearer(Protocol):
    """Who hears what a captured dyno prints."""

    def begins(self, process: str) -> None:
        """Told the dyno's name (`release.4711`) before it starts."""

    async def hear(self, piece: bytes) -> None:
        """Take what it printed just now: at most 64 KB, not always whole lines."""

    async def ends(self) -> None:
        """It has printed all that it ever will; its end is told when this returns."""


async def hear_out(start: Callable[[Stdio], Awaitable[None]], hearer: Hearer) -> None:
    """Start a dyno on a pipe and hear it, to the pipe's end.

    systemd holds the pipe until the dyno's unit is removed, and that kills what its first process left running: so
    when this returns nobody is left who could print any more.
    """
    try:
        with pipe() as (printed, output):
            await start((output.fileno(), output.fileno(), output.fileno()))
            output.close()
            async with aclosing(pieces(printed)) as heard:
                async for piece in heard:
                    await hearer.hear(piece)
    finally:
        await hearer.ends()
